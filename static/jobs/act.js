// Retrying or cancelling many jobs: counting them, asking, doing it in batches, and saying what happened.

import { element } from "../dom.js";
import { ask, isAbort, problem } from "./api.js";
import { Dialog } from "./dialog.js";
import { write } from "./keyed.js";
import { count, many } from "./words.js";

/** @typedef {import("./api.js").JobState} JobState */
/** @typedef {import("./filter.js").Filter} Filter */
/** @typedef {"retry" | "cancel"} Action */

/**
 * The jobs it is about: those whose ids are here, or all that a filter finds.
 * @typedef {object} Subject
 * @property {string[]} [ids]
 * @property {number} [others] how many were selected besides, for which it makes no sense
 * @property {Filter} [filter]
 * @property {JobState[]} states those it makes sense for
 */

/** What became of them, as the gateway counts it. @typedef {Record<string, number>} Sums */

const BATCH = 500;

/** How the numbers of an answer are said, in their order. @type {Record<Action, [string, string][]>} */
const BECAME = {
  cancel: [
    ["cancelled", "cancelled"],
    ["cancelling", "asked to end"],
    ["unchanged", "left as they were, since they were over"],
  ],
  retry: [
    ["submitted", "submitted again"],
    ["due", "due now"],
    ["unchanged", "left as they were"],
  ],
};

export class Act {
  #dialog;
  #line = element("p");
  #note = element("p", "note");
  #progress = element("progress");
  /** @type {"counting" | "asking" | "acting" | "done"} */
  #stage = "counting";
  /** @type {string[]} */
  #ids = [];
  #wasStopped = false;
  #abort = new AbortController();
  #hasActed = false;

