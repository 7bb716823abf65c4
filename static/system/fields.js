// A form for what a task works on, where that is more than a text: a field for each property of its JSON Schema, or one
// for JSON, where properties are not the whole of it. What is written in it is kept while other tasks are looked at.

import { element } from "../dom.js";
import { Caret } from "./caret.js";
import { Field } from "./field.js";
import { isNothing, parts, takesEmptyText, whole, wholeAsJson } from "./shape.js";

/** @typedef {import("./field.js").Entry} Entry */
/** @typedef {import("./shape.js").Schema} Schema */

/**
 * What was written for a task.
 * @typedef {object} Draft
 * @property {Map<string, Entry>} fields by their names
 * @property {Entry | null} whole
 */

export class Fields {
  #task = "";
  /** @type {Schema} */
  #schema = {};
  #schemaText = "";
  /** @type {Field[]} */
  #fields = [];
  /** Whether there is one for the whole, and none for properties. */
  #isWhole = false;
  /** @type {Map<string, Draft>} by the names of their tasks */
  #drafts = new Map();

  /** @param {HTMLElement} place */
  constructor(place) {
    this.place = place;
  }

  /**
   * Shows the form for this task, if it is not there already, with what was written in it.
   * @param {string} task
   * @param {Schema} schema
   */
  show(task, schema) {
    const text = JSON.stringify(schema);
    if (task === this.#task && text === this.#schemaText) return;
    if (this.#task) this.#drafts.set(this.#task, this.#draft);
    const focused = this.#fields.find(({ control }) => control === document.activeElement);
    const caret = focused && new Caret(focused.control);
    [this.#task, this.#schema, this.#schemaText] = [task, schema, text];
    this.#fill(this.#drafts.get(task));
    if (!focused) return;
    const next = this.#fields.find(({ name }) => name === focused.name) ?? this.#fields[0];
    if (next) caret?.putInto(next.control);
  }

  /** Whether there is nothing to fill in. */
  get isEmpty() {
    return this.#fields.length === 0;
  }

  /** Whether there is a field in which Enter makes a new line. */
  get hasLines() {
    return this.#fields.some(({ control }) => control instanceof HTMLTextAreaElement);
  }

  /**
   * What is written in it.
   * @throws {Error} with words for people, where something cannot be read
   */
  read() {
    if (isNothing(this.#schema)) return "";
    /** @type {unknown[]} */
    const errors = [];
    /** @type {[string, unknown][]} */
    const values = [];
    for (const field of this.#fields) {
      try {
        values.push([field.name, field.read()]);
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
    if (!this.#isWhole) return Object.fromEntries(values.filter(([, value]) => value !== undefined));
    const value = values[0][1];
    if (value !== null) return value;
    // There is no way to submit a null but an empty text, where that is none itself.
    if (!takesEmptyText(this.#schema)) return "";
    throw new Error("A browser cannot send null where an empty text may be meant as well.");
  }

  /**
   * Puts something where it can be changed; what it does not say is as the schema has it.
   * @param {unknown} value
   */
  write(value) {
    this.#drafts.delete(this.#task);
    this.#build("fields");
    if (value === undefined || isNothing(this.#schema)) return;
    // It was a null, as that is submitted.
    if (value === "" && this.#isWhole && !this.#fits(value) && this.#fits(null)) value = null;
    // Nothing of it is dropped because there is no field for it.
    if (!this.#fits(value)) this.#build("json");
    if (this.#isWhole) return this.#fields[0].write(value);
    const given = new Map(Object.entries(/** @type {Schema} */ (value)));
    for (const field of this.#fields) field.write(given.get(field.name));
  }

  /** What somebody has typed in the form that is shown, if anything, so that it can be brought back. */
  get typed() {
    return this.#fields.some(({ isTyped }) => isTyped) ? this.#draft : null;
  }

  /**
   * Puts it back in the place of what is there.
   * @param {Draft} draft
   */
  bringBack(draft) {
    this.#drafts.set(this.#task, draft);
    this.#fill(draft);
  }

  /**
   * Says what was wrong with what is written in it.
   * @param {import("../../clients/js/ringback.js").ErrorItem[]} errors
   */
  mark(errors) {
    for (const { loc = [], msg } of errors) {
      const place = loc.indexOf("input");
      if (place < 0) continue;
      const field = this.#isWhole ? this.#fields[0] : this.#fields.find(({ name }) => name === loc[place + 1]);
      field?.refuse(msg);
    }
  }

  focus() {
    const wrong = this.#fields.find(({ control }) => control.ariaInvalid === "true");
    (wrong ?? this.#fields[0])?.control.focus();
  }

  /** @param {unknown} value */
  #fits(value) {
    if (this.#isWhole) return this.#fields[0].fits(value);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
    const fields = new Map(this.#fields.map((field) => [field.name, field]));
    return Object.entries(value).every(([name, of]) => fields.get(name)?.fits(of));
  }

  /** @param {"fields" | "json"} how */
  #build(how) {
    if (isNothing(this.#schema)) {
      [this.#fields, this.#isWhole] = [[], false];
      return this.place.replaceChildren(element("p", "about", "This task needs no input."));
    }
    const found = how === "fields" ? parts(this.#schema) : [];
    this.#isWhole = found.length === 0;
    if (this.#isWhole) found.push(how === "json" ? wholeAsJson(this.#schema) : whole(this.#schema));
    this.#fields = found.map((part) => new Field(part));
    this.place.replaceChildren(...this.#fields.map(({ element }) => element));
  }

  /**
   * Shows the form with what was written; what has no field any more is said below it.
   * @param {Draft | undefined} draft
   */
  #fill(draft) {
    this.#build(draft?.whole?.kind === "json" ? "json" : "fields");
    const left = new Map(draft?.fields);
    if (draft?.whole) left.set("Input", draft.whole);
    for (const field of this.#fields) {
      const entry = this.#isWhole ? draft?.whole : draft?.fields.get(field.name);
      if (entry) field.putBack(entry);
      left.delete(this.#isWhole ? "Input" : field.name);
    }
    const lost = [...left].filter(([, { text }]) => text.trim() !== "").map(([name, { text }]) => `${name}: ${text}`);
    const words = `Written for a form that was another one, and not sent: ${lost.join("; ")}`;
    if (lost.length > 0) this.place.append(element("p", "about lost", words));
  }

  /** What is written for the task whose form is shown, also for fields that are not there any more. */
  get #draft() {
    const before = this.#drafts.get(this.#task);
    /** @type {Draft} */
    const draft = { fields: new Map(before?.fields), whole: this.#isWhole ? this.#fields[0].entry : (before?.whole ?? null) };
    for (const { name, entry } of this.#isWhole ? [] : this.#fields) {
      if (entry) draft.fields.set(name, entry);
      else draft.fields.delete(name);
    }
    return draft;
  }
}
