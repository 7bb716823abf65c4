// What this tab has asked for and has no answer to: it survives a reload, and is then sent again under the same key.

/**
 * @typedef {object} Unanswered
 * @property {string} key what the submission is called, so that it is one job however often it is sent
 * @property {string} task
 * @property {unknown} work a text, or any other JSON
 * @property {number} at when it was submitted, in milliseconds since 1970
 * @property {boolean} [isCancelled] whether it is not wanted any more
 * @property {string} [retryOf] the job that is to be given another chance, if it is that
 */

const NAME = "ringback outbox";

export class Outbox {
  /** @type {Map<string, Unanswered>} by their keys, the oldest first */
  #entries = new Map();

  constructor() {
    try {
      /** @type {Unanswered[]} */
      const kept = JSON.parse(sessionStorage.getItem(NAME) ?? "[]");
      for (const entry of kept) this.#entries.set(entry.key, entry);
    } catch {
      // What cannot be read is as good as nothing.
    }
  }

  get entries() {
    return [...this.#entries.values()];
  }

  /**
   * Keeps a new submission.
   * @param {string} task
   * @param {unknown} work
   * @param {string} [retryOf]
   */
  write(task, work, retryOf) {
    const entry = { key: newKey(), task, work, at: Date.now(), retryOf };
    this.#add(entry);
    return entry;
  }

  /** @param {Unanswered} entry */
  #add(entry) {
    this.#entries.set(entry.key, entry);
    this.#keep();
  }

  /** @param {string} key */
  cancel(key) {
    const entry = this.#entries.get(key);
    if (entry) this.#add({ ...entry, isCancelled: true });
  }

  /** @param {string} key */
  remove(key) {
    if (this.#entries.delete(key)) this.#keep();
  }

  #keep() {
    try {
      sessionStorage.setItem(NAME, JSON.stringify(this.entries));
    } catch {
      // Full or forbidden: it is sent all the same, while this page is open.
    }
  }
}

/** A name that no other submission has. */
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16).padStart(8, "0")).join("");
}
