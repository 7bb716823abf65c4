// The contents of the reference: they say where one is, and what is there at all.

import { byId, element } from "../dom.js";
import { link } from "./parts.js";
/** @import { Group } from "./reference.js" */

/** A section counts as read once its beginning is above this part of the window. */
const READING_LINE = 0.3;

export class Contents {
  #box = byId("contents", HTMLDetailsElement);
  #list = byId("toc", HTMLElement);
  #wide = matchMedia("(min-width: 60rem)");
  /** @type {Map<string, HTMLAnchorElement>} by the anchors */
  #links = new Map();
  /** @type {string | undefined} */
  #current;
  #isPlanned = false;

  /** @param {Group[]} groups */
  constructor(groups) {
    for (const { title, entries } of groups) {
      const section = element("section");
      const items = element("ul");
      for (const { id, label, code } of entries) {
        const item = element("li");
        const anchor = link({ id, name: code ? "" : label });
        if (code) anchor.append(element("code", "", label));
        anchor.addEventListener("click", () => {
          if (!this.#wide.matches) this.#box.open = false;
        });
        this.#links.set(id, anchor);
        item.append(anchor);
        items.append(item);
      }
      section.append(element("h2", "", title), items);
      this.#list.append(section);
    }
    const fit = () => (this.#box.open = this.#wide.matches);
    this.#wide.addEventListener("change", fit);
    fit();
    for (const event of ["scroll", "resize"]) addEventListener(event, this.#plan, { passive: true });
    this.follow();
  }

  /** What is not shown has no line. */
  filtered() {
    for (const [id, anchor] of this.#links) {
      const item = /** @type {HTMLElement} */ (anchor.parentElement);
      item.hidden = document.getElementById(id)?.closest("[hidden]") != null;
    }
    for (const section of this.#list.querySelectorAll("section")) {
      section.hidden = !section.querySelector("li:not([hidden])");
    }
    this.follow();
  }

  /** Marks where one is. */
  follow() {
    const line = innerHeight * READING_LINE;
    /** @type {string | undefined} */
    let current;
    for (const id of this.#links.keys()) {
      const section = document.getElementById(id);
      if (!section?.checkVisibility()) continue;
      if (current !== undefined && section.getBoundingClientRect().top > line) break;
      current = id;
    }
    const { scrollHeight } = document.documentElement;
    const last = [...this.#links.keys()].filter((id) => document.getElementById(id)?.checkVisibility()).at(-1);
    if (scrollY > 0 && scrollY + innerHeight >= scrollHeight - 2) current = last;
    // What the address names is where one is, also where it cannot come up to the line.
    const named = this.#links.has(location.hash.slice(1)) ? document.getElementById(location.hash.slice(1)) : null;
    if (named?.checkVisibility() && isAtTop(named, line)) current = named.id;
    this.#mark(current);
  }

  /** @param {string | undefined} current */
  #mark(current) {
    if (current === this.#current) return;
    this.#current = current;
    for (const [id, anchor] of this.#links) {
      if (id === current) anchor.setAttribute("aria-current", "location");
      else anchor.removeAttribute("aria-current");
    }
    const anchor = current === undefined ? undefined : this.#links.get(current);
    if (!anchor || !this.#wide.matches) return;
    // Only the contents move, not the page.
    const box = this.#box.getBoundingClientRect();
    const own = anchor.getBoundingClientRect();
    if (own.top < box.top + 48) this.#box.scrollTop -= box.top + 48 - own.top;
    else if (own.bottom > box.bottom - 48) this.#box.scrollTop += own.bottom - box.bottom + 48;
  }

  #plan = () => {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    requestAnimationFrame(() => {
      this.#isPlanned = false;
      this.follow();
    });
  };
}

/**
 * @param {HTMLElement} section
 * @param {number} line
 */
function isAtTop(section, line) {
  const { top } = section.getBoundingClientRect();
  return top >= 0 && top <= Math.max(line, 120);
}
