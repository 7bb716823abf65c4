// What a job works on and what it gave, in full.

import { element } from "../dom.js";
import { write } from "./keyed.js";

/** A content, a result or an error, in full: text as text, anything else as JSON that can be read. */
export class Value {
  root = element("section", "value-of-job");
  #title;
  #frame = element("pre");
  #shown = "";

  /** @param {string} name */
  constructor(name) {
    this.name = name;
    this.#title = element("h2", "", name);
    this.#frame.tabIndex = 0;
    this.#frame.setAttribute("role", "region");
    this.root.append(this.#title, this.#frame);
  }

  /**
   * @param {unknown} value
   * @param {string} [name]
   * @param {string} [tone]
   */
  show(value, name = this.name, tone = "") {
    const text = typeof value === "string" ? value : JSON.stringify(value ?? null, null, 2);
    write(this.#title, name);
    this.#frame.setAttribute("aria-label", name);
    this.root.dataset.tone = tone;
    this.root.classList.toggle("json", typeof value !== "string");
    if (text !== this.#shown) this.#frame.textContent = text;
    this.#shown = text;
  }
}
