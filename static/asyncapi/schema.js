// A schema as a table of its fields, or its type in a line where it has none.

import { element } from "../dom.js";
import { asName, dict, kindOf, list, pairs } from "./contract.js";
import { facts, joined, link, present, prose, row, table } from "./parts.js";
/** @import { Contract, Dict } from "./contract.js" */

const DEEPEST = 6;
const LIMITS = /** @type {const} */ ([
  ["minimum", "at least"],
  ["exclusiveMinimum", "more than"],
  ["maximum", "at most"],
  ["exclusiveMaximum", "less than"],
  ["minLength", "length at least"],
  ["maxLength", "length at most"],
  ["minItems", "items at least"],
  ["maxItems", "items at most"],
  ["pattern", "matches"],
]);

export class SchemaView {
  /** @param {Contract} contract */
  constructor(contract) {
    this.contract = contract;
  }

  /**
   * @param {unknown} raw
   * @param {"shallow" | "opened"} [how] opened: with the fields of what its own fields refer to
   * @returns {Node[]}
   */
  shape(raw, how = "shallow") {
    const schema = this.contract.resolve(raw);
    const rows = this.#rows(schema, "", 0, how === "opened");
    if (rows.length > 0) return [table("fields", ["Field", "Type", "Required", "Description"], rows)];
    return present([
      facts([
        ["Type", this.type(raw === true || raw === false ? raw : schema, 0)],
        ["Values", values(schema)],
        ["Limits", limits(schema)],
      ]),
    ]);
  }

  /**
   * @param {Dict} schema
   * @param {string} path
   * @param {number} depth
   * @param {boolean} isOpened
   * @returns {HTMLElement[]}
   */
  #rows(schema, path, depth, isOpened) {
    if (depth > DEEPEST) return [];
    const rows = list(schema.allOf).flatMap((part) =>
      this.#rows(this.contract.resolve(part), path, depth + 1, isOpened),
    );
    const required = new Set(list(schema.required));
    for (const [name, raw] of pairs(schema.properties)) {
      const field = this.contract.resolve(raw);
      rows.push(this.#row(raw, field, path, name, required.has(name)));
      for (const [inner, suffix] of this.#inside(raw, isOpened)) {
        rows.push(...this.#rows(inner, `${path}${name}${suffix}.`, depth + 1, false));
      }
    }
    return rows;
  }

  /**
   * The objects in a field whose own fields are shown with it.
   * @param {unknown} raw
   * @param {boolean} isOpened
   * @returns {[Dict, string][]}
   */
  #inside(raw, isOpened) {
    const { resolve } = this.contract;
    const shown = (/** @type {unknown} */ one) => isOpened || dict(one).$ref === undefined;
    const schema = resolve.call(this.contract, raw);
    /** @type {[unknown, string][]} */
    const all = [
      [raw, ""],
      ...list(schema.oneOf ?? schema.anyOf).map((one) => /** @type {[unknown, string]} */ ([one, ""])),
    ];
    if (schema.items !== undefined) all.push([schema.items, "[]"]);
    return all.filter(([one]) => shown(one)).map(([one, suffix]) => [resolve.call(this.contract, one), suffix]);
  }

  /**
   * @param {unknown} raw
   * @param {Dict} field
   * @param {string} path
   * @param {string} name
   * @param {boolean} isRequired
   */
  #row(raw, field, path, name, isRequired) {
    const label = element("code", "field");
    if (path) label.append(element("span", "path", path));
    label.append(name);
    const type = element("span");
    type.append(this.type(raw, 0));
    const bounds = limits(field);
    if (bounds) type.append(element("span", "limits", bounds));
    const need = isRequired ? element("span", "required", "required") : element("span", "optional", "optional");
    const about = element("div");
    // What has a section of its own says the rest there.
    const isElsewhere = dict(raw).$ref !== undefined;
    const words = isElsewhere ? asName(field.description).split(/\n\s*\n/)[0] : field.description;
    about.append(...present([prose(words), isElsewhere ? undefined : values(field)]));
    return row([
      ["Field", label],
      ["Type", type],
      ["Required", need],
      ["Description", about],
    ]);
  }

  /**
   * @param {unknown} raw
   * @param {number} depth
   * @returns {Node}
   */
  type(raw, depth) {
    const text = (/** @type {string} */ words) => document.createTextNode(words);
    if (raw === true || raw === undefined || depth > DEEPEST) return text("anything");
    if (raw === false) return text("nothing");
    const schema = dict(raw);
    if (typeof schema.$ref === "string") return link(this.contract.schemaAt(schema.$ref));
    const types = list(schema.type ?? []);
    const choices = list(schema.oneOf ?? schema.anyOf);
    if (choices.length > 0) return joined(choices.map((choice) => this.type(choice, depth + 1)));
    if (list(schema.allOf).length > 0 && types.length === 0)
      return joined(
        list(schema.allOf).map((part) => this.type(part, depth + 1)),
        " and ",
      );
    if (types.length === 0) {
      const fixed = schema.const !== undefined ? [schema.const] : list(schema.enum);
      const kinds = new Set(fixed.map(kindOf));
      if (kinds.size > 0) return text([...kinds].join(" or "));
      return text(schema.properties ? "object" : "anything");
    }
    return joined(types.map((type) => this.#named(String(type), schema, depth)));
  }

  /**
   * @param {string} type
   * @param {Dict} schema
   * @param {number} depth
   */
  #named(type, schema, depth) {
    if (type === "array" && schema.items !== undefined) {
      return joined([document.createTextNode("array"), this.type(schema.items, depth + 1)], " of ");
    }
    const others = schema.additionalProperties;
    if (type === "object" && dict(others) === others && !schema.properties) {
      return joined([document.createTextNode("object"), this.type(others, depth + 1)], " of ");
    }
    return document.createTextNode(schema.format && type !== "null" ? `${type} (${schema.format})` : type);
  }
}

/**
 * What a value is held to: its constant, its choices, its default.
 * @param {Dict} schema
 */
function values(schema) {
  /** @type {[string, unknown[]][]} */
  const parts = [];
  if (schema.const !== undefined) parts.push(["always ", [schema.const]]);
  if (Array.isArray(schema.enum)) parts.push(["one of ", schema.enum]);
  if (schema.default !== undefined && schema.default !== schema.const) parts.push(["default ", [schema.default]]);
  if (parts.length === 0) return undefined;
  const whole = element("span", "values");
  parts.forEach(([words, items], index) => {
    const codes = items.map((item) => element("code", "", JSON.stringify(item)));
    whole.append(index > 0 ? "; " : "", words, joined(codes, ", "));
  });
  return whole;
}

/** @param {Dict} schema */
function limits(schema) {
  return LIMITS.filter(([key]) => schema[key] !== undefined)
    .map(([key, phrase]) => `${phrase} ${schema[key]}`)
    .join(", ");
}
