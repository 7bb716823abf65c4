// What a JSON Schema asks for, as far as a form can show it: a line of text, nothing, fields, or JSON for the rest.

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

/** A text of up to this length has one line. */
const SHORT = 200;

/**
 * Whether a line of text will do: for a task that works on texts, or on anything.
 * @param {Schema} schema
 */
export function isText(schema) {
  if (schema.type === "string") return !schema.enum;
  return Object.keys(schema).every((key) => REMARKS.has(key));
}

/**
 * Whether there is nothing to fill in.
 * @param {Schema} schema
 */
export function isNothing(schema) {
  return ['"null"', '["null"]'].includes(JSON.stringify(schema.type));
}

/**
 * The properties of an object, or nothing where they are not the whole of it.
 * @param {Schema} schema
 * @returns {Part[]}
 */
export function parts(schema) {
  const { type, properties = {}, required = [], additionalProperties = false } = schema;
  if (type !== "object" || additionalProperties || BEYOND.some((key) => key in schema)) return [];
  if (!required.every((/** @type {string} */ name) => Object.hasOwn(properties, name))) return [];
  return Object.entries(properties).map(([name, of]) => part(name, of, required.includes(name)));
}

/**
 * The whole, as one part.
 * @param {Schema} schema
 */
export function whole(schema) {
  return part("Input", schema, true);
}

/**
 * The whole, as one part that is written as JSON.
 * @param {Schema} schema
 */
export function wholeAsJson({ description }) {
  return part("Input", { description }, true);
}

/**
 * What may also be null, without that: an empty field says as much.
 * @param {string} name
 * @param {Schema | boolean} given
 * @param {boolean} isRequired
 * @returns {Part}
 */
function part(name, given, isRequired) {
  const schema = typeof given === "object" ? given : {};
  const made = (/** @type {Schema} */ schema, /** @type {boolean} */ isNullable) => ({ name, schema, isRequired, isNullable });
  if (Array.isArray(schema.type) && schema.type.length === 2 && schema.type.includes("null")) {
    return made({ ...schema, type: schema.type.find((type) => type !== "null") }, true);
  }
  const { anyOf, ...rest } = schema;
  const others = anyOf?.filter((/** @type {Schema} */ { type }) => type !== "null");
  if (anyOf?.length === 2 && others.length === 1) return made({ ...others[0], ...rest }, true);
  return made(schema, false);
}

/**
 * @param {Part} part
 * @returns {Kind}
 */
export function kind({ schema, isRequired, isNullable }) {
  if ("$ref" in schema) return "json";
  if (schema.enum) return "choice";
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
 * @param {Schema} schema
 * @returns {unknown[]}
 */
export function choices(schema) {
  return schema.enum ?? [true, false];
}

/**
 * Whether a text may well have several lines.
 * @param {Schema} schema
 */
export function isLong({ format, maxLength = Infinity }) {
  return !format && maxLength > SHORT;
}
