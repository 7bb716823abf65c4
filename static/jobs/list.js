// The list of jobs: the newest first, page by page, as the filter in the address asks for.
//
// Nothing moves under the reader's hands: rows change where they stand, and newer jobs wait behind a button.

import { button, element } from "../dom.js";
import { ask, isAbort } from "./api.js";
import { Bulk } from "./bulk.js";
import { Filter, isLive } from "./filter.js";
import { Filters } from "./filters.js";
import { write } from "./keyed.js";
import { Look } from "./look.js";
import { COLUMNS, Row } from "./row.js";
import { many, timeOfDay } from "./words.js";

/** @typedef {import("./api.js").Job} Job */

/** So many jobs may be asked for by their ids at once. */
const IDS_MOST = 100;

export class List {
  root = element("div", "list");
  #title = element("h1", "", "Jobs");
  #filters;
  #bulk;
  #status = element("p", "looked");
  #stop = button("small", "Stop", () => this.#look?.stop());
  #goOn = button("small", "Go on", () => this.#look?.goOn());
  #newer = button("small newer", "Newer jobs", () => this.#readAgain());
  #trouble = element("p", "trouble");
  #table = element("table", "jobs");
  #body = element("tbody");
  #everything = element("input");
  #empty = element("div", "empty");
  #newest = element("a", "button", "Newest");
  #older = element("a", "button", "Older");
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** Those of live jobs that are in sight. @type {Set<string>} */
  #inSight = new Set();
  #sight = new IntersectionObserver((entries) => this.#see(entries));
  #filter = new Filter(new URLSearchParams());
  /** @type {Look | null} */
  #look = null;
  /** From when on a job is newer than those on the page, where there is none on it. */
  #since = "";
  #unlisten;
  #catchingUp = new AbortController();
  #isCatchingUp = false;
  #movedMeanwhile = false;
  #settled = () => {};

  /** @param {import("./console.js").Shared} shared */
  constructor(shared) {
    this.shared = shared;
    this.#filters = new Filters((filter, how) => shared.go(filter.hash, how));
    this.#bulk = new Bulk({ say: shared.say, onDone: () => this.#load() });
    this.#title.tabIndex = -1;
    this.#trouble.setAttribute("role", "alert");
    this.#newer.hidden = true;
    const bar = element("div", "list-bar");
    const looked = element("div", "look");
    looked.append(this.#status, this.#stop, this.#goOn, this.#newer);
    bar.append(this.#bulk.root, looked);
    const pager = element("nav", "pager");
    pager.setAttribute("aria-label", "Pages of the list");
    pager.append(this.#newest, this.#older);
    this.#makeTable();
    this.root.append(this.#title, this.#filters.root, bar, this.#trouble, this.#table, this.#empty, pager);
    this.#unlisten = shared.feed.listen({
      onOverview: (overview, moved) => {
        this.#filters.know(overview);
        if (moved) this.#catchUp();
      },
    });
  }

  /**
   * @param {URLSearchParams} query
   * @param {() => void} settled
   */
  show(query, settled) {
    this.#filter = new Filter(query);
    this.#settled = settled;
    this.#filters.show(this.#filter);
    this.shared.name(this.#filter.title);
    this.#load();
  }

  close() {
    this.#unlisten();
    this.#filters.close();
    this.#look?.close();
    this.#catchingUp.abort();
    this.#sight.disconnect();
  }

  /** Looks for the page's jobs anew; the last question wins. */
  #load() {
    this.#look?.close();
    this.#catchingUp.abort();
    this.#catchingUp = new AbortController();
    this.#newer.hidden = true;
    write(this.#newer, this.#filter.states.length > 0 ? "Refresh" : "Newer jobs");
    this.#newer.classList.toggle("newer", this.#filter.states.length === 0);
    this.#since = new Date(this.shared.feed.now()).toISOString();
    let isFirst = true;
    // What was there stays, greyed, until there is something to put in its place.
    this.root.classList.add("looking");
    const look = new Look(this.#filter, (jobs) => {
      if (isFirst && (jobs.length > 0 || look.state !== "looking")) {
        isFirst = false;
        this.#clear();
      }
      this.#add(jobs);
      this.#tell(look);
    });
    this.#look = look;
    look.goOn();
  }

  #clear() {
    this.root.classList.remove("looking");
    this.#sight.disconnect();
    this.#inSight.clear();
    this.#rows.clear();
    this.#body.replaceChildren();
  }

  /** @param {Job[]} jobs */
  #add(jobs) {
    const rows = document.createDocumentFragment();
    for (const job of jobs) {
      if (this.#rows.has(job.id)) continue;
      const row = new Row(job, () => this.shared.feed.now());
      row.root.dataset.id = job.id;
      this.#rows.set(job.id, row);
      rows.append(row.root);
      if (isLive(job.state)) this.#sight.observe(row.root);
    }
    this.#body.append(rows);
    this.#showSelection();
  }

  /** @param {Look} look */
  #tell(look) {
    const back = look.backTo === null ? "" : `, looked back to ${timeOfDay(look.backTo)}`;
    const found = many(look.found, "job");
    const words = {
      looking: look.found === 0 && back === "" ? "Looking…" : `Looking… ${found} so far${back}`,
      paused: `${found} so far${back}`,
      full: this.#filter.cursor ? found : `The newest ${found}`,
      end: this.#filter.cursor ? `${found}; there are no older ones` : found,
      failed: `${found} so far`,
    };
    write(this.#status, words[look.state]);
    this.#stop.hidden = look.state !== "looking" || back === "";
    this.#goOn.hidden = look.state !== "paused" && look.state !== "failed";
    write(this.#goOn, look.state === "failed" ? "Try again" : "Go on");
    this.#trouble.textContent = look.trouble;
    this.#newest.hidden = !this.#filter.cursor;
    this.#newest.href = this.#filter.hash;
    this.#older.hidden = look.state !== "full";
    if (look.state === "full") this.#older.href = this.#filter.hashFrom(look.next);
    this.#table.hidden = this.#rows.size === 0;
    this.#showEmpty(look);
    if (look.state === "looking") return;
    this.shared.say(words[look.state]);
    this.#settled();
    this.#settled = () => {};
  }

  /** @param {Look} look */
  #showEmpty(look) {
    const isEmpty = look.state === "end" && look.found === 0;
    this.#empty.hidden = !isEmpty;
    if (!isEmpty) return;
    const line = element("p");
    if (!this.#filter.isEmpty) line.append("No job matches this filter.");
    else if (this.#filter.cursor) line.append("There are no older jobs.");
    else {
      const page = element("a", "", "the system page");
      page.href = "/system/";
      line.append("No job has been submitted yet. Say something on ", page, ", or ");
      line.append(element("code", "", "cargo run -- submit translate hello"), ".");
    }
    this.#empty.replaceChildren(line);
  }

  #makeTable() {
    const names = element("tr");
    names.setAttribute("role", "row");
    const select = element("th", "cell-select");
    this.#everything.type = "checkbox";
    this.#everything.setAttribute("aria-label", "Select all on this page");
    this.#everything.addEventListener("change", () => {
      for (const row of this.#rows.values()) row.box.checked = this.#everything.checked;
      this.#bulk.pick();
      this.#showSelection();
    });
    const target = element("label");
    target.append(this.#everything, element("span", "for-narrow", "All on this page"));
    select.append(target);
    names.append(select, ...COLUMNS.map((name) => element("th", `cell-${name.toLowerCase()}`, name)));
    for (const cell of /** @type {NodeListOf<HTMLTableCellElement>} */ (names.querySelectorAll("th"))) {
      cell.scope = "col";
      cell.setAttribute("role", "columnheader");
    }
    const head = element("thead");
    head.setAttribute("role", "rowgroup");
    head.append(names);
    this.#body.setAttribute("role", "rowgroup");
    this.#body.addEventListener("change", () => {
      this.#bulk.pick();
      this.#showSelection();
    });
    // Where rows are no table rows to the eye, they still are to whoever listens.
    this.#table.setAttribute("role", "table");
    this.#table.append(element("caption", "visually-hidden", "Jobs, the newest first"), head, this.#body);
  }

