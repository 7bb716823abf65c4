// The AsyncAPI document, and where each thing in it has its place on the page.
//
// Nothing of it is certain: absent fields are passed over.

/** @typedef {Record<string, any>} Dict an object of the document, of which nothing is certain */
/** @typedef {{id: string, name: string}} Place an anchor, and what it goes by */

/**
 * A message, with those that it has to do with.
 * @typedef {object} Message
 * @property {string} id its anchor
 * @property {string} name
 * @property {Dict} body
 * @property {boolean} isAsked whether clients send it
 * @property {Message[]} answers what answers it
 * @property {Message[]} later what may come later because of it
 * @property {Message[]} answered what it answers
 * @property {Message[]} because what it may come later because of
 * @property {boolean} comesUnasked
 */

/** @typedef {"errors" | "failure-codes" | "close-codes"} TableName */

export class Contract {
  /** @type {Map<Dict, Message>} */
  #messages = new Map();
  /** @type {Map<string, Place>} the schemas, by their pointers */
  #schemas = new Map();
  /** @type {Set<string>} */
  #ids = new Set();

  /** @param {Dict} source */
  constructor(source) {
    this.source = source;
    for (const [, channel] of pairs(source.channels)) {
      for (const [name, raw] of pairs(this.resolve(channel).messages)) this.#add(name, this.resolve(raw));
    }
    for (const [, raw] of pairs(source.operations)) this.#relate(this.resolve(raw));
    for (const name of Object.keys(dict(dict(source.components).schemas))) {
      this.schemaAt(`#/components/schemas/${escapePointer(name)}`);
    }
  }

  /** Every message, in the order of the document. */
  get messages() {
    return [...this.#messages.values()];
  }

  /** Every schema that has a name; there may be more once others are shown. */
  get schemas() {
    return this.#schemas;
  }

  /** @param {unknown} name */
  messageCalled(name) {
    return this.messages.find((message) => message.name === name);
  }

  /**
   * A table that is this document's own, wherever its channels have it.
   * @param {TableName} name
   * @returns {Dict[]}
   */
  table(name) {
    return pairs(this.source.channels).flatMap(([, channel]) => list(this.resolve(channel)[`x-${name}`]).map(dict));
  }

  /**
   * Follows `$ref` to the object it means; a chain that ends nowhere is an empty object.
   * @param {unknown} value
   * @returns {Dict}
   */
  resolve(value) {
    for (let steps = 0; steps < 20; steps += 1) {
      const { $ref: ref } = dict(value);
      if (typeof ref !== "string") return dict(value);
      value = this.at(ref);
    }
    return {};
  }

  /** @param {string} ref */
  at(ref) {
    if (!ref.startsWith("#")) return undefined;
    /** @type {any} */
    let value = this.source;
    for (const part of ref.slice(1).split("/").slice(1)) value = value?.[unescapePointer(part)];
    return value;
  }

  /**
   * Where a schema has its place.
   * @param {string} ref
   */
  schemaAt(ref) {
    const known = this.#schemas.get(ref);
    if (known) return known;
    const name = unescapePointer(ref.split("/").at(-1) ?? ref);
    const place = { id: this.newId("schema", name), name };
    this.#schemas.set(ref, place);
    return place;
  }

  /**
   * An anchor that nothing else has.
   * @param {string} kind
   * @param {string} name
   */
  newId(kind, name) {
    const base = `${kind}-${name.replaceAll(/[^\p{L}\p{N}_.-]+/gu, "-")}`;
    let id = base;
    for (let count = 2; this.#ids.has(id); count += 1) id = `${base}-${count}`;
    this.#ids.add(id);
    return id;
  }

  /**
   * @param {string} key
   * @param {Dict} body
   */
  #add(key, body) {
    if (this.#messages.has(body)) return;
    const name = asName(body.name) || key;
    const id = this.newId("message", name);
    this.#messages.set(body, {
      id,
      name,
      body,
      isAsked: false,
      answers: [],
      later: [],
      answered: [],
      because: [],
      comesUnasked: false,
    });
  }

  /** @param {Dict} operation */
  #relate(operation) {
    const known = (/** @type {unknown} */ raw) => this.#messages.get(this.resolve(raw)) ?? [];
    const all = list(operation.messages).flatMap(known);
    if (operation.action !== "receive") {
      for (const message of all) message.comesUnasked = true;
      return;
    }
    const answers = list(this.resolve(operation.reply).messages).flatMap(known);
    const later = list(operation["x-later"]).flatMap((name) => this.messageCalled(name) ?? []);
    for (const message of all) {
      message.isAsked = true;
      message.answers = answers;
      message.later = later;
      for (const answer of answers) answer.answered.push(message);
      for (const one of later) one.because.push(message);
    }
  }
}

/**
 * @param {unknown} value
 * @returns {Dict}
 */
export function dict(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? value : {};
}

/**
 * @param {unknown} value
 * @returns {[string, any][]}
 */
export function pairs(value) {
  return Object.entries(dict(value));
}

/**
 * @param {unknown} value
 * @returns {any[]}
 */
export function list(value) {
  return Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];
}

/**
 * What JSON calls the type of a value.
 * @param {unknown} value
 */
export function kindOf(value) {
  return value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
}

/** @param {unknown} value */
export function asName(value) {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/** @param {string} part */
function escapePointer(part) {
  return part.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** @param {string} part */
function unescapePointer(part) {
  return decode(part).replaceAll("~1", "/").replaceAll("~0", "~");
}

/** @param {string} part */
export function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
