// Whose the page is: the token that it was given, kept for as long as a tab is open, and in no file.
//
// The tabs of a browser share one socket, and so the token: one that opens asks the others for it. A gateway without
// authentication asks for none, and then nothing of this is seen.

import { button, element } from "./dom.js";

const KEY = "ringback token";
/** How soon it is asked again whether the gateway wants a token. */
const ASK_AGAIN = 5_000;

/** How long the other tabs may take to say what it is. */
const TOLD_WITHIN = 150;

/** The dialog that is open. @type {Promise<void> | null} */
let asking = null;
let askedAt = 0;
/** Those who wait for a token, wherever it comes from. @type {Set<() => void>} */
const waiting = new Set();

const tabs = new BroadcastChannel(KEY);
tabs.addEventListener("message", ({ data }) => {
  if (data.token) keep(data.token);
  else if (token()) tabs.postMessage({ token: token() });
});

/** @param {string} given */
function keep(given) {
  sessionStorage.setItem(KEY, given);
  for (const wake of waiting) wake();
}

/** The token; empty where there is none. */
export function token() {
  return sessionStorage.getItem(KEY) ?? "";
}

/** What a request has to say beside the rest. @returns {Record<string, string>} */
export function authorization() {
  return token() ? { authorization: `Bearer ${token()}` } : {};
}

/**
 * Asks for a token where the gateway does; then says who is signed in, in `nav`.
 * @param {HTMLElement} nav
 * @returns {Promise<string>} the subject; empty where nobody is asked for
 */
export async function begin(nav) {
  let me = await whoAmI();
  if (me.status === 401 && !token()) {
    tabs.postMessage({ token: "" });
    await Promise.race([arrival(), new Promise((resolve) => setTimeout(resolve, TOLD_WITHIN))]);
    me = await whoAmI();
  }
  while (me.status === 401) {
    await signIn(token() ? me.why : "");
    me = await whoAmI();
  }
  if (!token() || !me.subject) return "";
  const leave = button("quiet", "Sign out", () => {
    sessionStorage.removeItem(KEY);
    location.reload();
  });
  leave.title = `Signed in as ${me.subject}`;
  nav.append(leave);
  return me.subject;
}

/**
 * Asks for a token when a client's connection turns out to need one.
 * @param {ReturnType<typeof import("../clients/js/ringback.js").connect>} ringback
 */
export function watch(ringback) {
  ringback.onState(async (state) => {
    if (state.name === "unauthorized") {
      await signIn(state.why);
      ringback.connectNow();
    } else if (!token() && state.why && state.name !== "connected" && Date.now() - askedAt > ASK_AGAIN) {
      // A page cannot see why a socket was refused.
      askedAt = Date.now();
      const me = await whoAmI();
      if (me.status !== 401) return;
      await signIn("");
      location.reload();
    }
  });
}

/**
 * Asks for a token, once, however many want one.
 * @param {string} why the last one was not taken; empty where there was none
 * @returns {Promise<void>} when there is one
 */
export function signIn(why) {
  asking ??= ask(why).finally(() => (asking = null));
  return asking;
}

/** @returns {Promise<void>} when a token has come */
function arrival() {
  return new Promise((resolve) => {
    const wake = () => {
      waiting.delete(wake);
      resolve();
    };
    waiting.add(wake);
  });
}

/** @param {string} why */
function ask(why) {
  const dialog = element("dialog", "sign-in");
  const form = element("form");
  const title = element("h2", "", "Sign in");
  title.id = "sign-in-title";
  dialog.setAttribute("aria-labelledby", title.id);
  const label = element("label", "", "Token");
  const input = element("input");
  input.type = "password";
  input.required = true;
  input.autocomplete = "off";
  input.spellcheck = false;
  label.append(input);
  const hint = element("p", "hint", "Whoever runs this gateway gives you one; they make it with ");
  hint.append(element("code", "", "ringback token NAME --scope admin"), ".");
  const trouble = element("p", "trouble", why);
  trouble.setAttribute("role", "alert");
  const submit = element("button", "", "Sign in");
  submit.type = "submit";
  form.append(title, label, hint, trouble, submit);
  dialog.append(form);
  document.body.append(dialog);
  // Nothing goes on without one.
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.showModal();
  input.focus();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const given = input.value.trim();
    const me = await whoAmI(given);
    if (me.status === 200) {
      keep(given);
      tabs.postMessage({ token: given });
      return;
    }
    trouble.textContent = me.why;
    input.select();
  });
  return arrival().then(() => {
    dialog.close();
    dialog.remove();
  });
}

/**
 * @param {string} [given] a token to try, instead of the page's own
 * @returns {Promise<{status: number, subject: string, why: string}>} 0 where there was no answer
 */
async function whoAmI(given) {
  const headers = given === undefined ? authorization() : { authorization: `Bearer ${given}` };
  try {
    const answer = await fetch("/api/v1/me", { headers });
    const body = await answer.json();
    const why = body.errors?.[0]?.msg ?? body.detail ?? `The gateway answered with status ${answer.status}`;
    return { status: answer.status, subject: body.subject ?? "", why };
  } catch {
    return { status: 0, subject: "", why: "The gateway does not answer" };
  }
}
