// The frames of the panel as they cross the wire, newest last.

import { byId, button, element } from "../dom.js";
import { closeId, errorId, failureId } from "./codes.js";
import { dict, list } from "./contract.js";
import { coloured } from "./json.js";
import { pretty } from "./message.js";
import { link } from "./parts.js";
import { read } from "./reading.js";
/** @import { Contract, Place } from "./contract.js" */

/** @typedef {"in" | "out" | "note"} Way */
/** @typedef {{way: Way, text: string, at: Date}} Crossed a frame that has crossed the wire, or a note about the wire */

const KEPT = 500;
const NEAR_THE_END = 48;
const WAYS = { in: "← received", out: "→ sent", note: "· note" };

export class Frames {
  #list = byId("frames", HTMLOListElement);
  #scroller = byId("frames-scroller", HTMLElement);
  #kind = byId("frames-kind", HTMLSelectElement);
  #pretty = byId("frames-pretty", HTMLInputElement);
  #none = byId("frames-none", HTMLElement);
  /** @type {Crossed[]} */
  #waiting = [];

  /** @param {Contract} contract */
  constructor(contract) {
    this.contract = contract;
    this.#kind.addEventListener("change", () => this.#filter());
    this.#pretty.addEventListener("change", () => {
      const isAtEnd = this.#isAtEnd();
      for (const item of this.#list.children) show(/** @type {HTMLElement} */ (item), this.#pretty.checked);
      if (isAtEnd) this.toEnd();
    });
    byId("frames-clear", HTMLButtonElement).addEventListener("click", () => {
      this.#list.replaceChildren();
      this.#filter();
    });
    this.#filter();
  }

  /**
   * @param {Way} way
   * @param {string} text
   */
  add(way, text) {
    this.#waiting.push({ way, text, at: new Date() });
    if (this.#waiting.length > KEPT) this.#waiting.shift();
    // Many may come at once, and none is seen before the next picture of the page.
    if (this.#waiting.length === 1) requestAnimationFrame(() => this.#show());
  }

  #show() {
    const isAtEnd = this.#isAtEnd();
    this.#list.append(...this.#waiting.map((crossed) => this.#item(crossed)));
    this.#waiting = [];
    while (this.#list.childElementCount > KEPT) this.#list.firstElementChild?.remove();
    this.#count();
    if (isAtEnd) this.toEnd();
  }

  /** @param {Crossed} crossed */
  #item({ way, text, at }) {
    const frame = way === "note" ? {} : dict(read(text).value);
    const item = element("li", "frame");
    item.dataset.way = way;
    item.dataset.kind = kindOf(way, frame.action);
    item.dataset.text = text;
    item.hidden = !this.#isWanted(item);
    const head = element("div", "frame-head");
    head.append(element("span", "way", WAYS[way]), time(at), ...this.#links(way, text, frame));
    if (way !== "note") head.append(toggle(item));
    item.append(head, element("pre"));
    show(item, way !== "note" && this.#pretty.checked);
    return item;
  }

  toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  /**
   * Where the reference says more.
   * @param {Way} way
   * @param {string} text
   * @param {import("./contract.js").Dict} frame
   */
  #links(way, text, frame) {
    /** @type {Place[]} */
    const places = [];
    const message = this.contract.messageCalled(frame.action);
    if (message) places.push({ id: message.id, name: message.name });
    if (frame.action === "error") {
      const types = new Set(list(frame.payload).map((error) => String(dict(error).type)));
      for (const type of types) places.push({ id: errorId(type), name: type });
    }
    if (frame.action === "job_failed") places.push({ id: failureId(dict(frame.job).code), name: dict(frame.job).code });
    if (way === "note") {
      for (const { code, reason } of this.contract.table("close-codes")) {
        if (text.includes(String(code)) || text.includes(reason)) {
          places.push({ id: closeId(code), name: String(code) });
        }
      }
    }
    return places.filter(({ id }) => document.getElementById(id)).map(link);
  }

  #filter() {
    for (const item of this.#list.children) {
      const frame = /** @type {HTMLElement} */ (item);
      frame.hidden = !this.#isWanted(frame);
    }
    this.#count();
    this.toEnd();
  }

  /** @param {HTMLElement} item */
  #isWanted({ dataset }) {
    return ["all", dataset.way, dataset.kind].includes(this.#kind.value);
  }

  #count() {
    this.#none.hidden = this.#list.querySelector(".frame:not([hidden])") !== null;
    this.#none.textContent = this.#list.childElementCount > 0 ? "None of this kind." : "None yet.";
  }

  #isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR_THE_END;
  }
}

/**
 * @param {Way} way
 * @param {unknown} action
 */
function kindOf(way, action) {
  if (way === "note") return "upkeep";
  if (action === "error") return "error";
  if (action === "system_notification") return "notice";
  if (["ping", "pong", "ack", "resume", "resumed"].includes(String(action))) return "upkeep";
  return "job";
}

/**
 * @param {HTMLElement} item
 * @param {boolean} isPretty
 */
function show(item, isPretty) {
  const { text = "", way } = item.dataset;
  const { value, fault } = way === "note" ? { value: undefined, fault: null } : read(text);
  const isOpen = isPretty && way !== "note" && !fault;
  item
    .querySelector("pre")
    ?.replaceChildren(way === "note" ? element("code", "", text) : coloured(isOpen ? pretty(value) : text));
  item.querySelector("button")?.setAttribute("aria-pressed", String(isOpen));
}

/** @param {HTMLElement} item */
function toggle(item) {
  const made = button("small", "Pretty", () => show(item, made.getAttribute("aria-pressed") !== "true"));
  return made;
}

/** @param {Date} at */
function time(at) {
  const made = element("time", "", `${at.toTimeString().slice(0, 8)}.${String(at.getMilliseconds()).padStart(3, "0")}`);
  made.dateTime = at.toISOString();
  return made;
}
