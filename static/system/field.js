// One field of the form: what it is called, how it is written in, and what is written there.

import { element } from "../dom.js";
import { control, isTick, isWide, prose } from "./control.js";
import { Emptiness } from "./emptiness.js";
import { exactJson, exactNumber, isExact } from "./exact.js";
import { choices, kind } from "./shape.js";

/** @typedef {import("./shape.js").Part} Part */

/**
 * What is written in a field, so that it can be put back.
 * @typedef {object} Entry
 * @property {import("./shape.js").Kind} kind
 * @property {string} text
 * @property {import("./emptiness.js").Meaning} meaning what it means where that is empty
 * @property {unknown} given the value that it was filled in with
 * @property {string} before how that was shown
 */

let count = 0;

export class Field {
  /** @type {unknown} what it was filled in with; undefined where that was left to the schema */
  #given = undefined;
  /** How that is shown, and, where it is empty, what that means. */
  #before = "";
  #meantBefore = "";
  /** Whether somebody was asked whether an empty text is meant. */
  #isAsked = false;
  #label = element("label", "label");
  #wrong = element("span", "wrong");

  /** @param {Part} part */
  constructor(part) {
    this.part = part;
    this.kind = kind(part);
    this.emptiness = new Emptiness(part, this.kind);
    this.control = control(this.kind, part);
    this.element = this.#labelled();
    this.element.addEventListener("input", () => this.#edited());
    this.write(undefined);
  }

  get name() {
    return this.part.name;
  }

  /** What is to be seen in it. */
  get #text() {
    return isTick(this.control) ? String(this.control.checked) : this.control.value;
  }

  set #text(text) {
    // What has one line alone would drop where the others begin.
    if (this.kind === "text" && /[\r\n]/.test(text) && this.control instanceof HTMLInputElement) this.#use(prose());
    if (isTick(this.control)) this.control.checked = text === "true";
    else this.control.value = text;
    // What there is not to choose is nothing.
    if (this.control instanceof HTMLSelectElement && this.control.selectedIndex < 0) this.control.selectedIndex = 0;
    this.emptiness.show(this.#isEmpty);
  }

