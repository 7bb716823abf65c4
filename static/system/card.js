// One job as one card, which changes as the job moves.

import { clock, element, setText } from "../dom.js";
import { Foot, PHASES, linkTo } from "./foot.js";
import { longText } from "./longtext.js";
import { StreamedText } from "./text.js";

/** @typedef {import("./job.js").Job} Job */
/** @typedef {import("../../clients/js/ringback.js").JobRecord} JobRecord */
/** @typedef {import("../../clients/js/ringback.js").Message} Message */
/** @typedef {import("../../clients/js/ringback.js").ErrorItem} ErrorItem */

/**
 * What a card asks others to do.
 * @typedef {object} Owner
 * @property {(card: JobCard) => Promise<void>} cancel
 * @property {(card: JobCard) => void} retry
 * @property {(card: JobCard) => Promise<void>} catchUp
 * @property {(task: string, work: unknown, errors: ErrorItem[]) => void} writeAgain
 * @property {(words: string) => void} announce
 */

/** These are said aloud when they are reached. */
const ANNOUNCED = new Set(["unsent", "queued", "succeeded", "failed", "cancelled", "refused"]);

export class JobCard {
  element = element("li", "card");
  #article = element("article");
  #task = element("span", "task");
  #when = element("span", "when");
  #content = longText("text content");
  #origin = element("p", "origin");
  #queued = longText("queued");
  #bar = element("progress", "bar");
  #note = element("p", "note");
  #outcome = element("div", "outcome");
  #announced = "";

  /**
   * @param {Job} job
   * @param {Owner} owner
   */
  constructor(job, owner) {
    this.job = job;
    this.owner = owner;
    this.text = new StreamedText(() => void owner.catchUp(this));
    this.foot = new Foot(job, {
      cancel: () => owner.cancel(this),
      retry: () => owner.retry(this),
      writeAgain: () => owner.writeAgain(job.task, job.work, job.errors),
      announce: (words) => owner.announce(words),
      focus: () => this.#article.focus({ preventScroll: true }),
    });
    const who = element("p", "who");
    who.append(this.#task, element("span", "by", "asked in this browser"), this.#when);
    const asked = element("div", "asked");
    asked.append(who, this.#content, this.#origin);
    const answer = element("div", "answer");
    answer.append(this.#queued, this.#bar, this.#note, this.text.element, this.#outcome, ...this.foot.elements);
    this.#bar.max = 100;
    this.#article.tabIndex = -1;
    this.#article.append(asked, answer);
    this.element.append(this.#article);
    this.#show();
  }

  /**
   * It is on its way to the server, or waits to be.
   * @param {boolean} isConnected
   */
  send(isConnected) {
    this.job.phase = isConnected ? "sending" : "unsent";
    this.job.wasSent ||= isConnected;
    this.#show();
  }

  /**
   * The server cannot take it now: it is sent again by itself.
   * @param {ErrorItem[]} errors
   */
  putOff(errors) {
    this.job.errors = errors;
    this.#show();
  }

  /**
   * @param {string} id
   * @param {string} sentence
   */
  accept(id, sentence) {
    this.job.accept(id, sentence);
    this.#show();
  }

  /** @param {ErrorItem[]} errors */
  refuse(errors) {
    this.job.refuse(errors);
    this.#show();
  }

  /** @param {Message} message */
  hear(message) {
    const before = this.job.phase;
    this.job.hear(message);
    if (message.action === "job_chunk") {
      const { attempt = 0, seq = 0 } = message.job ?? {};
      const wasEmpty = this.text.isEmpty;
      this.text.hear({ attempt, seq, text: message.payload });
      if (before === "running" && wasEmpty === this.text.isEmpty) return;
    }
    if (message.action === "job_queued") this.job.queued ||= message.payload;
    this.#show();
  }

  /**
   * @param {JobRecord} record
   * @param {number} askedAt
   */
  look(record, askedAt) {
    const wasUnknown = !this.job.isKnown;
    this.job.look(record, askedAt);
    // What an earlier page has said is not said again.
    if (wasUnknown) this.#announced = this.job.phase;
    this.#show();
    // What it said before this page listened; a result is whole without it.
    if (wasUnknown && record.attempts > 0 && this.job.phase !== "succeeded") void this.#catchUp();
  }

  async #catchUp() {
    await this.owner.catchUp(this);
    this.#show();
  }

  /** The server does not know it any more. */
  hide() {
    this.element.hidden = true;
  }

  #show() {
    const { job } = this;
    if (job.id && !this.element.id) {
      this.element.id = `job-${job.id}`;
      this.element.dataset.jobId = job.id;
    }
    // What messages say of it is shown together with what it is.
    if (!job.isKnown) return this.#showUnknown();
    this.element.dataset.phase = job.phase;
    this.element.dataset.task = job.task;
    const name = job.task.charAt(0).toUpperCase() + job.task.slice(1);
    setText(this.#task, name);
    setText(this.#content, job.content);
    this.#article.ariaLabel = `${name}: ${job.content.slice(0, 80)}`;
    if (job.at && !this.#when.firstChild) this.#when.append(clock(new Date(job.at)));
    this.#origin.hidden = job.retryOf === "";
    if (job.retryOf && !this.#origin.firstChild) this.#origin.append("Another chance for ", linkTo(job.retryOf));
    setText(this.#queued, job.queued);
    this.#queued.hidden = job.queued === "";
    this.#showProgress();
    this.text.element.hidden = this.text.isEmpty || job.phase === "succeeded";
    this.#showOutcome();
    this.foot.show();
    this.#announce(name);
  }

  #showUnknown() {
    this.element.dataset.phase = "unknown";
    this.#article.ariaLabel = "A job";
    const parts = [this.#origin, this.#queued, this.#bar, this.#note, this.text.element, this.#outcome];
    for (const part of parts) part.hidden = true;
    this.foot.show();
  }

  #showProgress() {
    const { phase, progress } = this.job;
    const isRunning = phase === "running";
    this.#bar.hidden = !isRunning;
    this.#note.hidden = true;
    if (!isRunning) return;
    this.#bar.ariaLabel = `Progress of ${this.#article.ariaLabel}`;
    const { percent, note } = progress ?? {};
    if (typeof percent === "number") this.#bar.value = Math.min(100, Math.max(0, percent));
    else this.#bar.removeAttribute("value");
    const words = [typeof percent === "number" ? `${Math.round(percent)} %` : "", note ?? ""];
    setText(this.#note, words.filter(Boolean).join(" · "));
    this.#note.hidden = this.#note.textContent === "";
  }

  #showOutcome() {
    const { phase, outcome, errors } = this.job;
    this.#outcome.hidden = !this.job.isOver;
    if (!this.job.isOver || this.#outcome.firstChild) return;
    if (phase === "refused") this.#outcome.append(...errors.map(sentence));
    else this.#outcome.append(outcome ? longText("text", outcome) : element("p", "none", "No result"));
  }

  /** @param {string} name */
  #announce(name) {
    const { phase, outcome, content } = this.job;
    if (this.#announced === phase) return;
    this.#announced = phase;
    if (!ANNOUNCED.has(phase)) return;
    const end = this.job.isOver && outcome ? `: ${outcome}` : "";
    this.owner.announce(`${name} ${content.slice(0, 40)}: ${PHASES[phase]}${end}`);
  }
}

/** @param {ErrorItem} error */
function sentence({ msg, loc, retry_after }) {
  const line = longText("text", msg);
  if (retry_after) line.append(`. Try again in ${retry_after} s.`);
  if (loc && loc.length > 0) line.append(" ", element("code", "", loc.join(" › ")));
  return line;
}
