// What the contract has against a frame, before it is sent. The server has the last word.

import { dict, kindOf, list, pairs } from "./contract.js";
/** @import { Contract, Dict } from "./contract.js" */

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
const DATE_TIME = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:?\d\d)$/;

/**
 * What is wrong with a frame that a client sends.
 * @param {Contract} contract
 * @param {unknown} frame
 * @returns {string[]} sentences; none, where nothing is
 */
export function complaints(contract, frame) {
  if (kindOf(frame) !== "object") return ["A frame is an object."];
  const { action } = dict(frame);
  if (action === undefined) return ["The action is missing."];
  const message = contract.messageCalled(action);
  if (!message?.isAsked) return [`No message of a client is called ${JSON.stringify(action)}.`];
  return against(contract, message.body.payload, frame, "");
}

/**
 * @param {Contract} contract
 * @param {unknown} raw
 * @param {unknown} value
 * @param {string} path
 * @returns {string[]}
 */
function against(contract, raw, value, path) {
  const schema = contract.resolve(raw);
  const choices = list(schema.anyOf ?? schema.oneOf);
  if (choices.length > 0) {
    const tried = choices.map((choice) => against(contract, choice, value, path));
    if (tried.some((wrong) => wrong.length === 0)) return [];
    // Those of the choice that is of the same kind, where there is one: the others say only that they are not it.
    const same = choices.findIndex((choice) => isOf(contract.resolve(choice).type, value));
    return tried[same] ?? [`${path} should be ${named(choices.map((choice) => contract.resolve(choice).type))}.`];
  }
  if (schema.type !== undefined && !isOf(schema.type, value)) return [`${path} should be ${named(schema.type)}.`];
  return [...bounds(schema, value, path), ...inside(contract, schema, value, path)];
}

/**
 * @param {Contract} contract
 * @param {Dict} schema
 * @param {unknown} value
 * @param {string} path
 * @returns {string[]}
 */
function inside(contract, schema, value, path) {
  if (Array.isArray(value)) {
    return schema.items === undefined
      ? []
      : value.flatMap((item, at) => against(contract, schema.items, item, `${path}[${at}]`));
  }
  if (kindOf(value) !== "object") return [];
  const fields = dict(value);
  const below = (/** @type {string} */ name) => (path ? `${path}.${name}` : name);
  const missing = list(schema.required).filter((name) => fields[name] === undefined);
  const wrong = pairs(schema.properties).filter(([name]) => fields[name] !== undefined);
  return [
    ...missing.map((name) => `${below(name)} is missing.`),
    ...wrong.flatMap(([name, raw]) => against(contract, raw, fields[name], below(name))),
  ];
}

/**
 * @param {Dict} schema
 * @param {any} value
 * @param {string} path
 * @returns {string[]}
 */
function bounds(schema, value, path) {
  if (schema.const !== undefined && value !== schema.const) {
    return [`${path} should be ${JSON.stringify(schema.const)}.`];
  }
  if (Array.isArray(schema.enum) && !schema.enum.includes(value)) {
    return [`${path} should be one of ${schema.enum.join(", ")}.`];
  }
  if (typeof value === "number" && value < schema.minimum) return [`${path} should be at least ${schema.minimum}.`];
  if (typeof value === "number" && value > schema.maximum) return [`${path} should be at most ${schema.maximum}.`];
  if (typeof value === "string" && value.length > schema.maxLength) {
    return [`${path} should be at most ${schema.maxLength} long.`];
  }
  if (schema.format === "uuid" && !UUID.test(value)) return [`${path} should be a UUID.`];
  if (schema.format === "date-time" && !DATE_TIME.test(value)) {
    return [`${path} should be a time, such as 2030-01-31T12:00:00Z.`];
  }
  return [];
}

/**
 * @param {unknown} type
 * @param {unknown} value
 */
function isOf(type, value) {
  const kind = kindOf(value);
  return type === undefined || list(type).some((one) => one === kind || (one === "integer" && Number.isInteger(value)));
}

/** @param {unknown} type one, or several */
function named(type) {
  const words = /** @type {Record<string, string>} */ ({
    string: "a text",
    number: "a number",
    integer: "a whole number",
    boolean: "true or false",
    object: "an object",
    array: "a list",
    null: "null",
  });
  return list(type)
    .map((one) => words[one] ?? String(one))
    .join(" or ");
}
