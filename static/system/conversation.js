// What this browser has asked for and was told, oldest first: the list that the client module keeps for all its tabs,
// and after it what this tab has asked for and has no answer to.

import { byId } from "../dom.js";
import { Announcer } from "./announcer.js";
import { JobCard } from "./card.js";
import { Job } from "./job.js";
import { Lookout } from "./lookout.js";
import { noticeItem } from "./notice.js";
import { Outbox } from "./outbox.js";
import { Scroller } from "./scroller.js";

/** @typedef {ReturnType<typeof import("../../clients/js/ringback.js").connect>} Ringback */
/** @typedef {import("../../clients/js/ringback.js").Job} Asked */
/** @typedef {import("../../clients/js/ringback.js").JobError} JobError */
/** @typedef {import("../../clients/js/ringback.js").JobRecord} JobRecord */
/** @typedef {import("../../clients/js/ringback.js").Message} Message */
/** @typedef {import("../../clients/js/ringback.js").State} State */
/** @typedef {import("../../clients/js/ringback.js").Told} Told */
/** @typedef {import("./outbox.js").Unanswered} Unanswered */

export class Conversation {
  #list = byId("messages", HTMLOListElement);
  #empty = byId("empty", HTMLElement);
  #scroller = new Scroller(this.#list);
  #announcer = new Announcer();
  #outbox = new Outbox();
  /** @type {Map<string, JobCard>} by the ids of their jobs */
  #cards = new Map();
  /** @type {Map<string, HTMLElement>} by their ids */
  #notices = new Map();
  /** @type {Map<Asked, {card: JobCard, key: string}>} what this tab has asked for and has no answer to */
  #unanswered = new Map();
  /** @type {Set<JobCard>} those of whose text something is missing, until there is a connection */
  #behind = new Set();
  #isConnected = false;
  /** Nothing of what an earlier page has heard is announced. */
  #isBegun = false;
  /** @type {(count: number) => void} */
  #countTo = () => {};

