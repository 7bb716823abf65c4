// The message reference: reads an AsyncAPI 3 document and shows it.
//
// Every text of the document is put into the page as text. Absent fields are passed over,
// and what the page has no words for (the `x-` fields) is shown as a table or as JSON.

/** @typedef {Record<string, any>} Dict an object of the document, of which nothing is certain */
/** @typedef {{label: string, id: string, code?: boolean}} Entry a line of the contents */

const SCHEMA_URL = "/asyncapi/schema.json";
const DEEPEST = 6;

/** Shows one document. */
class Reference {
  /** @type {{title: string, entries: Entry[]}[]} */
  contents = [];
  /**
   * Where each message has its place: the anchors of the objects themselves, and the names they go by.
   * @type {Map<Dict, {id: string, name: string}>}
   */
  #messages = new Map();
  /**
   * The schemas that have a section of their own, by their pointers.
   * @type {Map<string, {id: string, name: string}>}
   */
  #schemas = new Map();
  /** @type {Set<string>} */
  #ids = new Set();

  /** @param {Dict} source */
  constructor(source) {
    this.source = source;
    const { messages, schemas } = dict(source.components);
    for (const [name, message] of pairs(messages)) this.#place(name, message);
    for (const [, channel] of pairs(source.channels)) {
      for (const [name, message] of pairs(this.resolve(channel).messages)) this.#place(name, message);
    }
    for (const name of Object.keys(dict(schemas))) this.#schemaAt(`#/components/schemas/${escapePointer(name)}`);
  }