  /**
   * @param {Action} action
   * @param {Subject} subject
   * @param {object} listener
   * @param {(text: string) => void} listener.say
   * @param {() => void} listener.onDone when jobs may have changed and the dialog is closed
   */
  constructor(action, subject, listener) {
    this.action = action;
    this.subject = subject;
    this.listener = listener;
    this.#dialog = new Dialog({
      safe: "",
      isDanger: action === "cancel",
      onAct: () => this.#act(),
      onSafe: () => this.#back(),
      onClose: () => {
        this.#abort.abort();
        if (this.#hasActed) listener.onDone();
      },
    });
    this.#dialog.body.append(this.#line, this.#note, this.#progress);
    if (subject.ids) {
      this.#ids = subject.ids;
      this.#ask();
    } else {
      this.#count();
    }
    this.#dialog.open();
  }

  get #verb() {
    return this.action === "cancel" ? "Cancel" : "Retry";
  }

  /** Collects the ids of all jobs that match, while their number runs up. */
  async #count() {
    const filter = /** @type {Filter} */ (this.subject.filter);
    this.#stage = "counting";
    this.#buttons("Stop counting", "");
    this.#dialog.title.textContent = "Counting the jobs…";
    write(this.#note, `Jobs ${filter.words(this.subject.states)}.`);
    this.#progress.removeAttribute("value");
    this.#progress.setAttribute("aria-label", "Counting");
    let cursor = "";
    try {
      for (;;) {
        write(this.#line, `${count(this.#ids.length)} so far`);
        const query = filter.request({ state: this.subject.states.join(","), cursor });
        /** @type {{ids: string[], next: string | null}} */
        const page = await ask(`/jobs/ids?${query}`, { signal: this.#abort.signal });
        for (const id of page.ids) this.#ids.push(id);
        if (page.next === null) break;
        cursor = page.next;
      }
    } catch (error) {
      if (!this.#wasStopped) {
        if (isAbort(error)) return;
        this.#stage = "done";
        this.#finish("The jobs could not be counted.", `${problem(error)} Nothing was changed.`);
        return;
      }
    }
    this.#ask();
  }

  /** Says exactly how many of what. */
  #ask() {
    this.#stage = "asking";
    this.#progress.hidden = true;
    const number = this.#ids.length;
    if (number === 0) {
      this.#finish(
        `There is nothing to ${this.action}.`,
        this.#wasStopped ? "Counting was stopped before one was found." : "",
      );
      return;
    }
    this.#dialog.title.textContent = `${this.#verb} ${many(number, "job")}?`;
    const { filter, others } = this.subject;
    const which = filter
      ? `All jobs ${filter.words(this.subject.states)}: ${count(number)}.`
      : `The ${many(number, "job")} that you selected.`;
    write(
      this.#line,
      this.#wasStopped
        ? `The ${many(number, "job")} that were found before counting was stopped. There may be more.`
        : which,
    );
    const means =
      this.action === "cancel"
        ? "What does not run yet ends at once; what runs is asked to end. This cannot be undone."
        : "What has failed or was cancelled is submitted again as a new job; what is scheduled is due now.";
    const rest = others
      ? ` ${count(others)} more that you selected ${others === 1 ? "stays as it is" : "stay as they are"}.`
      : "";
    write(this.#note, means + rest);
    this.#buttons(this.action === "cancel" ? "Keep them" : "Not now", `${this.#verb} ${many(number, "job")}`);
    this.#dialog.safe.focus();
  }

  /** Does it, batch by batch, as long as nobody stops it and nothing goes wrong. */
  async #act() {
    this.#stage = "acting";
    this.#wasStopped = false;
    this.#hasActed = true;
    const total = this.#ids.length;
    this.#dialog.title.textContent = `${this.action === "cancel" ? "Cancelling" : "Retrying"} ${many(total, "job")}…`;
    this.#buttons("Stop", "");
    this.#dialog.safe.focus();
    this.#progress.hidden = total <= BATCH;
    this.#progress.max = total;
    this.#progress.setAttribute("aria-label", "Done");
    write(this.#note, "");
    /** @type {Sums} */
    const sums = {};
    let done = 0;
    let trouble = "";
    while (done < total && !this.#wasStopped) {
      this.#progress.value = done;
      write(this.#line, `${count(done)} of ${count(total)}`);
      const ids = this.#ids.slice(done, done + BATCH);
      const post = this.action === "cancel" && this.subject.filter ? { ids, states: this.subject.states } : { ids };
      try {
        const answer = await ask(`/jobs/${this.action}`, { post });
        for (const [name] of BECAME[this.action]) sums[name] = (sums[name] ?? 0) + (answer[name] ?? 0);
        done += ids.length;
      } catch (error) {
        trouble = `Then something went wrong: ${problem(error)} `;
        trouble += `Of the next ${count(ids.length)} it is not known whether they were changed.`;
        const rest = total - done - ids.length;
        if (rest > 0) trouble += ` The ${count(rest)} after them were not touched.`;
        break;
      }
    }
    const said = BECAME[this.action]
      .filter(([name]) => sums[name] > 0)
      .map(([name, words]) => `${count(sums[name])} ${words}`);
    const what = said.length > 0 ? `${said.join(", ")}.` : "Nothing was changed.";
    if (done === total) this.#finish("Done", what);
    else if (trouble) this.#finish(`${count(done)} of ${many(total, "job")} were done`, what, trouble);
    else this.#finish(`Stopped after ${count(done)} of ${many(total, "job")}`, `${what} The others were not touched.`);
  }

  /** The button that does nothing more, or Escape. */
  #back() {
    this.#wasStopped = true;
    if (this.#stage === "counting") this.#abort.abort();
    else if (this.#stage === "acting") this.#buttons("Stopping…", "");
    else this.#dialog.root.close();
  }

  /**
   * @param {string} title
   * @param {string} what
   * @param {string} [trouble]
   */
  #finish(title, what, trouble = "") {
    this.#stage = "done";
    this.#progress.hidden = true;
    this.#dialog.title.textContent = title;
    write(this.#line, what);
    write(this.#note, "");
    this.#dialog.trouble.textContent = trouble;
    this.#buttons("Close", "");
    this.#dialog.safe.focus();
    this.listener.say(`${title}. ${what} ${trouble}`);
  }

  /**
   * @param {string} safe
   * @param {string} act nothing for a stage in which there is nothing to confirm
   */
  #buttons(safe, act) {
    write(this.#dialog.safe, safe);
    write(this.#dialog.act, act);
    this.#dialog.act.hidden = !act;
  }
}
