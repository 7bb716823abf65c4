// The queues: what is in each, and whether workers may take from it.

import { button, element } from "../dom.js";
import { ask, problem } from "./api.js";
import { Keyed, write } from "./keyed.js";
import { svg } from "./svg.js";
import { count } from "./words.js";

/** @typedef {import("./api.js").Queue} Queue */

/** @type {["running", "ready", "held", "scheduled"]} */
const PARTS = ["running", "ready", "held", "scheduled"];

export class Queues {
  root = element("section", "queues");
  #table = element("table");
  #empty = element(
    "p",
    "empty",
    "No queue is known yet: a worker makes its tasks and their queues known when it starts.",
  );
  #trouble = element("p", "trouble");
  /** @type {Keyed<Queue & {most: number}>} */
  #rows;

  /** @param {import("./console.js").Shared} shared */
  constructor(shared) {
    this.shared = shared;
    this.root.setAttribute("aria-labelledby", "queues-title");
    const title = element("h2", "", "Queues");
    title.id = "queues-title";
    const head = element("tr");
    head.setAttribute("role", "row");
    for (const name of ["Queue", "Running", "Ready", "Held", "Scheduled", "Share", "Claims"]) {
      const cell = element("th", "", name);
      cell.scope = "col";
      cell.setAttribute("role", "columnheader");
      head.append(cell);
    }
    const header = element("thead");
    header.append(head);
    const body = element("tbody");
    // Where its rows are no table rows to the eye, they still are to whoever listens.
    this.#table.setAttribute("role", "table");
    for (const group of [header, body]) group.setAttribute("role", "rowgroup");
    this.#table.append(element("caption", "visually-hidden", "Queues and the jobs in them"), header, body);
    this.#rows = new Keyed(
      body,
      (queue) => queue.name,
      (queue) => new Row(queue.name, this.#pause),
    );
    this.#trouble.setAttribute("role", "alert");
    const scroller = element("div", "scroller");
    scroller.append(this.#table);
    this.root.append(title, this.#trouble, this.#empty, scroller);
    this.show([]);
  }

  /** @param {Queue[]} queues */
  show(queues) {
    this.#table.hidden = queues.length === 0;
    this.#empty.hidden = queues.length > 0;
    const most = Math.max(1, ...queues.map(total));
    const sorted = [...queues].sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#rows.show(sorted.map((queue) => ({ ...queue, most })));
  }

  /**
   * @param {string} name
   * @param {"pause" | "resume"} what
   * @returns {Promise<boolean | null>} whether it is paused now, where that is known
   */
  #pause = async (name, what) => {
    this.#trouble.textContent = "";
    try {
      const answer = await ask(`/queues/${encodeURIComponent(name)}/${what}`, { post: undefined });
      this.shared.say(
        answer.paused
          ? `Queue ${name} is paused. What runs goes on, and nothing new is started.`
          : `Queue ${name} goes on.`,
      );
      return answer.paused;
    } catch (error) {
      const done = what === "pause" ? "paused" : "resumed";
      this.#trouble.textContent = `Queue ${name} could not be ${done}. ${problem(error)}`;
      return null;
    }
  };
}

/** One queue. */
class Row {
  root = element("tr");
  #link = element("a");
  #badge = element("span", "badge", "paused");
  #cells = PARTS.map(() => element("td"));
  #bar = svg("svg", { class: "bar", "aria-hidden": "true" });
  #paused = false;
  #isBusy = false;
  #button;

  /**
   * @param {string} name
   * @param {(name: string, what: "pause" | "resume") => Promise<boolean | null>} pause
   */
  constructor(name, pause) {
    this.name = name;
    const heading = element("th");
    heading.scope = "row";
    heading.setAttribute("role", "rowheader");
    this.root.setAttribute("role", "row");
    this.#link.href = `#/jobs?${new URLSearchParams({ queue: name })}`;
    this.#link.textContent = name;
    heading.append(this.#link, " ", this.#badge);
    this.#bar.append(...PARTS.map((part) => svg("rect", { class: `part-${part}`, height: "100%" })));
    const bar = element("td", "share");
    bar.append(this.#bar);
    this.#button = button("small", "Pause", async () => {
      if (this.#isBusy) return;
      this.#become(this.#paused, true);
      const paused = await pause(name, this.#paused ? "resume" : "pause");
      this.#become(paused ?? this.#paused, false);
    });
    const action = element("td", "action");
    action.append(this.#button);
    for (const cell of [...this.#cells, bar, action]) cell.setAttribute("role", "cell");
    PARTS.forEach((part, index) => (this.#cells[index].dataset.name = part));
    this.root.append(heading, ...this.#cells, bar, action);
  }

  /** @param {Queue & {most: number}} queue */
  update(queue) {
    let left = 0;
    PARTS.forEach((part, index) => {
      write(this.#cells[index], count(queue[part]));
      this.#cells[index].classList.toggle("none", queue[part] === 0);
      const width = (queue[part] / queue.most) * 100;
      const piece = this.#bar.children[index];
      piece.setAttribute("x", `${left}%`);
      piece.setAttribute("width", `${width}%`);
      left += width;
    });
    if (!this.#isBusy) this.#become(queue.paused, false);
  }

  /**
   * @param {boolean} paused
   * @param {boolean} isBusy
   */
  #become(paused, isBusy) {
    this.#paused = paused;
    this.#isBusy = isBusy;
    this.root.classList.toggle("paused", paused);
    this.#badge.hidden = !paused;
    const word = paused ? "Resume" : "Pause";
    write(this.#button, word);
    this.#button.setAttribute("aria-label", `${word} queue ${this.name}`);
    this.#button.setAttribute("aria-disabled", String(isBusy));
  }
}

/** @param {Queue} queue */
function total(queue) {
  return queue.running + queue.ready + queue.held + queue.scheduled;
}