  /** @returns {Node[]} */
  render() {
    const parts = [
      ...this.#about(),
      ...this.#group("Servers", pairs(this.source.servers).map(([name, server]) => this.#server(name, this.resolve(server)))),
      ...this.#group("Channels", pairs(this.source.channels).map(([name, channel]) => this.#channel(name, this.resolve(channel)))),
    ];
    const operations = pairs(this.source.operations).map(([name, raw]) => ({ name, operation: this.resolve(raw) }));
    for (const [action, title] of [["receive", "What the client sends"], ["send", "What the server sends"]]) {
      const some = operations.filter(({ operation }) => operation.action === action);
      parts.push(...this.#group(title, some.map(({ name, operation }) => this.#operation(name, operation))));
    }
    const others = operations.filter(({ operation }) => !["receive", "send"].includes(operation.action));
    parts.push(...this.#group("Other operations", others.map(({ name, operation }) => this.#operation(name, operation))));
    parts.push(...this.#group("Messages", [...this.#messages].map(([message, place]) => this.#message(message, place))));
    parts.push(...this.#schemaGroup());
    return parts;
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
      value = this.#at(ref);
    }
    return {};
  }

  /** @param {string} ref */
  #at(ref) {
    if (!ref.startsWith("#")) return undefined;
    /** @type {any} */
    let value = this.source;
    for (const part of ref.slice(1).split("/").slice(1)) {
      value = value?.[decode(part).replaceAll("~1", "/").replaceAll("~0", "~")];
    }
    return value;
  }

  /**
   * @param {string} name
   * @param {unknown} raw
   */
  #place(name, raw) {
    const message = this.resolve(raw);
    if (this.#messages.has(message)) return;
    const shown = asName(message.name) || name;
    this.#messages.set(message, { id: this.#newId("message", shown), name: shown });
  }

  /** @param {string} ref */
  #schemaAt(ref) {
    const known = this.#schemas.get(ref);
    if (known) return known;
    const name = decode(ref.split("/").at(-1) ?? ref).replaceAll("~1", "/").replaceAll("~0", "~");
    const place = { id: this.#newId("schema", name), name };
    this.#schemas.set(ref, place);
    return place;
  }

  /**
   * @param {string} kind
   * @param {string} name
   */
  #newId(kind, name) {
    const base = `${kind}-${name.replaceAll(/[^\p{L}\p{N}_.-]+/gu, "-")}`;
    let id = base;
    for (let count = 2; this.#ids.has(id); count += 1) id = `${base}-${count}`;
    this.#ids.add(id);
    return id;
  }

  /** @returns {Node[]} */
  #about() {
    const info = dict(this.source.info);
    const title = element("h1", {}, asName(info.title) || "Messages");
    const version = [info.version && `Version ${info.version}`, this.source.asyncapi && `AsyncAPI ${this.source.asyncapi}`];
    const line = element("p", { className: "version" }, version.filter(Boolean).join(" · "));
    const raw = element("a", {}, "the raw schema");
    raw.href = SCHEMA_URL;
    line.append(line.textContent ? " · " : "", raw);
    const about = prose(info.description);
    about?.firstElementChild?.classList.add("lead");
    return present([title, line, about, ...this.#extensions(info), ...this.#extensions(this.source)]);
  }

  /**
   * @param {string} title
   * @param {{section: HTMLElement, entry: Entry}[]} things
   * @returns {Node[]}
   */
  #group(title, things) {
    if (things.length === 0) return [];
    this.contents.push({ title, entries: things.map(({ entry }) => entry) });
    return [element("h2", { id: this.#newId("group", title.toLowerCase()) }, title), ...things.map(({ section }) => section)];
  }

  /** Schemas that others only mention appear as they are mentioned, so the list grows while it is walked. */
  #schemaGroup() {
    const things = [];
    for (const [ref, place] of this.#schemas) things.push(this.#schema(ref, place));
    return this.#group("Schemas", things);
  }

  /**
   * @param {string} name
   * @param {Dict} server
   */
  #server(name, server) {
    const id = this.#newId("server", name);
    const address = `${server.protocol ? `${server.protocol}://` : ""}${server.host ?? ""}${server.pathname ?? ""}`;
    const section = thing(id, element("h3", {}, asName(server.title) || name), [
      prose(server.summary),
      prose(server.description),
      facts([["Address", address && element("code", {}, address)], ["Protocol version", asName(server.protocolVersion)]]),
      ...this.#extensions(server),
    ]);
    return { section, entry: { label: asName(server.title) || name, id } };
  }

  /**
   * @param {string} name
   * @param {Dict} channel
   */
  #channel(name, channel) {
    const id = this.#newId("channel", name);
    const address = asName(channel.address);
    const title = asName(channel.title) || name;
    const parameters = pairs(channel.parameters).map(([key, raw]) => {
      const parameter = this.resolve(raw);
      return row([["Parameter", element("code", {}, key)], ["Description", prose(parameter.description)]]);
    });
    const section = thing(id, element("h3", {}, title), [
      prose(channel.summary),
      prose(channel.description),
      facts([["Address", address && element("code", {}, address)]]),
      ...(parameters.length > 0 ? [element("h4", {}, "Parameters"), table(["Parameter", "Description"], parameters)] : []),
      ...this.#messageLinks("Messages", Object.values(dict(channel.messages))),
      ...this.#bindings(channel),
      ...this.#extensions(channel),
    ]);
    return { section, entry: { label: title, id } };
  }

  /**
   * @param {string} name
   * @param {Dict} operation
   */
  #operation(name, operation) {
    const id = this.#newId("operation", name);
    const words = /** @type {Record<string, string>} */ ({ receive: "client → server", send: "server → client" });
    const way = element("span", { className: "way" }, words[operation.action] ?? asName(operation.action));
    way.dataset.way = asName(operation.action);
    const channel = this.resolve(operation.channel);
    const reply = this.resolve(operation.reply);
    const replies = list(reply.messages ?? Object.values(dict(this.resolve(reply.channel).messages)));
    const section = thing(id, element("h3", {}, asName(operation.title) || name), [
      prose(operation.summary),
      prose(operation.description),
      facts([["On", asName(channel.address) && element("code", {}, channel.address)]]),
      ...this.#messageLinks("Messages", list(operation.messages ?? Object.values(dict(channel.messages)))),
      ...this.#messageLinks("Answers", replies),
      ...this.#bindings(operation),
      ...this.#extensions(operation),
    ], way);
    return { section, entry: { label: asName(operation.title) || name, id } };
  }

  /**
   * @param {string} title
   * @param {unknown[]} raws
   * @returns {Node[]}
   */
  #messageLinks(title, raws) {
    if (raws.length === 0) return [];
    const names = element("ul", { className: "names" });
    for (const raw of raws) {
      const place = this.#messages.get(this.resolve(raw));
      const item = element("li");
      item.append(place ? link(place) : element("span", {}, asName(dict(raw).$ref) || "unnamed"));
      names.append(item);
    }
    return [element("h4", {}, title), names];
  }

  /**
   * @param {Dict} message
   * @param {{id: string, name: string}} place
   */
  #message(message, { id, name }) {
    const heading = element("h3");
    heading.append(element("code", {}, name));
    const title = asName(message.title);
    const aside = title && title !== name ? element("span", { className: "optional" }, title) : undefined;
    const examples = list(message.examples).flatMap((raw, index) => this.#example(dict(raw), index, list(message.examples).length));
    const section = thing(id, heading, [
      prose(message.summary),
      message.description === message.summary ? undefined : prose(message.description),
      ...this.#payload("Fields", message.payload),
      ...this.#payload("Headers", message.headers),
      ...examples,
      ...this.#bindings(message),
      ...this.#extensions(message),
    ], aside);
    return { section, entry: { label: name, id, code: true } };
  }

  /**
   * @param {string} title
   * @param {unknown} raw
   * @returns {Node[]}
   */
  #payload(title, raw) {
    if (raw === undefined) return [];
    const inner = dict(raw).schemaFormat === undefined ? raw : dict(raw).schema;
    const heading = element("h4", {}, title);
    const { $ref: ref } = dict(inner);
    if (typeof ref === "string") heading.append(": ", link(this.#schemaAt(ref)));
    return [heading, ...this.#shape(this.resolve(inner), inner)];
  }

  /**
   * @param {Dict} example
   * @param {number} index
   * @param {number} count
   * @returns {Node[]}
   */
  #example(example, index, count) {
    const title = asName(example.summary) || asName(example.name) || (count > 1 ? `Example ${index + 1}` : "Example");
    const parts = [element("h4", {}, title)];
    if (example.headers !== undefined) parts.push(jsonBlock(example.headers));
    parts.push(jsonBlock(example.payload === undefined ? example : example.payload));
    return parts;
  }

  /**
   * @param {string} ref
   * @param {{id: string, name: string}} place
   */
  #schema(ref, { id, name }) {
    const raw = this.#at(ref);
    const schema = this.resolve(raw);
    const heading = element("h3");
    heading.append(element("code", {}, name));
    const body = raw === undefined ? [prose("The document has no such schema.")] : [prose(schema.description), ...this.#shape(schema, raw)];
    for (const example of list(schema.examples)) body.push(element("h4", {}, "Example"), jsonBlock(example));
    return { section: thing(id, heading, [...body, ...this.#extensions(schema)]), entry: { label: name, id, code: true } };
  }

  /**
   * A schema's properties as a table, or its type in a line where it has none.
   * @param {Dict} schema
   * @param {unknown} raw
   * @returns {Node[]}
   */
  #shape(schema, raw) {
    const rows = this.#rows(schema, [], 0);
    if (rows.length > 0) return [table(["Property", "Type", "Required", "Description"], rows)];
    const choices = list(schema.oneOf ?? schema.anyOf);
    const described = choices.some((choice) => dict(choice).description);
    if (described) {
      return [table(["Value", "Description"], choices.map((choice) => this.#choice(choice)))];
    }
    const type = typeof raw === "boolean" ? raw : schema;
    return present([facts([["Type", this.#type(type, 0)], ["Values", values(schema)], ["Limits", limits(schema)]])]);
  }

  /** @param {unknown} raw */
  #choice(raw) {
    const schema = this.resolve(raw);
    const value = schema.const === undefined ? values(schema) ?? this.#type(raw, 0) : element("code", {}, JSON.stringify(schema.const));
    return row([["Value", value], ["Description", prose(schema.description)]]);
  }

  /**
   * @param {Dict} schema
   * @param {string[]} path
   * @param {number} depth
   * @returns {HTMLElement[]}
   */
  #rows(schema, path, depth) {
    if (depth > DEEPEST) return [];
    const rows = [];
    for (const part of list(schema.allOf)) rows.push(...this.#rows(this.resolve(part), path, depth + 1));
    const required = new Set(list(schema.required));
    for (const [name, raw] of pairs(schema.properties)) {
      const property = this.resolve(raw);
      const label = element("code", { className: "property" });
      if (path.length > 0) label.append(element("span", { className: "path" }, `${path.join(".")}.`));
      label.append(name);
      const type = element("span");
      type.append(this.#type(raw, 0));
      const bounds = limits(property);
      if (bounds) type.append(element("span", { className: "limits" }, bounds));
      const need = required.has(name) ? element("span", { className: "required" }, "required") : element("span", { className: "optional" }, "optional");
      const about = element("div");
      const fixed = values(property);
      about.append(...present([prose(dict(raw).description ?? property.description), fixed]));
      rows.push(row([["Property", label], ["Type", type], ["Required", need], ["Description", about]]));
      if (dict(raw).$ref === undefined) {
        rows.push(...this.#rows(property, [...path, name], depth + 1));
        const items = dict(property.items);
        if (items.$ref === undefined) rows.push(...this.#rows(items, [...path, `${name}[]`], depth + 1));
      }
    }
    return rows;
  }

  /**
   * @param {unknown} raw
   * @param {number} depth
   * @returns {Node}
   */
  #type(raw, depth) {
    const text = (/** @type {string} */ words) => document.createTextNode(words);
    if (raw === true || raw === undefined || depth > DEEPEST) return text("anything");
    if (raw === false) return text("nothing");
    const schema = dict(raw);
    if (typeof schema.$ref === "string") return link(this.#schemaAt(schema.$ref));
    const types = list(schema.type ?? []);
    const choices = list(schema.oneOf ?? schema.anyOf);
    if (choices.length > 0) return joined(choices.map((choice) => this.#type(choice, depth + 1)));
    if (list(schema.allOf).length > 0 && types.length === 0) return joined(list(schema.allOf).map((part) => this.#type(part, depth + 1)), " and ");
    if (types.length === 0) {
      const fixed = schema.const !== undefined ? [schema.const] : list(schema.enum);
      const kinds = new Set(fixed.map((value) => (value === null ? "null" : Array.isArray(value) ? "array" : typeof value)));
      if (kinds.size > 0) return text([...kinds].join(" or "));
      return text(schema.properties ? "object" : "anything");
    }
    return joined(types.map((type) => {
      if (type === "array" && schema.items !== undefined) {
        const whole = document.createDocumentFragment();
        whole.append("array of ", this.#type(schema.items, depth + 1));
        return whole;
      }
      if (type === "object" && dict(schema.additionalProperties) === schema.additionalProperties && !schema.properties) {
        const whole = document.createDocumentFragment();
        whole.append("object of ", this.#type(schema.additionalProperties, depth + 1));
        return whole;
      }
      return text(schema.format && type !== "null" ? `${type} (${schema.format})` : String(type));
    }));
  }

  /** @param {Dict} owner */
  #bindings(owner) {
    const bindings = this.resolve(owner.bindings);
    return Object.keys(bindings).length > 0 ? [element("h4", {}, "Bindings"), jsonBlock(bindings)] : [];
  }

  /**
   * Fields that are this document's own: a list of flat objects as a table, the rest as it is.
   * @param {Dict} owner
   * @returns {Node[]}
   */
  #extensions(owner) {
    return pairs(owner).filter(([key]) => key.startsWith("x-")).flatMap(([key, value]) => {
      const words = key.slice(2).replaceAll("-", " ");
      const heading = element("h4", {}, words.charAt(0).toUpperCase() + words.slice(1));
      const columns = [...new Set(list(value).flatMap((item) => Object.keys(dict(item))))];
      const flat = Array.isArray(value) && columns.length > 0 && value.every((item) => Object.values(dict(item)).every((cell) => typeof cell !== "object"));
      if (!flat) return [heading, typeof value === "string" ? /** @type {HTMLElement} */ (prose(value)) : jsonBlock(value)];
      const cell = (/** @type {unknown} */ content) => element("span", {}, content === undefined ? "" : String(content));
      const rows = list(value).map((item) => row(columns.map((column) => [column, cell(dict(item)[column])])));
      return [heading, table(columns, rows)];
    });
  }
}

/** Fetches the document and fills the page. */
async function main() {
  const place = byId("document");
  try {
    const answer = await fetch(SCHEMA_URL, { headers: { accept: "application/json" } });
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const reference = new Reference(dict(await answer.json()));
    place.replaceChildren(...reference.render());
    showContents(reference.contents);
    document.title = `${asName(dict(reference.source.info).title) || "Messages"} · Message reference`;
    if (location.hash) document.getElementById(decode(location.hash.slice(1)))?.scrollIntoView();
    // The anchors came into being after the address was read; `:target` is found again only by going there.
    if (location.hash) location.replace(location.hash);
  } catch (error) {
    const message = element("p", { className: "failure" }, `The description could not be shown: ${error instanceof Error ? error.message : error}. `);
    const again = element("a", {}, "Try again");
    again.href = "";
    message.append(again, ".");
    message.setAttribute("role", "alert");
    place.replaceChildren(message);
    byId("contents").hidden = true;
  }
}

/** @param {{title: string, entries: Entry[]}[]} groups */
function showContents(groups) {
  const wide = matchMedia("(min-width: 60rem)");
  const contents = /** @type {HTMLDetailsElement} */ (byId("contents"));
  const fit = () => (contents.open = wide.matches);
  wide.addEventListener("change", fit);
  fit();
  /** @type {Map<string, HTMLAnchorElement>} */
  const links = new Map();
  for (const { title, entries } of groups) {
    const section = element("section");
    section.append(element("h2", {}, title));
    const items = element("ul");
    for (const entry of entries) {
      const item = element("li");
      const anchor = element("a");
      anchor.href = `#${encodeURIComponent(entry.id)}`;
      anchor.append(entry.code ? element("code", {}, entry.label) : entry.label);
      anchor.addEventListener("click", () => !wide.matches && (contents.open = false));
      links.set(entry.id, anchor);
      item.append(anchor);
      items.append(item);
    }
    section.append(items);
    byId("toc").append(section);
  }
  markWhereOneIs(links);
}

/** @param {Map<string, HTMLAnchorElement>} links */
function markWhereOneIs(links) {
  const seen = new Set();
  const observer = new IntersectionObserver((changes) => {
    for (const { target, isIntersecting } of changes) {
      if (isIntersecting) seen.add(target.id);
      else seen.delete(target.id);
    }
    const first = [...links.keys()].find((id) => seen.has(id));
    if (!first) return;
    for (const [id, anchor] of links) {
      if (id === first) anchor.setAttribute("aria-current", "location");
      else anchor.removeAttribute("aria-current");
    }
    // Without the top of the window: there, the last line of the section before may still stand.
  }, { rootMargin: "-10% 0px -60% 0px" });
  for (const section of document.querySelectorAll(".thing")) observer.observe(section);
}

/**
 * @param {string} id
 * @param {HTMLElement} heading
 * @param {(Node | undefined)[]} body
 * @param {HTMLElement} [aside]
 */
function thing(id, heading, body, aside) {
  const section = element("section", { className: "thing", id });
  const line = element("div", { className: "heading" });
  const anchor = element("a", { className: "anchor" }, "#");
  anchor.href = `#${encodeURIComponent(id)}`;
  anchor.setAttribute("aria-label", `Link to ${heading.textContent}`);
  line.append(heading, ...(aside ? [aside] : []), anchor);
  section.append(line, ...present(body));
  return section;
}

/**
 * @param {string[]} columns
 * @param {HTMLElement[]} rows
 */
function table(columns, rows) {
  const whole = element("table", { className: "properties" });
  whole.dataset.columns = String(columns.length);
  const head = element("thead");
  const names = element("tr");
  for (const column of columns) {
    const cell = element("th", {}, column.charAt(0).toUpperCase() + column.slice(1));
    cell.scope = "col";
    names.append(cell);
  }
  head.append(names);
  const body = element("tbody");
  body.append(...rows);
  whole.append(head, body);
  return whole;
}

/** @param {[string, Node | undefined][]} cells */
function row(cells) {
  const line = element("tr");
  for (const [column, content] of cells) {
    const cell = element("td");
    cell.dataset.column = column;
    if (content) cell.append(content);
    line.append(cell);
  }
  return line;
}

/** @param {[string, Node | string | undefined][]} items those without a value are left out */
function facts(items) {
  const whole = element("dl", { className: "facts" });
  for (const [name, value] of items) {
    if (!value) continue;
    const content = element("dd");
    content.append(value);
    whole.append(element("dt", {}, name), content);
  }
  return whole.childElementCount > 0 ? whole : undefined;
}

/**
 * A description: paragraphs, lists, and words in backticks. Any other mark stays as it was written.
 * @param {unknown} source
 */
function prose(source) {
  if (typeof source !== "string" || source.trim() === "") return undefined;
  const whole = element("div", { className: "prose" });
  for (const block of source.trim().split(/\n\s*\n/)) {
    const lines = block.split("\n");
    if (lines.every((line) => /^\s*[-*] /.test(line))) {
      const items = element("ul");
      for (const line of lines) items.append(inline("li", line.replace(/^\s*[-*] /, "")));
      whole.append(items);
    } else {
      whole.append(inline("p", block));
    }
  }
  return whole;
}

/**
 * @param {"p" | "li"} tag
 * @param {string} source
 */
function inline(tag, source) {
  const made = element(tag);
  source.split(/`([^`]+)`/).forEach((part, index) => made.append(index % 2 === 1 ? element("code", {}, part) : part));
  return made;
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
  const whole = element("span", { className: "values" });
  parts.forEach(([words, items], index) => {
    whole.append(index > 0 ? "; " : "", words);
    items.forEach((item, at) => whole.append(at > 0 ? ", " : "", element("code", {}, JSON.stringify(item))));
  });
  return whole;
}

/** @param {Dict} schema */
function limits(schema) {
  const words = /** @type {const} */ ([
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
  return words.filter(([key]) => schema[key] !== undefined).map(([key, phrase]) => `${phrase} ${schema[key]}`).join(", ");
}

/** @param {unknown} value */
function jsonBlock(value) {
  const text = JSON.stringify(value, null, 2);
  const block = element("div", { className: "example" });
  const pre = element("pre");
  const code = element("code");
  let from = 0;
  for (const match of text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|-?\d[\d.eE+-]*|\b(?:true|false|null)\b/g)) {
    const className = match[2] ? "key" : match[1] ? "string" : "value";
    const token = match[1] ?? match[0];
    code.append(text.slice(from, match.index), element("span", { className }, token));
    from = match.index + token.length;
  }
  code.append(text.slice(from));
  pre.append(code);
  block.append(pre);
  if (navigator.clipboard) {
    const copy = element("button", { className: "copy", type: "button" }, "Copy");
    copy.addEventListener("click", async () => {
      const done = await navigator.clipboard.writeText(text).then(() => true, () => false);
      copy.textContent = done ? "Copied" : "Not copied";
      setTimeout(() => (copy.textContent = "Copy"), 2000);
    });
    block.append(copy);
  }
  return block;
}

/** @param {{id: string, name: string}} place */
function link({ id, name }) {
  const anchor = element("a", {}, name);
  anchor.href = `#${encodeURIComponent(id)}`;
  return anchor;
}

/**
 * @param {Node[]} parts
 * @param {string} [between]
 */
function joined(parts, between = " or ") {
  const whole = document.createDocumentFragment();
  parts.forEach((part, index) => whole.append(index > 0 ? between : "", part));
  return whole;
}

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Partial<HTMLElementTagNameMap[T]>} [fields]
 * @param {string} [text]
 */
function element(tag, fields, text) {
  const made = Object.assign(document.createElement(tag), fields);
  if (text) made.textContent = text;
  return made;
}

/** @param {string} id */
function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has nothing called ${id}`);
  return found;
}

/**
 * @param {unknown} value
 * @returns {Dict}
 */
function dict(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? value : {};
}

/**
 * @param {unknown} value
 * @returns {[string, any][]}
 */
function pairs(value) {
  return Object.entries(dict(value));
}

/**
 * @param {unknown} value
 * @returns {any[]}
 */
function list(value) {
  return Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];
}

/** @param {unknown} value */
function asName(value) {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/**
 * @param {(Node | undefined)[]} nodes
 * @returns {Node[]}
 */
function present(nodes) {
  return nodes.filter((node) => node !== undefined);
}

/** @param {string} part */
function escapePointer(part) {
  return part.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** @param {string} part */
function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

main();
