// What a job has said: the pieces of its text, attempt by attempt, as they come.

import { button, element } from "../dom.js";
import { ask, isAbort, problem } from "./api.js";
import { write } from "./keyed.js";
import { count, many } from "./words.js";

/** @typedef {import("./api.js").Chunk} Chunk */

/** So much text of one attempt is in the page; of more, the end. */
const TEXT_MOST = 400_000;
/** A text of more pieces, or longer, is folded when its job is over. */
const PIECES_SHOWN = 40;
const TEXT_SHOWN = 4_000;
const PAGE = 500;

/** The text of one attempt. */
export class Text {
  root = element("details", "said");
  #summary = element("summary");
  #text = document.createTextNode("");
  #frame = element("pre");
  #cut = element("p", "note", "Only the end of this text is shown.");
  #last = 0;
  #pieces = 0;
  #length = 0;
  #waiting = "";
  #request = 0;

  constructor() {
    this.#frame.append(this.#text);
    this.#frame.tabIndex = 0;
    this.#cut.hidden = true;
    this.root.append(this.#summary, this.#cut, this.#frame);
    this.#summary.addEventListener("click", () => {
      this.wasTouched = true;
    });
  }

  wasTouched = false;

  /** @param {Chunk} chunk one that was there already is passed over */
  add(chunk) {
    if (chunk.seq <= this.#last) return;
    this.#last = chunk.seq;
    this.#pieces += 1;
    this.#length += chunk.text.length;
    this.#waiting += chunk.text;
    // However many pieces come, the page is written to once for each picture of it.
    this.#request ||= requestAnimationFrame(() => this.#write());
  }

  #write() {
    this.#request = 0;
    const wasAtEnd = this.#frame.scrollTop + this.#frame.clientHeight >= this.#frame.scrollHeight - 8;
    this.#text.appendData(this.#waiting);
    this.#waiting = "";
    if (this.#text.length > TEXT_MOST) {
      this.#text.deleteData(0, this.#text.length - TEXT_MOST);
      this.#cut.hidden = false;
    }
    write(this.#summary, `Text: ${many(this.#pieces, "piece")}, ${count(this.#length)} characters`);
    if (wasAtEnd && this.isGrowing) this.#frame.scrollTop = this.#frame.scrollHeight;
  }

  /** Whether its attempt is under way. */
  isGrowing = false;

  /** @param {boolean} isGrowing */
  settle(isGrowing) {
    this.isGrowing = isGrowing;
    this.root.classList.toggle("growing", isGrowing);
    if (!this.wasTouched) this.root.open = isGrowing || (this.#pieces <= PIECES_SHOWN && this.#length <= TEXT_SHOWN);
  }

  /** @param {string} label */
  name(label) {
    this.#frame.setAttribute("aria-label", label);
    this.#frame.setAttribute("role", "region");
  }
}

/** The texts of all attempts of a job. */
export class Said {
  /** @type {Map<number, Text>} */
  texts = new Map();
  more = button("small", "Read more of the text", () => this.read());
  trouble = element("p", "trouble");
  #after = "";
  #isReading = false;

  /**
   * @param {string} id
   * @param {AbortSignal} signal
   * @param {() => void} onText when an attempt has said something for the first time
   */
  constructor(id, signal, onText) {
    this.id = id;
    this.signal = signal;
    this.onText = onText;
    this.more.hidden = true;
    this.trouble.setAttribute("role", "alert");
  }

  /**
   * A piece that the stream has brought, which brings all pieces of its attempt.
   * @param {Chunk} chunk
   */
  hear(chunk) {
    this.add(chunk);
    const [attempt, seq] = this.#after.split("-").map(Number);
    if (chunk.attempt === attempt && chunk.seq > seq) this.more.hidden = true;
  }

  /** @param {Chunk} chunk */
  add(chunk) {
    let text = this.texts.get(chunk.attempt);
    const isNew = !text;
    if (!text) {
      text = new Text();
      text.name(`Text of attempt ${chunk.attempt}`);
      this.texts.set(chunk.attempt, text);
    }
    text.add(chunk);
    if (isNew) this.onText();
  }

  /** Reads the next pieces that are recorded. */
  async read() {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      const query = new URLSearchParams({ limit: String(PAGE) });
      if (this.#after) query.set("after", this.#after);
      /** @type {{chunks: Chunk[], next: string | null}} */
      const page = await ask(`/jobs/${this.id}/chunks?${query}`, { signal: this.signal });
      for (const chunk of page.chunks) this.add(chunk);
      this.#after = page.next ?? this.#after;
      this.more.hidden = page.next === null;
      this.trouble.textContent = "";
    } catch (error) {
      if (!isAbort(error)) this.trouble.textContent = `The text could not be read. ${problem(error)}`;
    } finally {
      this.#isReading = false;
    }
  }
}
