// How things have gone: the charts over one stretch of time, the choice of that stretch, and the figures as a table.

import { button, element } from "../dom.js";
import { ask, isAbort, problem } from "./api.js";
import { Chart } from "./chart.js";
import { about, count, moment, spanOf } from "./words.js";

/** @typedef {import("./api.js").Sample} Sample */
/** @typedef {import("./chart.js").Kind} Kind */
/** @typedef {import("./chart.js").Point} Point */

/** @type {[number, string, string][]} */
const SPANS = [
  [900, "15 min", "the last 15 minutes"],
  [3_600, "1 h", "the last hour"],
  [21_600, "6 h", "the last 6 hours"],
  [86_400, "24 h", "the last 24 hours"],
];
/** So many samples of the feed are put behind those that were read; then all are read anew, in fewer and longer steps. */
const ADDED_MOST = 120;

/** @type {Kind[]} */
const KINDS = [
  {
    title: "Throughput",
    unit: "jobs per second",
    axis: "amount",
    format: about,
    series: [
      { name: "succeeded", colour: "good", value: (sample) => sample.succeeded / sample.seconds },
      { name: "failed", colour: "bad", value: (sample) => sample.failed / sample.seconds },
      { name: "cancelled", colour: "third", value: (sample) => sample.cancelled / sample.seconds },
    ],
  },
  {
    title: "Ready and running",
    unit: "jobs",
    axis: "amount",
    format: count,
    series: [
      { name: "ready", colour: "first", value: (sample) => sample.ready },
      { name: "running", colour: "good", value: (sample) => sample.running },
      { name: "held", colour: "third", value: (sample) => sample.held },
    ],
  },
  {
    title: "Failed",
    unit: "jobs per minute",
    axis: "amount",
    format: about,
    series: [{ name: "failed", colour: "bad", value: (sample) => (sample.failed * 60) / sample.seconds }],
  },
  {
    title: "Time waited",
    unit: "before the start",
    axis: "time",
    format: spanOf,
    series: [
      { name: "p50", colour: "first", value: (sample) => sample.waited_p50 },
      { name: "p95", colour: "second", value: (sample) => sample.waited_p95 },
      { name: "p99", colour: "third", value: (sample) => sample.waited_p99 },
    ],
  },
  {
    title: "Time run",
    unit: "from start to end",
    axis: "time",
    format: spanOf,
    series: [
      { name: "p50", colour: "first", value: (sample) => sample.ran_p50 },
      { name: "p95", colour: "second", value: (sample) => sample.ran_p95 },
      { name: "p99", colour: "third", value: (sample) => sample.ran_p99 },
    ],
  },
];

export class Charts {
  root = element("section", "charts");
  #charts = KINDS.map((kind, index) => {
    const chart = new Chart(kind, { onCross: (at) => this.#charts.forEach((each) => each.cross(at)) });
    chart.root.classList.add(index === 2 ? "chart-of-failures" : "chart-of-many");
    return chart;
  });
  #trouble = element("p", "trouble");
  #details = element("details", "numbers");
  #rows = element("tbody");
  /** @type {HTMLButtonElement[]} */
  #choices = [];
  /** @type {Point[]} */
  #points = [];
  #span = 3_600;
  #step = 10;
  #added = 0;
  #isRead = false;
  #abort = new AbortController();

