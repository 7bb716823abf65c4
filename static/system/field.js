// One field of the form: what it is called, how it is written in, and what is written there.

import { asText, element } from "../dom.js";
import { exactJson, exactNumber } from "./exact.js";
import { choices, isLong, kind } from "./shape.js";

/** @typedef {import("./shape.js").Part} Part */
/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Control */

/**
 * What is written in a field, so that it can be put back.
 * @typedef {object} Entry
 * @property {import("./shape.js").Kind} kind
 * @property {string} text
 * @property {unknown} given the value that it was filled in with
 * @property {string} before how that was shown
 */

let count = 0;

export class Field {
  /** @type {unknown} what it was filled in with; undefined where that was left to the schema */
  #given = undefined;
  /** How that is shown. */
  #before = "";
  #wrong = element("span", "wrong");

  /** @param {Part} part */
  constructor(part) {
    this.part = part;
    this.kind = kind(part);
    this.control = control(this.kind, part);
    this.element = this.#labelled();
    this.control.addEventListener("input", () => this.refuse(""));
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
    if (isTick(this.control)) this.control.checked = text === "true";
    else this.control.value = text;
    // What there is not to choose is nothing.
    if (this.control instanceof HTMLSelectElement && this.control.selectedIndex < 0) this.control.selectedIndex = 0;
  }

  /** What is written in it, if it is anything else than the schema has. */
  get entry() {
    const text = this.#text;
    if (text === this.#before && this.#given === undefined) return null;
    return { kind: this.kind, text, given: this.#given, before: this.#before };
  }

  /**
   * Puts back what was written, if it still fits.
   * @param {Entry} entry
   */
  putBack({ kind, text, given, before }) {
    if (kind !== this.kind) return;
    this.#text = text;
    if (this.#text !== text) return this.write(undefined);
    this.#given = given;
    this.#before = before;
  }

  /**
   * Whether this can be shown in it.
   * @param {unknown} value
   */
  fits(value) {
    const { isNullable, schema } = this.part;
    if (value === undefined || this.kind === "json") return true;
    if (this.kind === "choice" && choices(schema).some((one) => asJson(one) === asJson(value))) return true;
    if (value === null) return isNullable;
    return typeof value === { text: "string", number: "number", tick: "boolean", choice: "" }[this.kind];
  }

  /**
   * Fills it in; where nothing is given, with what the schema has.
   * @param {unknown} value
   */
  write(value) {
    this.refuse("");
    this.#given = value;
    const shown = value === undefined ? (this.part.schema.default ?? undefined) : value;
    if (shown === undefined) this.#text = "";
    else if (this.kind === "json" || this.kind === "choice") this.#text = asJson(shown);
    else this.#text = shown === null ? "" : String(shown);
    this.#before = this.#text;
  }

  /**
   * What is written in it; undefined where it says nothing.
   * @returns {unknown}
   * @throws {Error} with words for people, where that cannot be read
   */
  read() {
    const text = this.#text;
    const isAsGiven = text === this.#before;
    // As it was given, also where a field shows it differently: with other ends of lines, or empty for null.
    if (isAsGiven && (this.#given === null || (this.kind === "text" && typeof this.#given === "string"))) return this.#given;
    if (this.kind === "tick") return text === "true";
    if (this.control.validity.badInput) throw new Error(`${this.name} is not a number.`);
    const { isRequired, isNullable } = this.part;
    if (this.kind === "text" ? text === "" : text.trim() === "") {
      if (!isRequired) return undefined;
      return isNullable ? null : this.kind === "text" ? "" : undefined;
    }
    if (this.kind === "text") return text;
    return this.kind === "number" ? exactNumber(this.name, text) : exactJson(this.name, text);
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
    const place = element("div", this.control instanceof HTMLTextAreaElement ? "field wide" : "field");
    const label = element("label", "label", isRequired ? name : `${name} (optional)`);
    const about = element("span", "about", typeof schema.description === "string" ? schema.description : "");
    count += 1;
    this.control.id = label.htmlFor = `field-${count}`;
    about.id = `field-${count}-about`;
    this.#wrong.id = `field-${count}-wrong`;
    this.control.setAttribute("aria-describedby", `${about.id} ${this.#wrong.id}`);
    place.append(label, this.control, about, this.#wrong);
    about.hidden = about.textContent === "";
    return place;
  }
}

/**
 * @param {import("./shape.js").Kind} kind
 * @param {Part} part
 * @returns {Control}
 */
function control(kind, { schema }) {
  switch (kind) {
    case "choice": {
      const made = element("select");
      const options = choices(schema).map((value) => {
        const option = element("option", "", asText(value));
        option.value = asJson(value);
        return option;
      });
      made.append(element("option"), ...options);
      return made;
    }
    case "tick":
      return input("checkbox");
    case "number": {
      const made = input("number");
      made.step = schema.type === "integer" ? "1" : "any";
      if (schema.minimum !== undefined) made.min = schema.minimum;
      if (schema.maximum !== undefined) made.max = schema.maximum;
      return made;
    }
    case "text":
      return isLong(schema) ? element("textarea", "prose") : input("text");
    case "json": {
      const made = element("textarea", "json");
      made.spellcheck = false;
      made.placeholder = "JSON";
      return made;
    }
  }
}

/** @param {string} type */
function input(type) {
  const made = element("input");
  made.type = type;
  made.autocomplete = "off";
  return made;
}

/**
 * @param {Control} control
 * @returns {control is HTMLInputElement}
 */
function isTick(control) {
  return control.type === "checkbox";
}

/** @param {unknown} value */
function asJson(value) {
  return JSON.stringify(value);
}
