// Reading JSON that somebody is typing: its value, or where it stops to be JSON and what is missing there.
//
// Browsers say this in their own words, or not at all.

/** @typedef {{at: number, line: number, column: number, words: string}} Fault */

const ESCAPES = /^(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/;

/**
 * @param {string} text
 * @returns {{value: unknown, fault: null} | {value: undefined, fault: Fault}}
 */
export function read(text) {
  try {
    return { value: JSON.parse(text), fault: null };
  } catch {
    return { value: undefined, fault: faultIn(text) };
  }
}

/**
 * @param {string} text
 * @returns {Fault}
 */
function faultIn(text) {
  const reader = new Reader(text);
  let words;
  try {
    words = reader.whole() ?? "this cannot be read as JSON";
  } catch {
    words = "this is nested too deeply";
  }
  const before = text.slice(0, reader.at).split("\n");
  return { at: reader.at, line: before.length, column: (before.at(-1)?.length ?? 0) + 1, words };
}

/** Walks to the first fault, and stays there. Each method answers what is wrong, or null. */
class Reader {
  at = 0;

  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }

  /** @returns {string | null} */
  whole() {
    if (this.#next() === "") return "there is nothing yet";
    return this.#value() ?? (this.#next() === "" ? null : "there is something after the end");
  }

  /** What comes after blanks. */
  #next() {
    while (/[ \t\r\n]/.test(this.text.charAt(this.at))) this.at += 1;
    return this.text.charAt(this.at);
  }

  /** @returns {string | null} */
  #value() {
    const next = this.#next();
    if (next === "{") return this.#members("}", () => this.#member());
    if (next === "[") return this.#members("]", () => this.#value());
    if (next === '"') return this.#string();
    if (next === "'") return "texts are in double quotes";
    for (const word of ["true", "false", "null"]) {
      if (this.text.startsWith(word, this.at)) return this.#pass(word.length);
    }
    const number = NUMBER.exec(this.text.slice(this.at));
    if (number) return this.#pass(number[0].length);
    return next === "" ? "it is not finished: a value is missing" : "a value is missing here";
  }

  /**
   * @param {"}" | "]"} end
   * @param {() => string | null} member
   */
  #members(end, member) {
    this.at += 1;
    if (this.#next() === end) return this.#pass(1);
    for (;;) {
      const fault = member();
      if (fault) return fault;
      const next = this.#next();
      if (next === end) return this.#pass(1);
      if (next === "") return `it is not finished: ${end} is missing`;
      if (next !== ",") return `a comma or ${end} is missing here`;
      this.at += 1;
      if (this.#next() === end) return `no comma stands before ${end}`;
    }
  }

  /** @returns {string | null} */
  #member() {
    const next = this.#next();
    if (next === "") return "it is not finished: } is missing";
    if (next !== '"') return "the name of a field is missing, in double quotes";
    const fault = this.#string();
    if (fault) return fault;
    if (this.#next() !== ":") return "a colon is missing here";
    this.at += 1;
    return this.#value();
  }

  /** @returns {string | null} */
  #string() {
    const start = this.at;
    this.at += 1;
    for (;;) {
      const next = this.text.charAt(this.at);
      if (next === '"') return this.#pass(1);
      if (next === "" || next === "\n") {
        const words = next === "" ? "this text has no end" : "this text goes over its line: a break in it is \\n";
        this.at = start;
        return words;
      }
      if (next < " ") return "a text has no control characters as they are: a tab is \\t";
      if (next === "\\") {
        const escape = ESCAPES.exec(this.text.slice(this.at + 1));
        if (!escape) return "there is no such escape: a backslash is \\\\";
        this.at += escape[0].length;
      }
      this.at += 1;
    }
  }

  /**
   * @param {number} length
   * @returns {null}
   */
  #pass(length) {
    this.at += length;
    return null;
  }
}
