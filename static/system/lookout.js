// Asks the server for what no message says: the jobs of an earlier page or another tab, and which of them have begun.
//
// Requests are gathered, so that many jobs are one; they are repeated while a job is not over, more and more seldom.

/** @typedef {import("../../clients/js/ringback.js").JobRecord} JobRecord */
/** @typedef {import("../../clients/js/ringback.js").Chunk} Chunk */
/** @typedef {ReturnType<typeof import("../../clients/js/ringback.js").connect>} Ringback */

/** So long it waits for others to ask for. */
const SOON = 30;
/** A job is looked at again so long after something has happened to one; then each time this much longer. */
const AGAIN_FIRST = 400;
const AGAIN_MOST = 15_000;
const GROWTH = 1.6;
/** So many texts are read at a time. */
const READERS = 3;

export class Lookout {
  /** @type {Set<string>} */
  #wanted = new Set();
  #isAsking = false;
  #soon = 0;
  #again = 0;
  #delay = AGAIN_FIRST;
  #readers = 0;
  /** @type {(() => void)[]} */
  #waiting = [];

  /**
   * @param {Ringback} ringback
   * @param {() => string[]} unfinished the jobs that are not over
   * @param {(ids: string[], records: JobRecord[], askedAt: number) => void} tell
   */
  constructor(ringback, unfinished, tell) {
    this.ringback = ringback;
    this.unfinished = unfinished;
    this.tell = tell;
    document.addEventListener("visibilitychange", () => this.hurry());
  }

  /** @param {string[]} ids */
  look(ids) {
    for (const id of ids) this.#wanted.add(id);
    if (this.#wanted.size > 0 && !this.#isAsking && !this.#soon) this.#askIn(SOON);
  }

  /** Something has happened: more will, soon. */
  hurry() {
    // One that is planned already is not put off, however much happens.
    if (this.#again && this.#delay === AGAIN_FIRST) return;
    this.#delay = AGAIN_FIRST;
    this.#lookAgain();
  }

  /**
   * The text of a job after a place in it.
   * @param {string} id
   * @param {[number, number]} place
   * @param {(chunk: Chunk) => void} each
   */
  async read(id, place, each) {
    if (this.#readers >= READERS) await new Promise((resolve) => this.#waiting.push(() => resolve(undefined)));
    this.#readers += 1;
    try {
      for await (const chunk of this.ringback.chunks(id, place[0] > 0 ? place : undefined)) each(chunk);
    } finally {
      this.#readers -= 1;
      this.#waiting.shift()?.();
    }
  }

  #lookAgain() {
    clearTimeout(this.#again);
    this.#again = window.setTimeout(() => {
      this.#again = 0;
      if (document.visibilityState === "hidden") return;
      const ids = this.unfinished();
      if (ids.length === 0) return;
      if (this.ringback.state.name === "connected") this.look(ids);
      this.#delay = Math.min(AGAIN_MOST, this.#delay * GROWTH);
      this.#lookAgain();
    }, this.#delay);
  }

  /** @param {number} delay */
  #askIn(delay) {
    this.#soon = window.setTimeout(() => {
      this.#soon = 0;
      void this.#ask();
    }, delay);
  }

  async #ask() {
    const ids = [...this.#wanted];
    const askedAt = Date.now();
    this.#wanted.clear();
    this.#isAsking = true;
    let next = SOON;
    try {
      this.tell(ids, await this.ringback.jobs(ids), askedAt);
    } catch {
      // The connection says what is the matter; meanwhile it is asked again.
      for (const id of ids) this.#wanted.add(id);
      next = this.#delay;
      this.#delay = Math.min(AGAIN_MOST, this.#delay * GROWTH);
    }
    this.#isAsking = false;
    if (this.#wanted.size > 0 && !this.#soon) this.#askIn(next);
  }
}
