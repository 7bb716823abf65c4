// The message reference: everything that the contract has, in sections.

import { element } from "../dom.js";
import { CodesView } from "./codes.js";
import { asName, dict, list, pairs } from "./contract.js";
import { jsonBlock } from "./json.js";
import { MessageView } from "./message.js";
import { facts, present, prose, row, table, thing } from "./parts.js";
import { SchemaView } from "./schema.js";
/** @import { Contract, Dict } from "./contract.js" */
/** @import { Try } from "./message.js" */

/** @typedef {{label: string, id: string, code?: boolean}} Entry a line of the contents */
/** @typedef {{title: string, entries: Entry[]}} Group */

export const SCHEMA_URL = "/asyncapi/schema.json";
/** Shown in their own words. */
const KNOWN = new Set(["x-tasks"]);
/** The tables that are shown as such, and the anchors of theirs. */
const TABLES = new Map([
  ["x-errors", "codes-errors"],
  ["x-failure-codes", "codes-failures"],
  ["x-close-codes", "codes-closes"],
]);

export class Reference {
  /** @type {Group[]} */
  contents = [];

  /**
   * @param {Contract} contract
   * @param {Try} attempt
   */
  constructor(contract, attempt) {
    this.contract = contract;
    this.schemas = new SchemaView(contract);
    this.codes = new CodesView(contract, attempt);
    this.messages = new MessageView(contract, this.schemas, attempt, (message, code) =>
      this.codes.rowOf(message, code),
    );
  }

  get title() {
    return asName(dict(this.contract.source.info).title) || "Messages";
  }

