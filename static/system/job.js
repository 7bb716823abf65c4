// What is known of one job: from the server's messages as they come, and from its record as it is looked up.
//
// Both may come late or twice; what is over stays over, and an earlier attempt says nothing against a later one.

import { asText } from "../dom.js";

/** @typedef {import("../../clients/js/ringback.js").JobRecord} JobRecord */
/** @typedef {import("../../clients/js/ringback.js").Message} Message */
/** @typedef {import("../../clients/js/ringback.js").ErrorItem} ErrorItem */

/**
 * Where it is: not looked up yet; on its way to the server, or waiting for the connection; then as the server has it
 * (`queued` is `ready`, and what waits to be called back runs); or not accepted.
 * @typedef {"unknown" | "sending" | "unsent" | "queued" | "held" | "scheduled" | "running" | "succeeded" | "failed"
 *   | "cancelled" | "refused"} Phase
 */

/** @type {Record<string, Phase>} */
const ENDS = { job_result: "succeeded", job_failed: "failed", job_cancelled: "cancelled" };
/** @type {Record<JobRecord["state"], Phase>} */
const PHASES = {
  scheduled: "scheduled",
  held: "held",
  ready: "queued",
  running: "running",
  waiting: "running",
  succeeded: "succeeded",
  failed: "failed",
  cancelled: "cancelled",
};

export class Job {
  id = "";
  /** @type {Phase} */
  phase = "unknown";
  /** The server's sentence that it is queued. */
  queued = "";
  /** What it gave, or why it gave nothing. */
  outcome = "";
  code = "";
  attempts = 0;
  maxAttempts = 1;
  isCancelling = false;
  /** @type {{percent?: number | null, note?: string | null} | null} */
  progress = null;
  /** @type {ErrorItem[]} why it was not accepted, or not yet */
  errors = [];
  /** Whether it has been sent, so that without an answer it is not known whether the server has it. */
  wasSent = false;
  /** @type {JobRecord | null} */
  record = null;
  /** When a message last said how far it is. */
  #heardAt = 0;

  /**
   * @param {string} task
   * @param {unknown} work a text, or any other JSON
   * @param {number} at when it was asked for, in milliseconds since 1970; 0 when that has to be looked up
   * @param {string} [retryOf]
   */
  constructor(task, work, at, retryOf = "") {
    this.task = task;
    this.work = work;
    this.at = at;
    this.retryOf = retryOf;
  }

  /** What it works on, as text. */
  get content() {
    return asText(this.work);
  }

  /** Whether more is known of it than its id. */
  get isKnown() {
    return this.task !== "";
  }

  get isOver() {
    return ["succeeded", "failed", "cancelled", "refused"].includes(this.phase);
  }

  /** Whether the server has it. */
  get isStored() {
    return this.id !== "";
  }

  /**
   * The server has accepted it.
   * @param {string} id
   * @param {string} sentence
   */
  accept(id, sentence) {
    this.id = id;
    this.queued = sentence;
    if (!this.isOver) this.phase = "queued";
  }

  /**
   * @param {JobRecord} record
   * @param {number} askedAt when it was asked for
   */
  look(record, askedAt) {
    this.record = record;
    this.task = record.task_type;
    this.work = record.input;
    this.at ||= Date.parse(record.queued_at);
    this.queued ||= `⏳ Job queued: ${this.task} for '${this.content}' (ID: ${record.id})`;
    this.retryOf = record.retry_of ?? "";
    this.maxAttempts = record.max_attempts;
    const phase = PHASES[record.state];
    const isOutdated = this.isOver && record.finished_at === null;
    if (isOutdated || record.attempts < this.attempts) return;
    this.attempts = record.attempts;
    if (record.finished_at !== null && !this.isOver) this.#end(phase, record);
    if (this.isOver || (askedAt < this.#heardAt && phase !== "scheduled")) return;
    this.phase = phase;
    this.isCancelling ||= record.is_cancelling;
    this.progress = phase === "running" ? record.progress : null;
  }

  /** @param {Message} message */
  hear(message) {
    const { attempt = 0, attempts, code = "" } = message.job ?? {};
    if (message.action in ENDS) {
      this.phase = ENDS[message.action];
      this.outcome = asText(message.payload);
      this.code = code;
      this.attempts = attempts ?? this.attempts;
      this.progress = null;
    } else if (message.action === "job_cancelling") {
      this.isCancelling = !this.isOver;
    } else if ((message.action === "job_progress" || message.action === "job_chunk") && !this.isOver) {
      if (attempt < this.attempts) return;
      if (attempt > this.attempts) this.progress = null;
      this.attempts = attempt;
      this.phase = "running";
      if (message.action === "job_progress") this.progress = message.payload;
      this.#heardAt = Date.now();
    }
  }

  /** @param {ErrorItem[]} errors */
  refuse(errors) {
    this.phase = "refused";
    this.errors = errors;
  }

  /**
   * @param {Phase} phase
   * @param {JobRecord} record
   */
  #end(phase, record) {
    this.phase = phase;
    this.code = record.error_code ?? "";
    this.progress = null;
    // In the words that the messages have for it.
    if (phase === "succeeded") this.outcome = record.result === null ? "" : asText(record.result);
    else if (phase === "cancelled") this.outcome = `Job ${record.id} was cancelled`;
    else this.outcome = record.error ?? "";
  }
}