  get #isEmpty() {
    return this.kind === "text" ? this.#text === "" : this.#text.trim() === "" && !this.control.validity.badInput;
  }

  /** Whether anything else is written in it than it was filled in with. */
  get isTyped() {
    return this.#text !== this.#before || this.emptiness.meaning !== this.#meantBefore || this.control.validity.badInput;
  }

  /** What is written in it, if it is anything else than the schema has. */
  get entry() {
    if (!this.isTyped && this.#given === undefined) return null;
    const { meaning } = this.emptiness;
    return { kind: this.kind, text: this.#text, meaning, given: this.#given, before: this.#before };
  }

  /**
   * Puts back what was written; what does not fit any more is said beside it.
   * @param {Entry} entry
   */
  putBack({ kind, text, meaning, given, before }) {
    if (kind === this.kind) this.#text = text;
    if (kind !== this.kind || this.#text !== text) {
      this.write(undefined);
      if (text.trim() !== "") this.refuse(`Before this field was changed, this was written in it: ${text}`);
      return;
    }
    this.emptiness.mean(meaning);
    this.emptiness.show(this.#isEmpty);
    // Where nothing was given, what the schema has now counts.
    if (given !== undefined) [this.#given, this.#before] = [given, before];
  }

  /**
   * Whether this can be shown in it.
   * @param {unknown} value
   */
  fits(value) {
    const { isNullable } = this.part;
    if (value === undefined || this.kind === "json") return true;
    if (this.kind === "choice") return choices(this.part).some((one) => asJson(one.value) === asJson(value));
    if (value === null) return isNullable;
    return typeof value === { text: "string", number: "number", tick: "boolean" }[this.kind];
  }

  /**
   * Fills it in; where nothing is given, with what the schema has.
   * @param {unknown} value
   */
  write(value) {
    this.refuse("");
    this.#isAsked = false;
    this.#given = value;
    const shown = value === undefined ? this.#standard : value;
    this.emptiness.mean(shown === "" ? "text" : "null");
    this.#meantBefore = this.emptiness.meaning;
    if (shown === undefined) this.#text = "";
    else if (this.kind === "json" || this.kind === "choice") this.#text = asJson(shown);
    else this.#text = shown === null ? "" : String(shown);
    this.#before = this.#text;
  }

  /** What the schema fills it in with, if that can be shown. */
  get #standard() {
    const { schema, isRequired } = this.part;
    if (schema.default !== undefined) return isExact(schema.default) ? schema.default : undefined;
    const only = this.kind === "choice" && isRequired ? choices(this.part) : [];
    return only.length === 1 ? only[0].value : undefined;
  }

  /**
   * What is written in it; undefined where it says nothing.
   * @returns {unknown}
   * @throws {Error} with words for people, where that cannot be read
   */
  read() {
    try {
      const value = this.isTyped ? this.#typed() : this.#untouched();
      this.refuse("");
      return value;
    } catch (error) {
      this.refuse(error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  /** What it was filled in with, as that was, also where it is shown in another way: with other ends of lines, or empty. */
  #untouched() {
    const { isRequired, schema } = this.part;
    // The task knows its defaults better than a form can show them.
    if (this.#given === undefined && schema.default !== undefined && !isRequired) return undefined;
    const filled = this.#given === undefined ? this.#standard : this.#given;
    return filled === null || (this.kind === "text" && typeof filled === "string") ? filled : this.#typed();
  }

  #typed() {
    if (this.control.validity.badInput) throw new Error(`${this.name} is not a number that a browser can send.`);
    if (this.#isEmpty) return this.#empty();
    const text = this.#text;
    if (this.kind === "tick") return text === "true";
    if (this.kind === "text") return text;
    if (this.kind === "number") return exactNumber(this.name, text);
    const value = exactJson(this.name, text);
    // What is chosen came with the schema.
    if (this.kind === "choice" && !isExact(value)) throw new Error(`${this.name}: a browser cannot send this choice exactly.`);
    return value;
  }

  #empty() {
    const { meaning } = this.emptiness;
    if (meaning === "missing") throw new Error(`Fill in ${this.name} first.`);
    if (meaning === "ask" && !this.#isAsked) {
      this.#isAsked = true;
      throw new Error(`${this.name} is empty. Submit once more to send an empty text.`);
    }
    if (meaning === "null") return null;
    return meaning === "text" || meaning === "ask" ? "" : undefined;
  }

  #edited() {
    this.#isAsked = false;
    this.refuse("");
    this.emptiness.show(this.#isEmpty);
  }

  /**
   * Says what is wrong with what is written in it, until that changes.
   * @param {string} why empty where nothing is
   */
  refuse(why) {
    this.#wrong.textContent = why;
    this.#wrong.hidden = why === "";
    if (why) this.control.setAttribute("aria-invalid", "true");
    else this.control.removeAttribute("aria-invalid");
  }

  #labelled() {
    const { name, schema, isRequired } = this.part;
    const place = element("div", isWide(this.kind, this.part) ? "field wide" : "field");
    const about = element("span", "about", typeof schema.description === "string" ? schema.description : "");
    const empty = this.emptiness.element;
    const title = typeof schema.title === "string" && schema.title.trim() !== "" ? schema.title : name;
    this.#label.textContent = isRequired ? title : `${title} (optional)`;
    count += 1;
    this.#label.id = `field-${count}-name`;
    for (const [part, of] of /** @type {const} */ ([[about, "about"], [empty, "empty"], [this.#wrong, "wrong"]])) {
      part.id = `field-${count}-${of}`;
    }
    this.emptiness.other.setAttribute("aria-describedby", this.#label.id);
    place.append(this.#label, this.control, about, empty, this.emptiness.other, this.#wrong);
    about.hidden = about.textContent === "";
    this.control.id = this.#label.htmlFor = `field-${count}`;
    this.control.setAttribute("aria-describedby", `${about.id} ${empty.id} ${this.#wrong.id}`);
    if (isRequired && !this.part.isNullable && this.kind !== "tick") this.control.setAttribute("aria-required", "true");
    return place;
  }

  /**
   * Writes in another element from now on.
   * @param {HTMLTextAreaElement} other
   */
  #use(other) {
    for (const name of ["id", "aria-describedby", "aria-required", "aria-invalid"]) {
      const value = this.control.getAttribute(name);
      if (value !== null) other.setAttribute(name, value);
    }
    this.control.replaceWith(other);
    this.control = other;
  }
}

/** @param {unknown} value */
function asJson(value) {
  return JSON.stringify(value);
}
