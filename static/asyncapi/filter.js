// Finding a message, a field or a code: what has none of the words is not shown.

import { byId } from "../dom.js";
import { decode } from "./contract.js";

const FOUND = "found";

/** A section or a row, with its words. */
class Hidable {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    this.words = wordsOf(element);
  }
}

export class Filter {
  #field = byId("filter", HTMLInputElement);
  #said = byId("found", HTMLElement);
  /** @type {Hidable[]} */
  #sections = [];
  /** @type {Hidable[]} rows with an anchor: one finds each by itself */
  #rows = [];

  /**
   * @param {HTMLElement} place where the reference is
   * @param {() => void} changed
   */
  constructor(place, changed) {
    this.place = place;
    this.changed = changed;
    this.#sections = [...place.querySelectorAll(".thing")].map(
      (section) => new Hidable(/** @type {HTMLElement} */ (section)),
    );
    this.#rows = [...place.querySelectorAll("tbody.row")].map((row) => new Hidable(/** @type {HTMLElement} */ (row)));
    this.#field.addEventListener("input", () => this.#apply());
    this.#field.addEventListener("keydown", (event) => this.#pressed(event));
    document.addEventListener("keydown", (event) => this.#called(event));
    // Whoever follows a link wants to see where it leads.
    addEventListener("hashchange", () => this.#reveal());
    // What the browser has kept from before.
    this.#apply();
  }

  clear() {
    this.#field.value = "";
    this.#apply();
  }

  #apply() {
    const wanted = this.#field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const has = (/** @type {Hidable} */ { words }) => wanted.every((word) => words.includes(word));
    for (const row of this.#rows) row.element.hidden = !has(row);
    let count = 0;
    for (const section of this.#sections) {
      const { element } = section;
      const rows = this.#rows.filter((row) => element.contains(row.element));
      const some = rows.filter((row) => !row.element.hidden).length;
      element.hidden = rows.length > 0 ? some === 0 : !has(section);
      count += rows.length > 0 ? some : element.hidden ? 0 : 1;
    }
    for (const group of this.place.querySelectorAll(".group")) {
      /** @type {HTMLElement} */ (group).hidden = !group.querySelector(".thing:not([hidden])");
    }
    this.place.classList.toggle("filtered", wanted.length > 0);
    this.#said.textContent = wanted.length === 0 ? "" : counted(count);
    this.#highlight(wanted);
    this.changed();
  }

  /** @param {string[]} wanted */
  #highlight(wanted) {
    if (!("highlights" in CSS)) return;
    CSS.highlights.delete(FOUND);
    if (wanted.length === 0) return;
    const ranges = [];
    const texts = document.createTreeWalker(this.place, NodeFilter.SHOW_TEXT);
    for (let node = texts.nextNode(); node; node = texts.nextNode()) {
      const text = (node.textContent ?? "").toLowerCase();
      for (const word of wanted) {
        for (let from = text.indexOf(word); from >= 0; from = text.indexOf(word, from + word.length)) {
          const range = new Range();
          range.setStart(node, from);
          range.setEnd(node, Math.min(from + word.length, node.textContent?.length ?? 0));
          ranges.push(range);
        }
      }
    }
    CSS.highlights.set(FOUND, new Highlight(...ranges));
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.key === "Escape" && this.#field.value) {
      event.preventDefault();
      this.clear();
    }
    if (event.key === "Enter") {
      const first = this.place.querySelector("tbody.row:not([hidden]) .anchor, .thing:not([hidden]) .anchor");
      const section = this.place.querySelector(".thing:not([hidden])");
      const anchor = section?.querySelector("tbody.row") ? first : section?.querySelector(".anchor");
      if (anchor instanceof HTMLElement) {
        section?.scrollIntoView();
        anchor.focus();
      }
    }
  }

  /** @param {KeyboardEvent} event */
  #called(event) {
    const isWriting =
      event.target instanceof Element && event.target.closest("input:not([type=checkbox]), textarea, select");
    if (event.key !== "/" || isWriting || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.#field.focus();
    this.#field.select();
  }

  #reveal() {
    const target = document.getElementById(decode(location.hash.slice(1)));
    if (!target?.closest("[hidden]")) return;
    this.clear();
    target.scrollIntoView();
  }
}

/** @param {number} count */
function counted(count) {
  if (count === 0) return "Nothing has these words.";
  return count === 1 ? "1 place" : `${count} places`;
}

/**
 * The words of a part, without those of its examples: they have a little of everything.
 * @param {HTMLElement} part
 */
function wordsOf(part) {
  let words = "";
  const texts = document.createTreeWalker(part, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT, (node) =>
    node instanceof Element && node.matches(".examples") ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT,
  );
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    if (node instanceof Text) words += node.data;
    // Between parts of a line there is a blank that no text has.
    else if (!(node instanceof HTMLSpanElement)) words += " ";
  }
  return words.toLowerCase();
}
