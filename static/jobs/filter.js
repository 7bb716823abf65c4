// Which jobs are asked for: in the address, in a request, and in words.

import { LIVE, STATES, listed, timeOfDay } from "./words.js";

/** @typedef {import("./api.js").JobState} JobState */
/** @typedef {"task" | "queue" | "owner" | "search" | "since" | "until"} Field */

/** @type {Field[]} */
const FIELDS = ["task", "queue", "owner", "search", "since", "until"];
/** How many jobs a page may have. */
export const LIMITS = [50, 100, 200, 500];

export class Filter {
  /** @type {JobState[]} none is all of them */
  states;
  /** @type {Record<Field, string>} the times as RFC 3339; empty where nothing is asked for */
  fields;
  /** Where the page before has ended. */
  cursor;
  limit;

  /** @param {URLSearchParams} query of the address */
  constructor(query) {
    const asked = (query.get("state") ?? "").split(",");
    this.states = STATES.filter((state) => asked.includes(state));
    const fields = FIELDS.map((field) => [field, (query.get(field) ?? "").trim()]);
    this.fields = /** @type {Record<Field, string>} */ (Object.fromEntries(fields));
    for (const field of /** @type {Field[]} */ (["since", "until"])) {
      if (Number.isNaN(Date.parse(this.fields[field]))) this.fields[field] = "";
    }
    this.cursor = query.get("cursor") ?? "";
    const limit = Number(query.get("limit"));
    this.limit = LIMITS.includes(limit) ? limit : LIMITS[0];
  }

  /** Whether all jobs are asked for. */
  get isEmpty() {
    return this.states.length === 0 && FIELDS.every((field) => !this.fields[field]);
  }

  /** The address of its first page. */
  get hash() {
    const query = this.#query();
    if (this.limit !== LIMITS[0]) query.set("limit", String(this.limit));
    return query.size > 0 ? `#/jobs?${query}` : "#/jobs";
  }

  /**
   * The address of the page that begins there.
   * @param {string} cursor
   */
  hashFrom(cursor) {
    return `${this.hash}${this.hash.includes("?") ? "&" : "?"}cursor=${encodeURIComponent(cursor)}`;
  }

  /**
   * What is asked of the gateway.
   * @param {Record<string, string>} [more]
   */
  request(more = {}) {
    const query = this.#query();
    for (const [name, value] of Object.entries(more)) if (value) query.set(name, value);
    return query.toString();
  }

  /**
   * Those states that it finds out of some.
   * @param {JobState[]} states
   */
  among(states) {
    return this.states.length === 0 ? states : states.filter((state) => this.states.includes(state));
  }

  /**
   * The filter in words, to stand behind “jobs”, as far as they are in one of these states.
   * @param {JobState[]} states
   */
  words(states) {
    const { task, queue, owner, search, since, until } = this.fields;
    const parts = [`are ${listed(states).replace(" and ", " or ")}`];
    if (task) parts.push(`have the task “${task}”`);
    if (queue) parts.push(`are in the queue “${queue}”`);
    if (owner) parts.push(`belong to “${owner}”`);
    if (search) parts.push(`have “${search}” in their content`);
    if (since) parts.push(`were submitted since ${timeOfDay(Date.parse(since))}`);
    if (until) parts.push(`were submitted before ${timeOfDay(Date.parse(until))}`);
    return `that ${listed(parts)}`;
  }

  /** What the title of the page says. */
  get title() {
    const { task, queue, owner, search } = this.fields;
    const parts = [this.states.join(", "), task, queue, owner, search && `“${search}”`].filter(Boolean);
    return parts.length > 0 ? `Jobs: ${parts.join(", ")}` : "Jobs";
  }

  #query() {
    const query = new URLSearchParams();
    if (this.states.length > 0) query.set("state", this.states.join(","));
    for (const field of FIELDS) if (this.fields[field]) query.set(field, this.fields[field]);
    return query;
  }
}

/** @param {JobState} state */
export function isLive(state) {
  return LIVE.includes(state);
}
