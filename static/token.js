// Whose the page is: the token that it was given, kept for as long as a tab is open.
//
// The tabs of a browser share one socket, and so the token: one that opens asks the others for it, and whoever signs out
// of one does so of all of theirs. The gateway writes into a page whether it wants one; where it does not, nothing of this
// is seen.
// Browsers write what a tab keeps to their profile, so as to have it after a crash: a token should not be good for long.

import { button, element } from "./dom.js";

/** @typedef {{token: string, subject: string}} Kept */
/** What a tab says to the others. @typedef {{type: "ask"} | {type: "in", kept: Kept} | {type: "out", subject: string}} Whisper */

const KEY = "ringback token";
/** How soon it is asked again whether the gateway wants a token. */
const ASK_AGAIN = 5_000;
/** How long the gateway may take to say whose a token is. */
const ANSWERED_WITHIN = 10_000;
/** How long the other tabs may take to say what it is. */
const TOLD_WITHIN = 150;

/** The dialog that is open. @type {Promise<void> | null} */
let asking = null;
let askedAt = 0;
/** Whose what the page shows is; null until that is known. @type {string | null} */
let shownTo = null;
/** Where a page may store nothing, the page itself keeps it. @type {Kept | null} */
let unstored = null;
/** Those who wait for a token, wherever it comes from. @type {Set<() => void>} */
const waiting = new Set();

const tabs = new BroadcastChannel(KEY);
tabs.addEventListener("message", ({ data }) => {
  const whisper = /** @type {Whisper} */ (data);
  const own = kept();
  if (whisper.type === "ask") {
    if (own) say({ type: "in", kept: own });
  } else if (whisper.type === "out") {
    if (own?.subject === whisper.subject) forget();
  } else if (!own || (own.subject === whisper.kept.subject && own.token !== whisper.kept.token)) {
    // A tab stays whose it is.
    keep(whisper.kept);
  }
});

/** @param {Whisper} whisper */
function say(whisper) {
  tabs.postMessage(whisper);
}

/** @returns {Kept | null} */
function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  } catch {
    return unstored;
  }
}

/** @param {Kept | null} given */
function write(given) {
  unstored = given;
  try {
    if (given) sessionStorage.setItem(KEY, JSON.stringify(given));
    else sessionStorage.removeItem(KEY);
  } catch {
    // It lasts as long as the page.
  }
}

/** @param {Kept} given */
function keep(given) {
  write(given);
  // Nobody is shown what is another's, or speaks in their session.
  if (shownTo !== null && shownTo !== given.subject) location.reload();
  else for (const wake of waiting) wake();
}

/** Shows nothing any more that was read with it. */
function forget() {
  write(null);
  location.reload();
}

/** The token; empty where there is none. */
export function token() {
  return kept()?.token ?? "";
}

/** What a request has to say beside the rest. @returns {Record<string, string>} */
export function authorization() {
  return token() ? { authorization: `Bearer ${token()}` } : {};
}

/**
 * Asks for a token where the gateway wants one; then says who is signed in, before `nav`.
 * @param {HTMLElement} nav
 * @returns {Promise<string>} the subject; empty where nobody is asked for
 */
export async function begin(nav) {
  const subject = await known();
  if (!subject) return "";
  const place = element("div", "signed-in");
  const who = element("p");
  who.append(element("span", "", "Signed in as "), subject);
  who.title = subject;
  const leave = button("quiet", "Sign out", () => {
    say({ type: "out", subject });
    forget();
  });
  place.append(who, leave);
  nav.before(place);
  return subject;
}

/**
 * Who is signed in; a token is asked for where the gateway wants one.
 * @returns {Promise<string>} the subject; empty where nobody is asked for
 */
export async function known() {
  if (document.documentElement.dataset.auth === "none") {
    // What there is is of a time when a token was wanted.
    write(null);
  } else if (!token()) {
    say({ type: "ask" });
    await Promise.race([arrival(), new Promise((resolve) => setTimeout(resolve, TOLD_WITHIN))]);
    if (!token()) await signIn("");
  }
  // One that has ended is asked for again by whoever is refused with it.
  shownTo = kept()?.subject ?? "";
  return shownTo;
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
      // A page cannot see why a socket was refused: the gateway may have begun to want a token.
      askedAt = Date.now();
      if ((await whoAmI()).status === 401) await signIn("");
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
  const open = () => {
    dialog.showModal();
    input.focus();
  };
  // Nothing goes on without one; and a browser closes a dialog at the second Escape without asking.
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.addEventListener("close", () => {
    if (dialog.isConnected) open();
  });
  open();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const given = input.value.trim();
    const me = await whoAmI(given);
    if (me.status === 200) {
      const own = { token: given, subject: me.subject };
      say({ type: "in", kept: own });
      keep(own);
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
  // What no header can carry would look like a gateway that is away.
  if (given !== undefined && !/^[!-~]+$/.test(given)) return { status: 0, subject: "", why: "This is no signed token" };
  const headers = given === undefined ? authorization() : { authorization: `Bearer ${given}` };
  try {
    const answer = await fetch("/api/v1/me", { headers, signal: AbortSignal.timeout(ANSWERED_WITHIN) });
    const body = await answer.json();
    const why = body.errors?.[0]?.msg ?? body.detail ?? `The gateway answered with status ${answer.status}`;
    return { status: answer.status, subject: body.subject, why };
  } catch {
    return { status: 0, subject: "", why: "The gateway does not answer" };
  }
}
