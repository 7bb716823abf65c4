// Looking for the jobs of one page: a look may find few and have looked far back, and then it goes on by itself.

import { ask, isAbort, problem } from "./api.js";

/** @typedef {import("./api.js").Job} Job */
/** @typedef {import("./filter.js").Filter} Filter */

/**
 * - `looking`: jobs are on their way
 * - `paused`: it has looked for long, or was stopped, and can go on
 * - `full`: the page is full, and there may be older ones
 * - `end`: there are no older ones
 * - `failed`: it was refused
 * @typedef {"looking" | "paused" | "full" | "end" | "failed"} LookState
 */

/** For so long it goes on by itself. */
const BY_ITSELF = 15_000;

export class Look {
  /** @type {LookState} */
  state = "looking";
  found = 0;
  /** How far back was looked, as a cursor. */
  next = "";
  trouble = "";
  #abort = new AbortController();

  /**
   * @param {Filter} filter
   * @param {(jobs: Job[]) => void} onStep with the jobs that were found since, whenever something has changed
   */
  constructor(filter, onStep) {
    this.filter = filter;
    this.onStep = onStep;
    this.next = filter.cursor;
  }

  /** The time back to which was looked, which is in the cursor. */
  get backTo() {
    return this.next ? Number.parseInt(this.next.replaceAll("-", "").slice(0, 12), 16) : null;
  }

  /** Looks until the page is full, nothing is left, it takes too long or somebody stops it. */
  async goOn() {
    this.#abort.abort();
    const abort = (this.#abort = new AbortController());
    const until = Date.now() + BY_ITSELF;
    this.state = "looking";
    this.trouble = "";
    this.onStep([]);
    try {
      while (this.state === "looking") {
        const limit = String(this.filter.limit - this.found);
        const query = this.filter.request({ limit, cursor: this.next });
        /** @type {{jobs: Job[], next: string | null}} */
        const page = await ask(`/jobs?${query}`, { signal: abort.signal });
        this.found += page.jobs.length;
        if (page.next === null) this.state = "end";
        else if (this.found >= this.filter.limit) this.state = "full";
        else if (Date.now() > until) this.state = "paused";
        this.next = page.next ?? this.next;
        this.onStep(page.jobs);
      }
    } catch (error) {
      if (isAbort(error)) return;
      this.state = "failed";
      this.trouble = problem(error);
      this.onStep([]);
    }
  }

  stop() {
    this.#abort.abort();
    if (this.state !== "looking") return;
    this.state = "paused";
    this.onStep([]);
  }

  /** Ends it for good: nothing more is told of it. */
  close() {
    this.onStep = () => {};
    this.#abort.abort();
  }
}
