// The foot of a card: where its job is, in words, its times, and what can be done about it.

import { button, clock, element, lasted, setText } from "../dom.js";

/** @typedef {import("./job.js").Job} Job */
/** @typedef {import("./job.js").Phase} Phase */
/** @typedef {import("../../clients/js/ringback.js").JobError} JobError */

/**
 * What can be done about a job.
 * @typedef {object} Deeds
 * @property {() => Promise<void>} cancel
 * @property {() => void} retry
 * @property {() => void} writeAgain
 * @property {(words: string) => void} announce
 * @property {() => void} focus called when what had the focus is not there any more
 */

/** @type {Record<Phase, string>} */
export const PHASES = {
  unknown: "Looking it up…",
  sending: "Sending…",
  unsent: "Not sent yet: it is sent when the connection is back",
  queued: "Queued",
  held: "Waits for room under a limit",
  scheduled: "Scheduled",
  running: "Running",
  succeeded: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
  refused: "Not accepted",
};

const AWAY = "waiting for the connection; it goes on meanwhile, and catches up by itself";

export class Foot {
  /** Its lines. */
  elements;
  #phase = element("span", "phase");
  #facts = element("span", "facts");
  #story = element("a", "", "Story");
  #actions = element("span", "actions");
  #cancel = button("plain", "Cancel", () => void this.askToCancel());
  #retry = button("plain", "Retry", () => this.#askToRetry());
  #again = button("plain", "Write it again", () => this.deeds.writeAgain());
  /** What came of what was pressed. */
  #word = element("p", "word");
  #next = element("p", "next");
  #isCancelling = false;

  /**
   * @param {Job} job
   * @param {Deeds} deeds
   */
  constructor(job, deeds) {
    this.job = job;
    this.deeds = deeds;
    const line = element("div", "foot");
    this.#actions.append(this.#cancel, this.#retry, this.#again);
    line.append(this.#phase, this.#facts, this.#story, element("span", "away", AWAY), this.#actions);
    this.elements = [line, this.#word, this.#next];
  }

  show() {
    const { job } = this;
    setText(this.#phase, job.isKnown ? words(job) : PHASES.unknown);
    this.#facts.replaceChildren(...facts(job));
    this.#story.hidden = !job.isStored;
    this.#story.href = `/jobs/#/jobs/${job.id}`;
    this.#story.ariaLabel = `Story of job ${job.id}`;
    const mayRetry = job.isKnown && (job.phase === "failed" || job.phase === "cancelled");
    const isRetried = this.#next.firstChild !== null || this.#word.textContent !== "";
    this.#word.hidden = this.#word.textContent === "";
    this.#next.hidden = this.#next.firstChild === null;
    const focused = [this.#cancel, this.#retry, this.#again].find((one) => one === document.activeElement);
    this.#cancel.hidden = job.isOver || job.isCancelling || !job.isKnown;
    this.#retry.hidden = !mayRetry || isRetried;
    this.#again.hidden = job.phase !== "refused";
    // Whoever has pressed what is not there any more is still at this card.
    if (focused?.hidden) this.deeds.focus();
  }

  /**
   * It was submitted again, as another job.
   * @param {string} id
   */
  retriedAs(id) {
    if (!this.#next.firstChild) this.#next.append("It was given another chance: ", linkTo(id));
    this.#say("");
  }

  /** What was asked for by `Retry` was not accepted. */
  notRetried() {
    this.#say("");
  }

  async askToCancel() {
    if (this.#isCancelling) return;
    this.#setCancelling(true);
    this.#say(this.job.isStored ? "Asking to cancel it…" : "It is cancelled as soon as it is stored");
    try {
      await this.deeds.cancel();
      this.#say("");
    } catch (thrown) {
      const error = /** @type {JobError} */ (thrown);
      this.#setCancelling(false);
      this.#say(this.job.phase === "refused" ? "" : whyNot(error));
    }
  }

  /** @param {boolean} isCancelling whether that was asked for, and has no answer yet */
  #setCancelling(isCancelling) {
    this.#isCancelling = isCancelling;
    // One that is disabled would lose the focus.
    this.#cancel.ariaDisabled = String(isCancelling);
  }

  #askToRetry() {
    this.#say("It is being given another chance");
    this.deeds.retry();
  }

  /** @param {string} words */
  #say(words) {
    setText(this.#word, words);
    this.show();
    if (words) this.deeds.announce(words);
  }
}

/** @param {JobError} error */
function whyNot({ code, message }) {
  if (code === "conflict") return "Too late to cancel it: it was over";
  if (code === "not_found") return "It is of an earlier session of this browser; its story has a button that cancels it";
  if (code === "closed") return "Not cancelled: the connection has ended";
  return message;
}

/**
 * A link to the card of a job where there is one, and otherwise to its story.
 * @param {string} id
 */
export function linkTo(id) {
  const link = element("a", "", id);
  link.href = document.getElementById(`job-${id}`) ? `#job-${id}` : `/jobs/#/jobs/${id}`;
  return link;
}

/** @param {Job} job */
function words({ phase, attempts, maxAttempts, isCancelling, code, errors, wasSent }) {
  if (phase === "unsent" && wasSent) return "No answer yet: it is asked for again when the connection is back";
  if (phase === "sending" && errors.length > 0) return `Sent again in a moment: ${errors[0].msg}`;
  if (phase === "running" && isCancelling) return "Running, and asked to end";
  if (phase === "running" && attempts > 1) return `Running, attempt ${attempts}`;
  if (phase === "scheduled" && attempts > 0) return `Attempt ${attempts} of ${maxAttempts} failed; tried again`;
  if (phase === "failed" && code) return `Failed (${code})`;
  return PHASES[phase];
}

/**
 * What is known of its times and attempts.
 * @param {Job} job
 */
function facts({ phase, record, attempts }) {
  /** @type {HTMLElement[]} */
  const made = [];
  if (!record) return made;
  const times = [record.queued_at, record.started_at, record.finished_at];
  const [queued, started, finished] = times.map((at) => Date.parse(at ?? ""));
  if (phase === "scheduled") {
    const due = clock(new Date(record.run_at));
    due.prepend("at ");
    made.push(due);
  }
  if (attempts === 1 && started >= queued) made.push(lasted("waited", (started - queued) / 1_000));
  if (finished >= started) made.push(lasted("took", (finished - started) / 1_000));
  if (attempts > 1 && finished) made.push(element("span", "", `${attempts} attempts`));
  return made;
}