  /**
   * @param {Ringback} ringback
   * @param {import("./card.js").Owner["writeAgain"]} writeAgain puts it back where they can be sent once more
   */
  constructor(ringback, writeAgain) {
    this.ringback = ringback;
    this.writeAgain = writeAgain;
    this.lookout = new Lookout(ringback, () => this.#unfinished(), (...found) => this.#found(...found));
  }

  /** The jobs whose end is still out. */
  #unfinished() {
    const cards = [...this.#cards.values()].filter(({ job, element }) => !job.isOver && !element.hidden);
    return cards.map(({ job }) => job.id);
  }

  /** @param {(count: number) => void} listener hears how much there is */
  onCount(listener) {
    this.#countTo = listener;
  }

  /** Shows what there is, and from now on what comes; and sends again what an earlier page had no answer to. */
  begin() {
    this.ringback.onMessage((message, asked) => this.#hear(message, asked));
    this.ringback.onTold((told) => this.#show(told));
    for (const entry of this.#outbox.entries) this.#ask(entry, true);
    this.ringback.onState((state) => this.#connection(state));
    this.#isBegun = true;
  }

  /**
   * @param {string} task
   * @param {unknown} work a text, or any other JSON
   */
  submit(task, work) {
    this.#begin(this.#outbox.write(task, work));
  }

  /** @param {JobCard} card */
  retry({ job }) {
    this.#begin(this.#outbox.write(job.task, job.work, job.id));
  }

  /**
   * Cancels the job of a card, or, where that is not known yet, as soon as it is.
   * @param {JobCard} card
   * @returns {Promise<void>}
   */
  async cancel(card) {
    for (const [asked, waiting] of this.#unanswered) {
      if (waiting.card !== card) continue;
      this.#outbox.cancel(waiting.key);
      return asked.cancel();
    }
    await this.ringback.cancel(card.job.id);
  }

  /**
   * Looks for what is missing of a job's text.
   * @param {JobCard} card
   */
  async catchUp(card) {
    const { job, text } = card;
    try {
      await this.lookout.read(job.id, text.place, (chunk) => text.hear(chunk));
    } catch {
      if (!this.#isConnected) return void this.#behind.add(card);
      // What comes over the socket is shown all the same.
    }
    text.fill();
  }

  /** Empties the conversation, in all tabs; its jobs go on. What has no answer yet stays. */
  clear() {
    this.#clearRefused();
    this.ringback.forgetTold();
  }

  /** @param {string} words */
  announce(words) {
    if (this.#isBegun) this.#announcer.say(words);
  }

  /** @param {Unanswered} entry */
  #begin(entry) {
    this.#ask(entry);
    this.#scroller.toEnd();
  }

  /**
   * @param {Unanswered} entry
   * @param {boolean} [wasSent]
   */
  #ask({ key, task, work, at, retryOf, isCancelled }, wasSent = false) {
    const content = typeof work === "string" ? work : null;
    const input = content === null ? work : undefined;
    const asked = retryOf
      ? this.ringback.retry(retryOf)
      : this.ringback.submit(task, content, { input, stream: true, idempotency_key: key });
    const job = new Job(task, work, at, retryOf);
    job.wasSent = wasSent;
    const card = new JobCard(job, this);
    this.#unanswered.set(asked, { card, key });
    asked.id.catch((error) => this.#refused(asked, error));
    card.send(this.#isConnected);
    this.#list.append(card.element);
    if (isCancelled) void card.foot.askToCancel();
    this.#count();
  }

  /**
   * @param {Message} message
   * @param {Asked} [asked]
   */
  #hear(message, asked) {
    if (asked && message.action === "job_queued") this.#accepted(asked, message);
    if (asked && message.action === "error") this.#unanswered.get(asked)?.card.putOff(message.payload);
    const card = this.#cards.get(message.job_id ?? "");
    if (!card) return;
    card.hear(message);
    // Its times, and what became of it after it began, no message says.
    if (message.action === "job_queued") this.lookout.hurry();
    else if (card.job.isOver) this.lookout.look([card.job.id]);
  }

  /**
   * @param {Asked} asked
   * @param {Message} message
   */
  #accepted(asked, message) {
    const waiting = this.#unanswered.get(asked);
    if (!waiting || !message.job_id) return;
    this.#unanswered.delete(asked);
    this.#outbox.remove(waiting.key);
    const { card } = waiting;
    if (this.#cards.has(message.job_id)) {
      // Its end, or another tab, was faster than this answer.
      card.element.remove();
      this.#count();
    } else {
      this.#cards.set(message.job_id, card);
      card.accept(message.job_id, message.payload);
      this.#cards.get(card.job.retryOf)?.foot.retriedAs(message.job_id);
    }
  }

  /**
   * @param {Asked} asked
   * @param {JobError} error
   */
  #refused(asked, error) {
    const waiting = this.#unanswered.get(asked);
    // A connection that has ended refuses nothing: the next page sends it again.
    if (!waiting || error.code === "closed") return;
    this.#unanswered.delete(asked);
    this.#outbox.remove(waiting.key);
    const { card } = waiting;
    const before = this.#cards.get(card.job.retryOf);
    before?.foot.notRetried();
    if (error.code === "not_found" && before?.job.record) {
      // It is a job of an earlier session, which this one may not retry; but the same can be asked for.
      card.element.remove();
      return this.submit(card.job.task, card.job.work);
    }
    card.refuse(error.errors ?? [{ type: error.code, msg: error.message }]);
  }

  /** @param {readonly Told[]} told */
  #show(told) {
    const ids = new Set(told.map(({ id }) => id));
    if (told.length === 0 && this.#cards.size + this.#notices.size > 0) this.#clearRefused();
    for (const id of [...this.#cards.keys(), ...this.#notices.keys()]) if (!ids.has(id)) this.#remove(id);
    const unknown = /** @type {string[]} */ ([]);
    let before = /** @type {HTMLElement | null} */ (null);
    for (const entry of told) {
      let item = this.#cards.get(entry.id)?.element ?? this.#notices.get(entry.id);
      if (!item) {
        if (entry.type === "job") unknown.push(entry.id);
        item = entry.type === "job" ? this.#newCard(entry.id) : this.#newNotice(entry);
        if (before) before.after(item);
        else this.#list.prepend(item);
        if (this.#isBegun) this.#scroller.added();
      }
      before = item;
    }
    if (unknown.length > 0) {
      this.lookout.look(unknown);
      this.lookout.hurry();
    }
    this.#count();
  }

  /** @param {string} id */
  #newCard(id) {
    const job = new Job("", "", 0);
    job.id = id;
    const card = new JobCard(job, this);
    this.#cards.set(id, card);
    return card.element;
  }

  /** @param {Told & {type: "notice"}} notice */
  #newNotice({ id, text, at }) {
    const item = noticeItem(text, at);
    this.#notices.set(id, item);
    this.announce(`Notice: ${text}`);
    return item;
  }

  /** @param {string} id */
  #remove(id) {
    (this.#cards.get(id)?.element ?? this.#notices.get(id))?.remove();
    this.#cards.delete(id);
    this.#notices.delete(id);
  }

  /** What was not accepted is nothing that the session was told of. */
  #clearRefused() {
    for (const item of this.#list.querySelectorAll('[data-phase="refused"]')) item.remove();
    this.#count();
  }

  /**
   * @param {string[]} ids
   * @param {JobRecord[]} records
   * @param {number} askedAt
   */
  #found(ids, records, askedAt) {
    for (const record of records) this.#cards.get(record.id)?.look(record, askedAt);
    for (const { id, retry_of, retried_as } of records) {
      if (retried_as) this.#cards.get(id)?.foot.retriedAs(retried_as);
      if (retry_of) this.#cards.get(retry_of)?.foot.retriedAs(id);
    }
    // What is older than the history is nowhere any more.
    const found = new Set(records.map(({ id }) => id));
    for (const id of ids) if (!found.has(id)) this.#cards.get(id)?.hide();
    this.#count();
  }

  /** @param {State} state */
  #connection(state) {
    const isConnected = state.name === "connected";
    if (isConnected === this.#isConnected) return;
    this.#isConnected = isConnected;
    this.#list.dataset.connected = String(isConnected);
    for (const { card } of this.#unanswered.values()) card.send(isConnected);
    if (!isConnected) return;
    this.lookout.look(this.#unfinished());
    const behind = [...this.#behind];
    this.#behind.clear();
    for (const card of behind) void this.catchUp(card);
  }

  #count() {
    const count = this.#list.querySelectorAll(":scope > li:not([hidden])").length;
    this.#empty.hidden = count > 0;
    this.#countTo(count);
  }
}
