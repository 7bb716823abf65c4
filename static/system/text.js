// The text of a job, as it comes piece by piece: each once and in its order, whichever way and however often it comes.

import { longText } from "./longtext.js";

/** @typedef {{attempt: number, seq: number, text: string}} Piece */

/** A longer text is shown from its end: what is shown of it costs the same however long it is. */
const SHOWN_AT_MOST = 20_000;
const NEAR_THE_END = 48;

export class StreamedText {
  element = longText("text streamed");
  isEmpty = true;
  /** @type {[attempt: number, seq: number]} the last piece that is shown */
  place = [0, 0];
  /** @type {Piece[]} pieces before which some are missing */
  #early = [];
  #coming = "";
  #isPlanned = false;
  #shown = 0;

  /** @param {() => void} onGap pieces are missing: they have to be looked up, and `fill` says that they are here */
  constructor(onGap) {
    this.onGap = onGap;
  }

  /** @param {Piece} piece */
  hear(piece) {
    const order = this.#order(piece);
    if (order === "next") {
      this.#add(piece);
    } else if (order === "early") {
      this.#early.push(piece);
      if (this.#early.length === 1) this.onGap();
    }
  }

  /** All that was missing has been told, or is not to be had: what came meanwhile follows. */
  fill() {
    const early = this.#early.splice(0).sort((one, other) => one.attempt - other.attempt || one.seq - other.seq);
    for (const piece of early) if (this.#order(piece) !== "known") this.#add(piece);
  }

  /** @param {Piece} piece */
  #order({ attempt, seq }) {
    const [lastAttempt, last] = this.place;
    if (attempt < lastAttempt || (attempt === lastAttempt && seq <= last)) return "known";
    return seq === (attempt === lastAttempt ? last + 1 : 1) ? "next" : "early";
  }

  /** @param {Piece} piece */
  #add({ attempt, seq, text }) {
    if (attempt > this.place[0]) {
      this.element.replaceChildren();
      delete this.element.dataset.cut;
      this.#coming = "";
      this.#shown = 0;
    }
    this.place = [attempt, seq];
    this.isEmpty = false;
    this.#coming += text;
    if (this.#coming.length > 2 * SHOWN_AT_MOST) this.#cut();
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    // A page that nobody sees has no frames, and catches up with its next.
    requestAnimationFrame(() => this.#show());
  }

  #show() {
    this.#isPlanned = false;
    if (this.#coming.length > SHOWN_AT_MOST) this.#cut();
    const { scrollHeight, scrollTop, clientHeight } = this.element;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_THE_END;
    this.#shown += this.#coming.length;
    this.element.append(this.#coming);
    this.#coming = "";
    while (this.#shown > SHOWN_AT_MOST && this.element.childNodes.length > 1) {
      const [first] = this.element.childNodes;
      this.#shown -= first.textContent?.length ?? 0;
      first.remove();
      this.element.dataset.cut = "";
    }
    if (isAtEnd) this.element.scrollTop = this.element.scrollHeight;
  }

  /** Only the end of what is coming will be shown. */
  #cut() {
    this.#coming = this.#coming.slice(-SHOWN_AT_MOST);
    this.element.dataset.cut = "";
  }
}
