// A form for what a task works on, where that is more than a text: a field for each property of its JSON Schema, and
// JSON for what has no field of its own.

import { element } from "../dom.js";

/** @typedef {Record<string, any>} Schema */
/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Control */
/** @typedef {{name: string, schema: Schema, isRequired: boolean, control: Control}} Field */

export class Fields {
  /** @type {Field[]} */
  #fields = [];
  /** Whether they are the properties of one object, and not the whole. */
  #isObject = false;
  #shown = "";

  /** @param {HTMLElement} place */
  constructor(place) {
    this.place = place;
  }

  /**
   * Shows the form for this, if it is not there already.
   * @param {Schema} schema
   */
  show(schema) {
    const text = JSON.stringify(schema);
    if (text === this.#shown) return;
    this.#shown = text;
    const properties = schema.type === "object" ? Object.entries(schema.properties ?? {}) : [];
    this.#isObject = properties.length > 0;
    const required = new Set(schema.required ?? []);
    const parts = this.#isObject
      ? properties.map(([name, of]) => ({ name, schema: plain(of), isRequired: required.has(name) }))
      : [{ name: "Input", schema, isRequired: true }];
    this.#fields = parts.map((part) => ({ ...part, control: control(part.schema) }));
    this.place.replaceChildren(...this.#fields.map(shown));
    this.write(this.#isObject ? {} : undefined);
  }

  /**
   * What is written in it.
   * @throws {Error} with words for people, where something cannot be read
   */
  read() {
    if (!this.#isObject) return read(this.#fields[0]);
    const values = this.#fields.map((field) => [field.name, read(field)]);
    return Object.fromEntries(values.filter(([, value]) => value !== undefined));
  }

  /**
   * Puts something where it can be changed; what it does not say is as the schema has it.
   * @param {unknown} value
   */
  write(value) {
    for (const field of this.#fields) {
      const given = this.#isObject ? /** @type {Schema} */ (value ?? {})[field.name] : value;
      write(field, given ?? field.schema.default);
    }
  }

  focus() {
    this.#fields[0]?.control.focus();
  }
}

/**
 * What may also be null, without that: an empty field says as much.
 * @param {Schema} schema
 * @returns {Schema}
 */
function plain(schema) {
  const types = Array.isArray(schema.type) ? schema.type.filter((/** @type {string} */ type) => type !== "null") : [];
  if (types.length === 1) return { ...schema, type: types[0] };
  const others = schema.anyOf?.filter((/** @type {Schema} */ { type }) => type !== "null") ?? [];
  return others.length === 1 ? { ...others[0], description: schema.description ?? others[0].description } : schema;
}

/**
 * @param {Schema} schema
 * @returns {Control}
 */
function control(schema) {
  if (schema.enum) {
    const made = element("select");
    made.append(element("option"), ...schema.enum.map((/** @type {unknown} */ value) => element("option", "", String(value))));
    return made;
  }
  if (schema.type === "boolean") return input("checkbox");
  if (schema.type === "integer" || schema.type === "number") {
    const made = input("number");
    made.step = schema.type === "integer" ? "1" : "any";
    if (schema.minimum !== undefined) made.min = schema.minimum;
    if (schema.maximum !== undefined) made.max = schema.maximum;
    return made;
  }
  if (schema.type === "string") return input("text");
  const made = element("textarea");
  made.spellcheck = false;
  made.placeholder = "JSON";
  return made;
}

/** @param {string} type */
function input(type) {
  const made = element("input");
  made.type = type;
  made.autocomplete = "off";
  return made;
}

/** @param {Field} field */
function shown({ name, schema, isRequired, control }) {
  const label = element("label", control instanceof HTMLTextAreaElement ? "field wide" : "field");
  label.append(element("span", "label", isRequired ? name : `${name} (optional)`), control);
  if (schema.description) label.append(element("span", "about", schema.description));
  return label;
}

/** @param {Field} field */
function read({ name, schema, isRequired, control }) {
  if (control instanceof HTMLInputElement && control.type === "checkbox") return control.checked;
  const text = control.value;
  if (control instanceof HTMLSelectElement) {
    return schema.enum.find((/** @type {unknown} */ value) => text !== "" && String(value) === text);
  }
  if (schema.type === "string" && (text !== "" || isRequired)) return text;
  if (control instanceof HTMLInputElement && !control.validity.valid && control.validity.badInput) {
    throw new Error(`${name} is not a number.`);
  }
  if (text.trim() === "") return undefined;
  if (control instanceof HTMLInputElement) return Number(text);
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${name} is not JSON. Write, for example, {"a": 1}, [1, 2] or "text".`);
  }
}

/**
 * @param {Field} field
 * @param {unknown} value
 */
function write({ control }, value) {
  if (control instanceof HTMLInputElement && control.type === "checkbox") control.checked = value === true;
  else if (control instanceof HTMLTextAreaElement) control.value = value === undefined ? "" : JSON.stringify(value);
  else control.value = value === undefined ? "" : String(value);
}