  /** @returns {Node[]} */
  render() {
    const { source, messages } = this.contract;
    const related = (/** @type {import("./contract.js").Message} */ message) =>
      message.isAsked || message.comesUnasked || message.answered.length + message.because.length > 0;
    return [
      ...this.#about(),
      ...this.#group("Where to connect", [
        ...pairs(source.servers).map(([name, raw]) => this.#server(name, this.contract.resolve(raw))),
        ...pairs(source.channels).map(([name, raw]) => this.#channel(name, this.contract.resolve(raw))),
      ]),
      ...this.#messageGroup(
        "From the client",
        messages.filter(({ isAsked }) => isAsked),
      ),
      ...this.#messageGroup(
        "From the server",
        messages.filter((message) => !message.isAsked && related(message)),
      ),
      ...this.#messageGroup(
        "Other messages",
        messages.filter((message) => !related(message)),
      ),
      ...this.#taskGroup(),
      ...this.#codeGroup(),
      ...this.#schemaGroup(),
    ];
  }

  /** @returns {Node[]} */
  #about() {
    const info = dict(this.contract.source.info);
    const { asyncapi } = this.contract.source;
    const title = element("h1", "", this.title);
    const version = [info.version && `Version ${info.version}`, asyncapi && `AsyncAPI ${asyncapi}`];
    const line = element("p", "version", version.filter(Boolean).join(" · "));
    const raw = element("a", "", "the raw schema");
    raw.href = SCHEMA_URL;
    line.append(line.textContent ? " · " : "", raw);
    const about = prose(info.description);
    about?.firstElementChild?.classList.add("lead");
    return present([title, line, about, ...this.#extensions(info), ...this.#extensions(this.contract.source)]);
  }

  /**
   * @param {string} title
   * @param {{section: HTMLElement, entry: Entry}[]} things
   * @returns {Node[]}
   */
  #group(title, things) {
    if (things.length === 0) return [];
    this.contents.push({ title, entries: things.map(({ entry }) => entry) });
    const whole = element("section", "group");
    const heading = element("h2", "", title);
    heading.id = this.contract.newId("group", title.toLowerCase());
    whole.append(heading, ...things.map(({ section }) => section));
    return [whole];
  }

  /**
   * @param {string} title
   * @param {import("./contract.js").Message[]} messages
   */
  #messageGroup(title, messages) {
    return this.#group(
      title,
      messages.map((message) => ({
        section: this.messages.section(message),
        entry: { label: message.name, id: message.id, code: true },
      })),
    );
  }

  /** What the tasks of this fleet work on and give back. */
  #taskGroup() {
    const things = pairs(this.contract.source["x-tasks"]).map(([name, sides]) => {
      const id = this.contract.newId("task", name);
      const heading = element("h3");
      heading.append(element("code", "", name));
      const body = ["input", "output"].flatMap((side) => {
        const schema = this.contract.resolve(dict(sides)[side]);
        const title = side === "input" ? "Works on" : "Gives back";
        return [element("h4", "", title), prose(schema.description), ...this.schemas.shape(schema)];
      });
      return { section: thing(id, heading, present(body)), entry: { label: name, id, code: true } };
    });
    return this.#group("Tasks", things);
  }

  #codeGroup() {
    const { errors, failures, closes } = {
      errors: this.codes.errors(),
      failures: this.codes.failures(),
      closes: this.codes.closes(),
    };
    const error = this.contract.messageCalled("error")?.id;
    const failed = this.contract.messageCalled("job_failed")?.id;
    return this.#group("Codes", [
      ...this.#codeTable(
        "Errors",
        "What the entries of an `error` have as their `type`. An error leaves the socket open.",
        errors,
        error,
      ),
      ...this.#codeTable(
        "Failures",
        "What a `job_failed` has as `job.code`. `job_cancelled` has the code `cancelled`.",
        failures,
        failed,
      ),
      ...this.#codeTable("Closes", "What the server says when it closes a socket.", closes, undefined),
    ]);
  }

  /**
   * @param {string} title
   * @param {string} words
   * @param {HTMLElement | undefined} codes
   * @param {string | undefined} message where the message is that has them
   */
  #codeTable(title, words, codes, message) {
    if (!codes) return [];
    const id = this.contract.newId("codes", title.toLowerCase());
    const about = prose(words);
    const code = about?.querySelector("code");
    if (code && message) linked(code, message);
    return [{ section: thing(id, element("h3", "", title), [about, codes]), entry: { label: title, id } }];
  }

  /** Schemas that others only mention appear as they are mentioned, so the list grows while it is walked. */
  #schemaGroup() {
    const things = [];
    for (const [ref, { id, name }] of this.contract.schemas) {
      if (this.messages.shown.has(id)) continue;
      const raw = this.contract.at(ref);
      const schema = this.contract.resolve(raw);
      const heading = element("h3");
      heading.append(element("code", "", name));
      const body =
        raw === undefined
          ? [prose("The document has no such schema.")]
          : [prose(schema.description), ...this.schemas.shape(raw)];
      for (const example of list(schema.examples)) body.push(element("h4", "", "Example"), jsonBlock(example, name));
      things.push({
        section: thing(id, heading, [...body, ...this.#extensions(schema)]),
        entry: { label: name, id, code: true },
      });
    }
    return this.#group("Schemas", things);
  }

  /**
   * @param {string} name
   * @param {Dict} server
   */
  #server(name, server) {
    const id = this.contract.newId("server", name);
    const address = `${server.protocol ? `${server.protocol}://` : ""}${server.host ?? ""}${server.pathname ?? ""}`;
    const title = asName(server.title) || `Server ${name}`;
    const section = thing(id, element("h3", "", title), [
      prose(server.summary),
      prose(server.description),
      facts([
        ["Address", address && element("code", "", address)],
        ["Protocol version", asName(server.protocolVersion)],
      ]),
      ...this.#extensions(server),
    ]);
    return { section, entry: { label: title, id } };
  }

  /**
   * @param {string} name
   * @param {Dict} channel
   */
  #channel(name, channel) {
    const id = this.contract.newId("channel", name);
    const address = asName(channel.address);
    const title = `Channel ${asName(channel.title) || name}`;
    const parameters = pairs(channel.parameters).map(([key, raw]) =>
      row([
        ["Parameter", element("code", "", key)],
        ["Description", prose(this.contract.resolve(raw).description)],
      ]),
    );
    const about = prose(channel.description);
    for (const code of about?.querySelectorAll("code") ?? []) {
      const anchor = TABLES.get(code.textContent ?? "");
      if (anchor) linked(code, anchor);
    }
    const section = thing(id, element("h3", "", title), [
      prose(channel.summary),
      about,
      facts([["Address", address && element("code", "", address)]]),
      ...(parameters.length > 0
        ? [element("h4", "", "Parameters"), table("parameters", ["Parameter", "Description"], parameters)]
        : []),
      ...this.#extensions(channel),
    ]);
    return { section, entry: { label: title, id } };
  }

  /**
   * Fields that no page has words for, as they are.
   * @param {Dict} owner
   * @returns {Node[]}
   */
  #extensions(owner) {
    return pairs(owner)
      .filter(([key]) => key.startsWith("x-") && !TABLES.has(key) && !KNOWN.has(key))
      .flatMap(([key, value]) => {
        const words = key.slice(2).replaceAll("-", " ");
        return [element("h4", "", words.charAt(0).toUpperCase() + words.slice(1)), jsonBlock(value, words)];
      });
  }
}

/**
 * Makes a word in the text a link.
 * @param {Element} code
 * @param {string} id
 */
function linked(code, id) {
  const anchor = element("a");
  anchor.href = `#${id}`;
  code.replaceWith(anchor);
  anchor.append(code);
}
