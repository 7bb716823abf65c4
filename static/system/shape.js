// What a JSON Schema asks for, as far as a form can show it: a line of text, nothing, fields, or JSON for the rest.

import { listed } from "./choices.js";

/** @typedef {Record<string, any>} Schema */

/**
 * How a value is written: as text, as a number, by choosing, by ticking, or as JSON.
 * @typedef {"text" | "number" | "choice" | "tick" | "json"} Kind
 */

/**
 * A part of what a task works on.
 * @typedef {object} Part
 * @property {string} name
 * @property {Schema} schema without the null that it may be besides
 * @property {boolean} isRequired
 * @property {boolean} isNullable
 */

/** What says nothing about which values there can be. */
const REMARKS = new Set(["title", "description", "$schema", "$comment", "examples", "default", "deprecated"]);

/** With one of these, an object may have more in it, or other things, than its properties say. */
const BEYOND = ["$ref", "oneOf", "anyOf", "allOf", "not", "if", "patternProperties", "dependentSchemas"];

/** A text of up to this length needs no more than half the width. */
const SHORT = 200;

/**
 * Whether a line of text will do: for a task that works on texts, or on anything.
 * @param {Schema} schema
 */
export function isText(schema) {
  if (only(schema.type) === "string") return listed(schema).length === 0;
  return Object.keys(schema).every((key) => REMARKS.has(key));
}

/**
 * Whether there is nothing to fill in.
 * @param {Schema} schema
 */
export function isNothing(schema) {
  return only(schema.type) === "null";
}

/**
 * The properties of an object, or nothing where they are not the whole of it.
 * @param {Schema} schema
 * @returns {Part[]}
 */
export function parts(schema) {
  const { type, properties = {}, required = [], additionalProperties = false } = schema;
  if (only(type) !== "object" || additionalProperties || BEYOND.some((key) => key in schema)) return [];
  if (!required.every((/** @type {string} */ name) => Object.hasOwn(properties, name))) return [];
  return Object.entries(properties).map(([name, of]) => part(name, of, required.includes(name)));
}

/**
 * The whole, as one part. Where an empty text is one, there is no null besides: it would be sent as that.
 * @param {Schema} schema
 * @returns {Part}
 */
export function whole(schema) {
  const made = part("Input", schema, true);
  return { ...made, isNullable: made.isNullable && !takesEmptyText(schema) };
}

/**
 * The whole, as one part that is written as JSON.
 * @param {Schema} schema
 * @returns {Part}
 */
export function wholeAsJson({ description }) {
  return part("Input", { description }, true);
}

/**
 * Whether an empty text may be one of these, as far as can be seen.
 * @param {Schema | boolean} schema
 * @returns {boolean}
 */
export function takesEmptyText(schema) {
  if (typeof schema !== "object") return schema;
  const values = listed(schema);
  if (values.length > 0) return values.some(({ value }) => value === "");
  if (schema.type !== undefined && ![schema.type].flat().includes("string")) return false;
  if (schema.minLength > 0 || !matchesEmpty(schema.pattern)) return false;
  const branches = schema.anyOf ?? schema.oneOf;
  return !Array.isArray(branches) || branches.some(takesEmptyText);
}

/**
 * What may also be null, without that.
 * @param {string} name
 * @param {Schema | boolean} given
 * @param {boolean} isRequired
 * @returns {Part}
 */
function part(name, given, isRequired) {
  let schema = typeof given === "object" ? given : {};
  let isNullable = false;
  const key = ["anyOf", "oneOf"].find((key) => schema[key]?.length === 2) ?? "";
  const { [key]: branches = [], ...rest } = schema;
  const others = branches.filter((/** @type {Schema | boolean} */ branch) => typeof branch !== "object" || !isNothing(branch));
  if (others.length === 1 && typeof others[0] === "object") [schema, isNullable] = [{ ...others[0], ...rest }, true];
  const values = listed(schema);
  if (Array.isArray(schema.type)) {
    const types = schema.type.filter((type) => type !== "null");
    if (types.length === 1) {
      isNullable ||= values.length === 0 && types.length < schema.type.length;
      schema = { ...schema, type: types[0] };
    }
  }
  isNullable ||= values.some(({ value }) => value === null);
  return { name, schema, isRequired, isNullable };
}

/**
 * @param {Part} part
 * @returns {Kind}
 */
export function kind({ schema, isRequired, isNullable }) {
  if ("$ref" in schema) return "json";
  if (listed(schema).length > 0) return "choice";
  switch (schema.type) {
    case "string":
      return "text";
    case "integer":
    case "number":
      return "number";
    case "boolean":
      return isRequired && !isNullable ? "tick" : "choice";
    default:
      return "json";
  }
}

/**
 * What there is to choose from.
 * @param {Part} part
 * @returns {import("./choices.js").Choice[]}
 */
export function choices({ schema, isNullable }) {
  const values = schema.type === "boolean" && listed(schema).length === 0 ? listed({ enum: [true, false] }) : listed(schema);
  const others = values.filter(({ value }) => value !== null);
  return isNullable ? [...others, values.find(({ value }) => value === null) ?? { value: null, about: "" }] : others;
}

/**
 * Whether a text may well be long.
 * @param {Schema} schema
 */
export function isLong({ format, maxLength = Infinity }) {
  return !format && maxLength > SHORT;
}

/**
 * The type, where there is one.
 * @param {unknown} type
 */
function only(type) {
  return Array.isArray(type) && type.length === 1 ? type[0] : type;
}

/** @param {unknown} pattern */
function matchesEmpty(pattern) {
  try {
    return typeof pattern !== "string" || new RegExp(pattern, "u").test("");
  } catch {
    // The server knows it better.
    return true;
  }
}
