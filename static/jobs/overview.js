// The first view: how everything is now, how it has gone, and who does the work.

import { element } from "../dom.js";
import { Charts } from "./charts.js";
import { Fleet } from "./fleet.js";
import { write } from "./keyed.js";
import { Queues } from "./queues.js";
import { ageOf, count } from "./words.js";

/** @typedef {import("./api.js").JobState} JobState */

/** The states of live jobs, with a word of what each means. @type {[JobState, string, string][]} */
const FIGURES = [
  ["ready", "Ready", "may start now"],
  ["running", "Running", "a worker has them"],
  ["scheduled", "Scheduled", "due later"],
  ["held", "Held", "over a limit"],
  ["waiting", "Waiting", "for a callback"],
];

export class Overview {
  root = element("div", "overview");
  /** @type {Map<JobState, HTMLElement>} */
  #figures = new Map();
  #oldest = element("span", "value", "–");
  #queues;
  #fleet;
  #charts;
  #unlisten;
  #wasLost = false;

  /** @param {import("./console.js").Shared} shared */
  constructor(shared) {
    shared.name("Overview");
    this.#queues = new Queues(shared);
    this.#fleet = new Fleet(() => shared.feed.now());
    this.#charts = new Charts(() => shared.feed.now());
    const title = element("h1", "", "Overview");
    title.tabIndex = -1;
    this.root.append(title, this.#makeFigures(), this.#queues.root, this.#charts.root, this.#fleet.root);
    this.#unlisten = shared.feed.listen({
      onOverview: (overview) => {
        for (const [state, place] of this.#figures) write(place, count(overview.live[/** @type {"ready"} */ (state)]));
        this.#showOldest(overview.live.oldest_wait);
        this.#queues.show(overview.queues);
        this.#fleet.show(overview);
        // While the feed was away, samples have been missed.
        if (this.#wasLost) this.#charts.read();
        else this.#charts.add(overview.sample);
        this.#wasLost = false;
      },
      onState: (state) => {
        if (state !== "live") this.#wasLost = true;
      },
    });
  }

  show() {
    this.#charts.read();
  }

  close() {
    this.#unlisten();
    this.#charts.close();
  }

  /** @param {number | null} seconds */
  #showOldest(seconds) {
    const text = seconds === null ? "–" : ageOf(seconds);
    if (this.#oldest.textContent === text) return;
    // The figures stand out from their units.
    const parts = text.split(/(?<=\d)(?= )/);
    this.#oldest.replaceChildren(
      ...parts.flatMap((part) => {
        const [, unit, figure] = /^(\D*)(\d*)$/.exec(part) ?? ["", "", part];
        return unit ? [element("small", "", unit), figure] : [figure];
      }),
    );
  }

  #makeFigures() {
    const list = element("ul", "figures");
    list.setAttribute("aria-label", "Jobs now");
    for (const [state, name, meaning] of FIGURES) {
      const item = element("li");
      const link = element("a");
      link.href = `#/jobs?state=${state}`;
      const value = element("span", "value", "–");
      value.dataset.figure = state;
      link.append(element("span", "label", name), value, element("span", "meaning", meaning));
      this.#figures.set(state, value);
      item.append(link);
      list.append(item);
    }
    const item = element("li");
    const box = element("div");
    this.#oldest.dataset.figure = "oldest";
    box.append(
      element("span", "label", "Oldest wait"),
      this.#oldest,
      element("span", "meaning", "of those that are ready"),
    );
    item.append(box);
    list.append(item);
    return list;
  }
}
