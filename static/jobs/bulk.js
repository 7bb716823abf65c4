// What can be done with several jobs at once: those that were selected, or all that match the filter.

import { button, element } from "../dom.js";
import { Act } from "./act.js";
import { write } from "./keyed.js";
import { LIVE, RETRIABLE, count } from "./words.js";

/** @typedef {import("./act.js").Action} Action */
/** @typedef {import("./api.js").Job} Job */
/** @typedef {import("./filter.js").Filter} Filter */

/** @type {Record<Action, import("./api.js").JobState[]>} */
const SENSIBLE = { retry: RETRIABLE, cancel: LIVE };

export class Bulk {
  root = element("div", "bulk");
  #words = element("span", "selected");
  #isAll = false;
  #all = button("small", "", () => {
    this.#isAll = !this.#isAll;
    this.#show();
    this.listener.say(`${this.#words.textContent}.`);
  });
  /** @type {Record<Action, HTMLButtonElement>} */
  #actions = {
    retry: button("small", "Retry…", () => this.#act("retry")),
    cancel: button("small danger", "Cancel…", () => this.#act("cancel")),
  };
  /** @type {Filter | null} */
  #filter = null;
  /** @type {Job[]} */
  #selected = [];

  /**
   * @param {object} listener
   * @param {(text: string) => void} listener.say
   * @param {() => void} listener.onDone
   */
  constructor(listener) {
    this.listener = {
      say: listener.say,
      onDone: () => {
        this.#isAll = false;
        listener.onDone();
      },
    };
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-label", "Several jobs at once");
    this.root.append(this.#words, this.#all, this.#actions.retry, this.#actions.cancel);
  }

  /**
   * @param {Filter} filter
   * @param {Job[]} selected as they are now
   */
  show(filter, selected) {
    if (filter.hash !== this.#filter?.hash) this.#isAll = false;
    this.#filter = filter;
    this.#selected = selected;
    this.#show();
  }

  /** Somebody selects one by one: not all that match any more. */
  pick() {
    this.#isAll = false;
  }

  #show() {
    const number = this.#selected.length;
    const words = this.#isAll ? "All that match" : number === 0 ? "None selected" : `${count(number)} selected`;
    write(this.#words, words);
    write(this.#all, this.#isAll ? "Deselect" : "Select all that match");
    this.root.classList.toggle("all", this.#isAll);
    for (const action of /** @type {Action[]} */ (["retry", "cancel"])) {
      this.#actions[action].setAttribute("aria-disabled", String(!this.#makesSense(action)));
    }
  }

  /** @param {Action} action */
  #makesSense(action) {
    if (this.#isAll) return (this.#filter?.among(SENSIBLE[action]).length ?? 0) > 0;
    return this.#selected.some((job) => SENSIBLE[action].includes(job.state));
  }

  /** @param {Action} action */
  #act(action) {
    if (!this.#filter || !this.#makesSense(action)) return;
    const states = SENSIBLE[action];
    if (this.#isAll) {
      new Act(action, { filter: this.#filter, states: this.#filter.among(states) }, this.listener);
      return;
    }
    const ids = this.#selected.filter((job) => states.includes(job.state)).map((job) => job.id);
    new Act(action, { ids, others: this.#selected.length - ids.length, states }, this.listener);
  }
}
