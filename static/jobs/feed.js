// The feed of how everything is, pushed by the gateway; and how the feed itself is, said truthfully.

import { inShard } from "./inshard.js";
import { Stream } from "./stream.js";
import { ageOf, timeOfDay } from "./words.js";

/** @typedef {import("./api.js").Overview} Overview */
/** @typedef {"connecting" | "live" | "old" | "lost"} FeedState */
/**
 * @typedef {object} Listener
 * @property {(overview: Overview, moved: boolean) => void} [onOverview] with whether jobs have moved since the one before
 * @property {(state: FeedState) => void} [onState]
 */

/** Each overview says when the next one comes, and none comes while the gateway has no database: so long after that time
 * the figures are old. */
const LATE = 4_000;
/** A stream that is silent for so long may be gone without our having heard of it, and is opened anew: longer than the
 * longest time between two overviews. */
const SILENCE = 40_000;

export class Feed {
  /** @type {Overview | null} */
  latest = null;
  /** @type {FeedState} */
  state = "connecting";
  /** When the latest overview has come, by this device's clock. */
  #heardAt = 0;
  /** How far the server's clock is ahead of this device's, in milliseconds. */
  #ahead = 0;
  /** Why whoever is signed in may not see it. */
  #refused = "";
  /** What tells whether jobs have moved since. */
  #mark = "";
  /** @type {Set<Listener>} */
  #listeners = new Set();

  /**
   * @param {HTMLElement} shown says how the feed is
   * @param {HTMLElement} said says it to whoever listens, when it changes
   */
  constructor(shown, said) {
    this.shown = shown;
    this.said = said;
    new Stream(inShard("/api/v1/overview/events"), {
      events: ["overview"],
      silence: SILENCE,
      onEvent: (_name, data) => {
        if (data) this.#hear(data);
      },
      onRefused: (why) => (this.#refused = why),
      onState: (state) => {
        if (state === "open") this.#refused = "";
        // An open stream is live with the first figures that it brings, and not before.
        if (state === "lost" || state === "resting") this.#become("lost");
      },
    });
    this.#tick();
  }

  /**
   * The time on the server's clock, as far as it is known here.
   */
  now() {
    return Date.now() + this.#ahead;
  }

  /**
   * Tells a listener what there is, and then all that comes, until the function that this gives is called.
   * @param {Listener} listener
   */
  listen(listener) {
    this.#listeners.add(listener);
    if (this.latest) listener.onOverview?.(this.latest, true);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** @param {Overview} overview */
  #hear(overview) {
    const wasLost = this.state !== "live";
    this.latest = overview;
    this.#heardAt = Date.now();
    this.#ahead = Date.parse(overview.at) - this.#heardAt;
    const sample = overview.sample;
    const ended = sample && [sample.at, sample.succeeded, sample.failed, sample.cancelled];
    const running = overview.workers.map((worker) => [worker.running, worker.jobs.map((job) => job.id)]);
    const mark = JSON.stringify([{ ...overview.live, oldest_wait: 0 }, overview.queues, ended, running]);
    const moved = mark !== this.#mark || wasLost;
    this.#mark = mark;
    this.#become("live");
    for (const listener of [...this.#listeners]) listener.onOverview?.(overview, moved);
  }

  /** @param {FeedState} state */
  #become(state) {
    if (state === this.state) return;
    const before = this.state;
    this.state = state;
    document.body.dataset.feed = state;
    document.body.classList.toggle("old", state === "old" || state === "lost");
    if (this.#refused) this.said.textContent = this.#refused;
    else if (state === "lost") this.said.textContent = "The live figures have stopped. Trying to reach the gateway again.";
    else if (state === "old") this.said.textContent = "The live figures have stopped: the gateway sends none.";
    else if (before !== "connecting") this.said.textContent = "The figures are live again.";
    this.#show();
    for (const listener of [...this.#listeners]) listener.onState?.(state);
  }

  #show() {
    const old = this.latest ? (Date.now() - this.#heardAt) / 1_000 : 0;
    let text = "Connecting…";
    if (this.state === "live") {
      text = "Live";
    } else if (this.state === "old") {
      text = `No news since ${timeOfDay(this.#heardAt)}, for ${ageOf(old)}`;
    } else if (this.#refused) {
      text = this.#refused;
    } else if (this.state === "lost") {
      text = this.latest
        ? `Reconnecting… figures of ${timeOfDay(this.#heardAt)}, ${ageOf(old)} old`
        : "Reconnecting… no figures yet";
    }
    if (this.shown.textContent !== text) this.shown.textContent = text;
  }

  /** Keeps the ages on the page right: this is the clock, nothing is asked for. */
  #tick() {
    const due = this.#heardAt + (this.latest?.next_in ?? 1) * 1_000;
    if (this.state === "live" && Date.now() > due + LATE) this.#become("old");
    this.#show();
    showAges(document.body, this.now());
    window.setTimeout(() => this.#tick(), 1_000);
  }
}

/**
 * An element that says how long ago something was, and goes on saying it.
 * @param {HTMLElement} place
 * @param {string} since
 * @param {number} now
 */
export function showAge(place, since, now) {
  place.dataset.since = since;
  const text = ageOf((now - Date.parse(since)) / 1_000);
  if (place.textContent !== text) place.textContent = text;
}

/**
 * @param {HTMLElement} where
 * @param {number} now
 */
function showAges(where, now) {
  for (const place of where.querySelectorAll("[data-since]")) {
    if (place instanceof HTMLElement && place.dataset.since) showAge(place, place.dataset.since, now);
  }
}
