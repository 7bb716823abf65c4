// What a field says that is empty: there are several ways to say nothing, and a task may tell them apart.

import { button, element, setText } from "../dom.js";
import { isExact } from "./exact.js";
import { takesEmptyText } from "./shape.js";

/** @typedef {import("./shape.js").Part} Part */

/**
 * That it is left out, also where the task then has something of its own; null; an empty text; an empty text, if that is
 * meant; or nothing that could be sent.
 * @typedef {"out" | "default" | "null" | "text" | "ask" | "missing"} Meaning
 */

/** As much of a default is shown, where it is not in the field. */
const SHOWN = 60;

/** Says beside a field what it means that it is empty, and, where there is a choice, lets one choose. */
export class Emptiness {
  element = element("span", "about empty");
  other = button("plain", "", () => this.#turn());
  /** @type {Meaning[]} the first is what it means, unless somebody wants the second */
  #may;
  /** @type {Meaning} */
  meaning;

  /**
   * @param {Part} part
   * @param {import("./shape.js").Kind} kind
   */
  constructor(part, kind) {
    this.part = part;
    this.#may = meanings(part, kind);
    this.meaning = this.#may[0];
    this.show(false);
  }

  /**
   * It is empty for this, or means the first that it may.
   * @param {unknown} meaning
   */
  mean(meaning) {
    this.meaning = this.#may.find((one) => one === meaning) ?? this.#may[0];
  }

  /** @param {boolean} isEmpty */
  show(isEmpty) {
    const words = isEmpty ? this.#words : "";
    setText(this.element, words);
    setText(this.other, this.meaning === "null" ? "Make it an empty text" : "Make it null");
    this.element.hidden = words === "";
    this.other.hidden = words === "" || this.#may.length < 2;
  }

  get #words() {
    const standard = this.part.schema.default;
    switch (this.meaning) {
      case "null":
        return "Empty means null.";
      case "text":
        return "Empty means an empty text.";
      case "default":
        if (!isExact(standard)) return "Empty means the task’s default, which a browser cannot show exactly.";
        return `Empty means ${shortened(JSON.stringify(standard))}.`;
      default:
        return "";
    }
  }

  #turn() {
    this.meaning = this.#may.find((one) => one !== this.meaning) ?? this.meaning;
    this.show(true);
  }
}

/**
 * @param {Part} part
 * @param {import("./shape.js").Kind} kind
 * @returns {Meaning[]}
 */
function meanings({ schema, isRequired, isNullable }, kind) {
  const standard = schema.default ?? null;
  if (!isRequired && standard === null) return ["out"];
  // Whoever wants null chooses it; and what cannot be shown is not there to be emptied.
  if (kind === "choice" || !isExact(standard)) return [isRequired ? "missing" : "default"];
  const isText = kind === "text" && !schema.format && takesEmptyText(schema);
  if (isNullable) return isText ? ["null", "text"] : ["null"];
  if (isText) return [isRequired ? "ask" : "text"];
  return [isRequired ? "missing" : "default"];
}

/** @param {string} text */
function shortened(text) {
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}