  #showSelection() {
    const selected = [...this.#rows.values()].filter((row) => row.box.checked);
    for (const row of this.#rows.values()) row.root.classList.toggle("chosen", row.box.checked);
    this.#everything.checked = selected.length > 0 && selected.length === this.#rows.size;
    this.#everything.indeterminate = selected.length > 0 && selected.length < this.#rows.size;
    this.#bulk.show(
      this.#filter,
      selected.map((row) => row.job),
    );
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #see(entries) {
    for (const entry of entries) {
      const id = /** @type {HTMLElement} */ (entry.target).dataset.id ?? "";
      if (entry.isIntersecting) this.#inSight.add(id);
      else this.#inSight.delete(id);
    }
  }

  /** The feed says that jobs have moved: what of it concerns this page? One question at a time. */
  async #catchUp() {
    this.#movedMeanwhile = this.#isCatchingUp;
    if (this.#isCatchingUp || !this.#look || this.#look.state === "looking") return;
    this.#isCatchingUp = true;
    const signal = this.#catchingUp.signal;
    try {
      await this.#refresh(signal);
      await this.#seekNewer(signal);
    } catch (error) {
      // That the gateway is away is said by the feed.
      if (!isAbort(error)) console.warn("the list could not be brought up to date:", error);
    } finally {
      this.#isCatchingUp = false;
      if (this.#movedMeanwhile && !signal.aborted) this.#catchUp();
    }
  }

  /** @param {AbortSignal} signal */
  async #refresh(signal) {
    const ids = [...this.#inSight].slice(0, IDS_MOST);
    if (ids.length === 0) return;
    const query = new URLSearchParams({ id: ids.join(","), limit: String(IDS_MOST) });
    /** @type {{jobs: Job[]}} */
    const page = await ask(`/jobs?${query}`, { signal });
    for (const job of page.jobs) {
      const row = this.#rows.get(job.id);
      row?.update(job);
      if (!row || isLive(job.state)) continue;
      this.#sight.unobserve(row.root);
      this.#inSight.delete(job.id);
    }
    if (page.jobs.some((job) => this.#rows.get(job.id)?.box.checked)) this.#showSelection();
  }

  /** @param {AbortSignal} signal */
  async #seekNewer(signal) {
    const until = this.#filter.fields.until;
    // Jobs come into a state, and leave it, anywhere in the list.
    if (this.#filter.states.length > 0) {
      this.#newer.hidden = false;
      return;
    }
    if (this.#filter.cursor || !this.#newer.hidden || (until && Date.parse(until) < this.shared.feed.now())) return;
    const newest = this.#rows.values().next().value?.job;
    const query = this.#filter.request({ limit: "1", since: newest?.queued_at ?? this.#since });
    /** @type {{jobs: Job[]}} */
    const page = await ask(`/jobs?${query}`, { signal });
    this.#newer.hidden = page.jobs.length === 0 || this.#rows.has(page.jobs[0].id);
  }

  /** Reads the page again, of which the first has the newest. */
  #readAgain() {
    this.#load();
    this.#title.focus();
  }
}
