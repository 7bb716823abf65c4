// What there is to choose from, where a JSON Schema lists it, and how that is called.

import { asText } from "../dom.js";

/** @typedef {import("./shape.js").Schema} Schema */

/**
 * @typedef {object} Choice
 * @property {unknown} value
 * @property {string} about what the schema says about it
 */

/**
 * The values that a schema lists, as `enum`, as `const`, or as several of these; nothing where it lists none.
 * @param {Schema} schema
 * @returns {Choice[]}
 */
export function listed(schema) {
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => ({ value, about: "" }));
  if ("const" in schema) return [{ value: schema.const, about: "" }];
  const branches = schema.oneOf ?? schema.anyOf;
  if (!Array.isArray(branches)) return [];
  /** @type {Choice[][]} */
  const found = branches.map((branch) => ofBranch(branch));
  return found.every(({ length }) => length > 0) ? found.flat() : [];
}

/**
 * How each is called: by its text, or, where that could be taken for another one, by its JSON; and what it is.
 * @param {Choice[]} choices
 */
export function names(choices) {
  const texts = choices.map(({ value }) => asText(value));
  const kinds = new Set(choices.filter(({ value }) => value !== null).map(({ value }) => typeof value === "string"));
  const isClear = kinds.size < 2 && new Set(texts).size === texts.length && texts.every((text) => text !== "" && text === text.trim());
  return choices.map(({ value, about }, place) => {
    const name = isClear ? texts[place] : JSON.stringify(value);
    return about ? `${name} – ${about}` : name;
  });
}

/**
 * @param {Schema | boolean} branch
 * @returns {Choice[]}
 */
function ofBranch(branch) {
  if (typeof branch !== "object") return [];
  if (branch.type === "null") return [{ value: null, about: "" }];
  const { description, title } = branch;
  const remark = [description, title].find((text) => typeof text === "string") ?? "";
  return listed(branch).map(({ value, about }) => ({ value, about: about || remark.replace(/\s+/g, " ") }));
}
