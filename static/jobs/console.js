// The operator's console: which view is shown, and what all of them share.
//
// Every view has an address after the #, so that it can be linked, and the way back is the browser's.

import { byId } from "../dom.js";
import { begin as signedIn } from "../token.js";
import { Feed } from "./feed.js";
import { List } from "./list.js";
import { Overview } from "./overview.js";
import { offer } from "./shard.js";
import { Story } from "./story.js";

/**
 * What a view is given.
 * @typedef {object} Shared
 * @property {Feed} feed
 * @property {(text: string) => void} say to whoever listens to the page
 * @property {(text: string) => void} name the page in the title
 * @property {(hash: string, how?: "replace") => void} go to another address
 * @property {string} list the address of the list as it was looked at last
 */

/**
 * @typedef {object} View
 * @property {HTMLElement} root its first heading takes the focus
 * @property {(query: URLSearchParams, settled: () => void) => void} show what the address asks for, at first and
 *   whenever that changes; `settled` is called when it has its height
 * @property {() => void} close
 */

const nav = document.querySelector("header nav");
if (nav instanceof HTMLElement) await signedIn(nav);

const main = byId("view", HTMLElement);
const said = byId("said", HTMLElement);

/** @type {Shared} */
const shared = {
  list: "#/jobs",
  feed: new Feed(byId("feed", HTMLElement), said),
  say(text) {
    said.textContent = text;
  },
  name(text) {
    document.title = `${text} · Ringback`;
  },
  go(hash, how) {
    if (hash === location.hash) return;
    if (how === "replace") history.replaceState(null, "", hash);
    else history.pushState(null, "", hash);
    route();
  },
};

/** How far down each address was read. @type {Map<string, number>} */
const places = new Map();

/** @type {View | null} */
let view = null;
let path = "";

/** Shows what the address asks for. */
function route() {
  const [wanted, query] = split(location.hash);
  const place = places.get(location.hash) ?? 0;
  if (wanted === "/jobs") shared.list = location.hash;
  if (!view || wanted !== path) {
    const isFirst = !view;
    view?.close();
    path = wanted;
    view = make(wanted);
    main.replaceChildren(view.root);
    mark(wanted);
    if (!isFirst) window.scrollTo(0, 0);
    view.show(query, () => window.scrollTo(0, place));
    if (!isFirst) focusHeading();
  } else {
    view.show(query, () => {});
  }
}

/**
 * @param {string} hash
 * @returns {[string, URLSearchParams]}
 */
function split(hash) {
  const text = hash.replace(/^#/, "") || "/";
  const at = text.indexOf("?");
  return at < 0 ? [text, new URLSearchParams()] : [text.slice(0, at), new URLSearchParams(text.slice(at + 1))];
}

/**
 * @param {string} wanted
 * @returns {View}
 */
function make(wanted) {
  if (wanted === "/jobs" || wanted === "/jobs/") return new List(shared);
  if (wanted.startsWith("/jobs/")) return new Story(shared, wanted.slice("/jobs/".length));
  return new Overview(shared);
}

/** @param {string} wanted */
function mark(wanted) {
  const inJobs = wanted.startsWith("/jobs");
  for (const [id, current] of /** @type {[string, boolean][]} */ ([
    ["to-overview", !inJobs],
    ["to-jobs", inJobs],
  ])) {
    const link = byId(id, HTMLAnchorElement);
    if (!current) link.removeAttribute("aria-current");
    else link.setAttribute("aria-current", wanted === "/jobs" || !inJobs ? "page" : "true");
  }
}

/** @param {Element} link */
function hashOf(link) {
  return link instanceof HTMLAnchorElement ? link.hash : "";
}

function focusHeading() {
  const heading = main.querySelector("h1");
  if (heading instanceof HTMLElement) heading.focus({ preventScroll: true });
}

// A link leads to the beginning of a view; the browser's way back leads to where one was in it.
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element && event.target.closest('a[href^="#"]');
  if (link && !event.metaKey && !event.ctrlKey && !event.shiftKey) places.delete(hashOf(link));
});
window.addEventListener("scroll", () => places.set(location.hash, window.scrollY), { passive: true });
window.addEventListener("hashchange", route);
// Where it is not known, there is nothing to choose.
void offer(byId("views", HTMLElement)).catch(() => {});
byId("skip", HTMLButtonElement).addEventListener("click", () => {
  focusHeading();
  main.scrollIntoView();
});
route();
