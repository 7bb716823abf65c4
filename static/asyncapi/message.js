// A message: what it is for, what answers it, its fields, and examples of it.

import { button, element } from "../dom.js";
import { asName, dict, list } from "./contract.js";
import { jsonBlock } from "./json.js";
import { links, present, prose, thing } from "./parts.js";
/** @import { Contract, Dict, Message } from "./contract.js" */
/** @import { SchemaView } from "./schema.js" */

/** @typedef {(text: string) => void} Try opens the panel with a frame to send */

export class MessageView {
  /** @type {Set<string>} the anchors of the schemas that are shown with their messages */
  shown = new Set();

  /**
   * @param {Contract} contract
   * @param {SchemaView} schemas
   * @param {Try} attempt
   * @param {(message: Message, code: string) => string | undefined} rowOf the anchor of a code that has its own row
   */
  constructor(contract, schemas, attempt, rowOf) {
    this.contract = contract;
    this.schemas = schemas;
    this.attempt = attempt;
    this.rowOf = rowOf;
  }

  /** @param {Message} message */
  section(message) {
    const { id, name, body } = message;
    const heading = element("h3");
    heading.append(element("code", "", name));
    return thing(
      id,
      heading,
      [
        prose(body.summary),
        body.description === body.summary ? undefined : prose(body.description),
        ...this.#relations(message),
        this.#fields("Fields", body.payload),
        this.#fields("Headers", body.headers),
        this.#examples(message),
      ],
      [message.isAsked ? this.#try(message) : undefined],
    );
  }

  /** @param {Message} message */
  #relations(message) {
    const { isAsked, answers, later, answered, because, comesUnasked } = message;
    if (isAsked) return [links("Answered with", answers), links("Later come", later)];
    const unasked =
      comesUnasked && because.length === 0
        ? element("p", "unasked", answered.length > 0 ? "Comes unasked as well." : "Comes unasked.")
        : undefined;
    return [links("Answers", answered), links("Comes after", because), unasked];
  }

  /**
   * @param {string} title
   * @param {unknown} raw
   */
  #fields(title, raw) {
    if (raw === undefined) return undefined;
    const inner = dict(raw).schemaFormat === undefined ? raw : dict(raw).schema;
    const part = element("div", "part");
    const heading = element("h4", "", title);
    const { $ref: ref } = dict(inner);
    if (typeof ref === "string") {
      // The whole of a message is shown here, and nowhere else.
      const { id, name } = this.contract.schemaAt(ref);
      if (!this.shown.has(id)) part.id = id;
      this.shown.add(id);
      heading.append(" ", element("code", "", name));
    }
    part.append(heading, ...this.schemas.shape(inner, "opened"));
    return part;
  }

  /** @param {Message} message */
  #examples(message) {
    const examples = list(message.body.examples).map(dict);
    if (examples.length === 0) return undefined;
    const part = element("div", "part examples");
    part.append(element("h4", "", examples.length > 1 ? "Examples" : "Example"));
    const isElsewhere = (/** @type {Dict} */ example) => this.rowOf(message, asName(example.name)) !== undefined;
    const elsewhere = examples.filter(isElsewhere);
    const here = examples.filter((example) => !isElsewhere(example));
    // One is always here.
    if (here.length === 0) here.push(...elsewhere.slice(0, 1));
    part.append(...here.map((example, index) => this.example(message, example, index === 0)));
    const codes = new Set(elsewhere.map((example) => asName(example.name)));
    const rows = [...codes].map((name) => ({ name, id: this.rowOf(message, name) ?? "" }));
    part.append(...present([links("One of each", rows)]));
    return part;
  }

  /**
   * @param {Message} message
   * @param {Dict} example
   * @param {boolean} isOpen
   */
  example(message, example, isOpen) {
    const whole = element("details", "example");
    whole.open = isOpen;
    const title = asName(example.summary) || asName(example.name) || "Example";
    const frame = example.payload ?? example;
    const attempts = message.isAsked ? [tryButton(`${message.name}: ${title}`, () => this.attempt(pretty(frame)))] : [];
    whole.append(element("summary", "", title), jsonBlock(frame, title, attempts));
    return whole;
  }

  /** @param {Message} message */
  #try(message) {
    const [first] = list(message.body.examples).map(dict);
    const made = tryButton(message.name, () => this.attempt(pretty(first?.payload ?? { action: message.name })));
    made.classList.add("first");
    return made;
  }
}

/**
 * @param {string} name
 * @param {() => void} press
 */
export function tryButton(name, press) {
  const made = button("small try", "Try it", press);
  made.setAttribute("aria-description", name);
  return made;
}

/** @param {unknown} value */
export function pretty(value) {
  return JSON.stringify(value, null, 2);
}
