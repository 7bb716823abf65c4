// What one writes in: the element for each way to write a value.

import { element } from "../dom.js";
import { names } from "./choices.js";
import { choices, isLong } from "./shape.js";

/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Control */

/**
 * @param {import("./shape.js").Kind} kind
 * @param {import("./shape.js").Part} part
 * @returns {Control}
 */
export function control(kind, part) {
  const { schema } = part;
  switch (kind) {
    case "choice": {
      const made = element("select");
      const found = choices(part);
      const called = names(found);
      const options = found.map(({ value }, place) => {
        const option = element("option", "", called[place]);
        option.value = JSON.stringify(value);
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
      return schema.format ? input("text") : prose();
    case "json": {
      const made = element("textarea", "json");
      made.spellcheck = false;
      made.placeholder = "JSON";
      return made;
    }
  }
}

/** For a text, which may have several lines: one that has not grows with them. */
export function prose() {
  const made = element("textarea", "prose");
  made.rows = 1;
  return made;
}

/**
 * Whether it takes the whole width.
 * @param {import("./shape.js").Kind} kind
 * @param {import("./shape.js").Part} part
 */
export function isWide(kind, { schema }) {
  return kind === "json" || (kind === "text" && isLong(schema));
}

/**
 * @param {Control} control
 * @returns {control is HTMLInputElement}
 */
export function isTick(control) {
  return control.type === "checkbox";
}

/** @param {string} type */
function input(type) {
  const made = element("input");
  made.type = type;
  made.autocomplete = "off";
  return made;
}