  /** @param {() => number} now on the server's clock */
  constructor(now) {
    this.now = now;
    this.root.setAttribute("aria-labelledby", "charts-title");
    const title = element("h2", "", "Over time");
    title.id = "charts-title";
    const choice = element("div", "choice");
    choice.setAttribute("role", "group");
    choice.setAttribute("aria-label", "Stretch of time");
    this.#choices = SPANS.map(([seconds, label]) => button("", label, () => this.#choose(seconds)));
    choice.append(...this.#choices);
    const head = element("div", "head");
    head.append(title, choice);
    const grid = element("div", "chart-grid");
    grid.append(...this.#charts.map((chart) => chart.root));
    this.#trouble.setAttribute("role", "alert");
    this.#makeTable();
    this.root.append(head, this.#trouble, grid, this.#details);
    this.#mark();
  }

  /** Reads all samples of the stretch anew. */
  async read() {
    this.#abort.abort();
    const abort = (this.#abort = new AbortController());
    const span = this.#span;
    try {
      const answer = await ask(`/overview/samples?span=${span}`, { signal: abort.signal });
      this.#step = answer.step;
      this.#points = answer.samples.map((/** @type {Sample} */ sample) => ({ at: Date.parse(sample.at), sample }));
      this.#added = 0;
      this.#isRead = true;
      this.#trouble.textContent = "";
      this.#draw();
    } catch (error) {
      if (!isAbort(error)) this.#trouble.textContent = `The past could not be read. ${problem(error)}`;
    }
  }

  /**
   * Puts the newest sample behind the others.
   * @param {Sample | null} sample
   */
  add(sample) {
    if (!this.#isRead) return;
    const last = this.#points[this.#points.length - 1];
    if (sample && (!last || Date.parse(sample.at) > last.at)) {
      this.#points.push({ at: Date.parse(sample.at), sample });
      this.#added += 1;
      if (this.#added > ADDED_MOST) this.read();
      this.#draw();
    }
  }

  close() {
    this.#abort.abort();
  }

  /** @param {number} seconds */
  #choose(seconds) {
    this.#span = seconds;
    this.#mark();
    this.read();
  }

  #mark() {
    SPANS.forEach(([seconds], index) => {
      this.#choices[index].setAttribute("aria-pressed", String(seconds === this.#span));
    });
  }

  #draw() {
    const to = Math.max(this.now(), this.#points[this.#points.length - 1]?.at ?? 0);
    const from = to - this.#span * 1_000;
    this.#points = this.#points.filter((point) => point.at >= from);
    const words = SPANS.find(([seconds]) => seconds === this.#span)?.[2] ?? "";
    const longest = Math.max(this.#step, this.#points[this.#points.length - 1]?.sample.seconds ?? 0);
    const stretch = { points: this.#points, from, to, words, gap: longest * 2_200 };
    for (const chart of this.#charts) chart.draw(stretch);
    this.#fill();
  }

  #makeTable() {
    const table = element("table");
    const caption = element("caption", "visually-hidden", "The figures of the charts, the newest first");
    const head = element("tr");
    const names = ["Time", ...KINDS.flatMap((kind) => kind.series.map((series) => `${kind.title}: ${series.name}`))];
    for (const name of names) {
      const cell = element("th", "", name);
      cell.scope = "col";
      head.append(cell);
    }
    const header = element("thead");
    header.append(head);
    table.append(caption, header, this.#rows);
    const scroller = element("div", "scroller");
    scroller.tabIndex = 0;
    scroller.setAttribute("role", "region");
    scroller.setAttribute("aria-label", "The figures of the charts");
    scroller.append(table);
    this.#details.append(element("summary", "", "The numbers as a table"), scroller);
    this.#details.addEventListener("toggle", () => this.#fill());
  }

  /** The table is made for whoever opens it; new rows come at its top. */
  #fill() {
    if (!this.#details.open) {
      this.#rows.replaceChildren();
      return;
    }
    const rows = [];
    for (let index = this.#points.length - 1; index >= 0; index -= 1) rows.push(row(this.#points[index].sample));
    this.#rows.replaceChildren(...rows);
  }
}

/** @param {Sample} sample */
function row(sample) {
  const made = element("tr");
  const time = element("th");
  time.scope = "row";
  time.append(moment(sample.at));
  made.append(time);
  for (const kind of KINDS) {
    for (const series of kind.series) {
      const value = series.value(sample);
      made.append(element("td", "", value === null ? "–" : kind.format(value)));
    }
  }
  return made;
}
