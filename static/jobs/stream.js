// A stream of server-sent events that comes back whatever happened to it, and rests while nobody looks at the page.
//
// The browser opens a cut stream again by itself, but not one that was refused; and it has few connections for a host,
// which the tabs in the background must not hold. A stream that has been silent for long is opened anew, since a
// connection that is half-open looks like a quiet one.

import { token } from "../token.js";
import { TokenSource } from "./source.js";

/** @typedef {"connecting" | "open" | "lost" | "resting"} StreamState */

const AGAIN_FIRST = 1_000;
const AGAIN_MOST = 15_000;
/** How long a page may be in the background before its streams rest. */
const REST_AFTER = 5_000;

export class Stream {
  /** @type {EventSource | TokenSource | null} */
  #source = null;
  #losses = 0;
  #again = 0;
  #rest = 0;
  #silence = 0;
  #closed = false;
  #onVisibility = () => this.#visibility();

  /**
   * @param {string} path
   * @param {object} options
   * @param {string[]} options.events their names
   * @param {(name: string, data: any) => void} options.onEvent
   * @param {(state: StreamState) => void} options.onState
   * @param {(why: string) => void} [options.onRefused] whoever is signed in may not hear it
   * @param {number} [options.silence] after how many milliseconds without an event it is opened anew
   */
  constructor(path, options) {
    this.path = path;
    this.options = options;
    document.addEventListener("visibilitychange", this.#onVisibility);
    this.#open();
  }

  /** Closes it for good. */
  close() {
    this.#closed = true;
    document.removeEventListener("visibilitychange", this.#onVisibility);
    clearTimeout(this.#rest);
    this.#drop();
  }

  #open() {
    this.#drop();
    const source = token() ? new TokenSource(this.path) : new EventSource(this.path);
    this.#source = source;
    this.options.onState("connecting");
    for (const name of this.options.events) {
      source.addEventListener(name, (event) => {
        if (source !== this.#source) return;
        this.#listen();
        let data = null;
        try {
          data = JSON.parse(/** @type {MessageEvent} */ (event).data);
        } catch {
          // What is no JSON says at least that something has happened.
        }
        this.options.onEvent(name, data);
      });
    }
    source.addEventListener("open", () => {
      this.#losses = 0;
      this.#listen();
      this.options.onState("open");
    });
    source.addEventListener("refused", (event) => {
      if (source === this.#source) this.options.onRefused?.(/** @type {MessageEvent} */ (event).data);
    });
    source.addEventListener("error", () => {
      if (source !== this.#source) return;
      this.#lost();
    });
    this.#listen();
  }

  /** Whatever the browser would do by itself, we open it again: also where it was refused, and ever more slowly. */
  #lost() {
    this.#drop();
    this.options.onState("lost");
    if (this.#closed) return;
    const wait = Math.min(AGAIN_MOST, AGAIN_FIRST * 2 ** this.#losses);
    this.#losses += 1;
    this.#again = window.setTimeout(() => this.#open(), wait * (0.75 + Math.random() / 2));
  }

  #listen() {
    clearTimeout(this.#silence);
    if (this.options.silence) this.#silence = window.setTimeout(() => this.#open(), this.options.silence);
  }

  #drop() {
    clearTimeout(this.#again);
    clearTimeout(this.#silence);
    this.#source?.close();
    this.#source = null;
  }

  #visibility() {
    clearTimeout(this.#rest);
    if (document.visibilityState === "visible") {
      if (!this.#source) {
        this.#losses = 0;
        this.#open();
      }
      return;
    }
    this.#rest = window.setTimeout(() => {
      this.#drop();
      this.options.onState("resting");
    }, REST_AFTER);
  }
}
