// What was being written when something else took its place: it can be brought back, and then what is there waits in
// turn.

import { byId } from "../dom.js";

/**
 * @typedef {object} Writing
 * @property {string} task
 * @property {string | null} line what stood on the line; null where it was a form
 * @property {import("./fields.js").Draft | null} draft
 * @property {boolean} isJson whether it was JSON for a task that works on texts
 */

export class Earlier {
  #button = byId("earlier", HTMLButtonElement);
  /** @type {Writing[]} the latest last */
  #writings = [];

  /** @param {(writing: Writing) => void} bringBack */
  constructor(bringBack) {
    this.#button.addEventListener("click", () => {
      const latest = this.#writings.pop();
      if (latest) bringBack(latest);
      this.#show();
    });
  }

  /** @param {Writing} writing */
  keep(writing) {
    this.#writings.push(writing);
    this.#show();
  }

  #show() {
    const latest = this.#writings.at(-1);
    this.#button.hidden = !latest;
    this.#button.title = latest ? `For ${latest.task}, where something else was put` : "";
  }
}
