// One chart of figures over time, drawn by hand as SVG.
//
// Its lines differ by their dashes as well as by their colours; the legend above says what stands under the crosshair,
// or else what is newest. The crosshair is moved by pointer and by keyboard.

import { element } from "../dom.js";
import { steer } from "./crosshair.js";
import { linear, roundTime, timeTicks, times } from "./scale.js";
import { svg } from "./svg.js";
import { hoursAndMinutes, spanOf, timeOfDay } from "./words.js";

/** @typedef {import("./api.js").Sample} Sample */
/** @typedef {{at: number, sample: Sample}} Point */

/**
 * @typedef {object} Series
 * @property {string} name
 * @property {"good" | "bad" | "first" | "second" | "third"} colour
 * @property {(sample: Sample) => number | null} value
 */

/**
 * @typedef {object} Kind
 * @property {string} title
 * @property {string} unit behind the title
 * @property {"amount" | "time"} axis
 * @property {(value: number) => string} format
 * @property {Series[]} series
 */

/**
 * What is to be drawn.
 * @typedef {object} Stretch
 * @property {Point[]} points the oldest first
 * @property {number} from
 * @property {number} to
 * @property {string} words such as "the last hour"
 * @property {number} gap longer than this between two points is a gap
 */

const HEIGHT = 168;
const EDGE = { top: 8, right: 4, bottom: 22, left: 54 };

export class Chart {
  root = element("figure", "chart");
  /** What takes the pointer and the keys. */
  plot = element("div", "plot");
  #svg = svg("svg", { "aria-hidden": "true", focusable: "false" });
  #grid = svg("g", { class: "grid" });
  #lines = svg("g", {});
  #cross = svg("line", { class: "cross" });
  #dots = svg("g", {});
  #when = element("span", "when");
  /** @type {HTMLElement[]} */
  #values = [];
  /** @type {Stretch | null} */
  #stretch = null;
  /** @type {(value: number) => number} */
  #y = () => 0;
  #width = 0;
  /** Which point is under the crosshair; none is -1. */
  #index = -1;

  /**
   * @param {Kind} kind
   * @param {object} listener
   * @param {(at: number | null) => void} listener.onCross the crosshair is wanted at this time, or away
   */
  constructor(kind, listener) {
    this.kind = kind;
    this.listener = listener;
    const caption = element("figcaption");
    const title = element("h3", "", kind.title);
    title.append(" ", element("small", "", kind.unit));
    caption.append(title, this.#when);
    const legend = element("ul", "legend");
    kind.series.forEach((series, index) => {
      const item = element("li");
      const swatch = svg("svg", { width: 22, height: 8, class: "swatch", "aria-hidden": "true" });
      swatch.append(
        svg("line", { x1: 0, x2: 22, y1: 4, y2: 4, class: `series series-${index} colour-${series.colour}` }),
      );
      const value = element("b");
      this.#values.push(value);
      item.append(swatch, series.name, " ", value);
      legend.append(item);
      this.#lines.append(svg("path", { class: `series series-${index} colour-${series.colour}` }));
      this.#dots.append(svg("circle", { r: 3.5, class: `dot colour-${series.colour}` }));
    });
    this.#svg.append(this.#grid, this.#lines, this.#cross, this.#dots);
    this.plot.append(this.#svg);
    this.plot.tabIndex = 0;
    this.plot.setAttribute("role", "slider");
    this.plot.setAttribute("aria-valuemin", "0");
    this.#listen();
    this.root.append(caption, legend, this.plot);
    new ResizeObserver(([entry]) => {
      const width = Math.round(entry.contentRect.width);
      if (width === this.#width) return;
      this.#width = width;
      if (this.#stretch) this.draw(this.#stretch);
    }).observe(this.plot);
  }

  /** @param {Stretch} stretch */
  draw(stretch) {
    this.#stretch = stretch;
    if (this.#width < 80) return;
    const size = { width: this.#width, height: HEIGHT };
    for (const [name, value] of Object.entries(size)) this.#svg.setAttribute(name, String(value));
    this.#svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
    const axis = this.#axis(stretch);
    const room = HEIGHT - EDGE.top - EDGE.bottom;
    this.#y = (value) => EDGE.top + room * (1 - axis.place(value));
    this.#drawGrid(axis.ticks, stretch);
    this.kind.series.forEach((series, index) => {
      this.#lines.children[index].setAttribute("d", this.#path(series, stretch));
    });
    this.#name(stretch);
    this.plot.setAttribute("aria-valuemax", String(Math.max(0, stretch.points.length - 1)));
    this.#read();
  }

  /**
   * Puts the crosshair at what is nearest to a time.
   * @param {number | null} at
   */
  cross(at) {
    const points = this.#stretch?.points ?? [];
    this.#index = at === null ? -1 : nearest(points, at);
    this.#read();
  }

  /** @param {Stretch} stretch */
  #axis(stretch) {
    let [least, most] = [Infinity, 0];
    for (const { sample } of stretch.points) {
      for (const series of this.kind.series) {
        const value = series.value(sample);
        if (value === null) continue;
        least = Math.min(least, value);
        most = Math.max(most, value);
      }
    }
    if (this.kind.axis === "time") return times(Number.isFinite(least) ? least : 0.01, most || 1);
    return linear(most || 1);
  }

  /** @param {number} at */
  #x(at) {
    const { from, to } = /** @type {Stretch} */ (this.#stretch);
    return EDGE.left + ((at - from) / (to - from)) * (this.#width - EDGE.left - EDGE.right);
  }

  /**
   * @param {number[]} ticks
   * @param {Stretch} stretch
   */
  #drawGrid(ticks, stretch) {
    const [left, right, bottom] = [EDGE.left, this.#width - EDGE.right, HEIGHT - EDGE.bottom];
    const parts = [];
    for (const tick of ticks) {
      const y = Math.round(this.#y(tick)) + 0.5;
      if (y < bottom) parts.push(svg("line", { x1: left, x2: right, y1: y, y2: y }));
      const label = svg("text", { x: left - 8, y: y + 3.5, "text-anchor": "end" });
      label.textContent = this.kind.axis === "time" ? roundTime(tick) : this.kind.format(tick);
      parts.push(label);
    }
    for (const tick of timeTicks(stretch.from, stretch.to, Math.max(2, Math.floor((right - left) / 90)))) {
      const x = Math.round(this.#x(tick)) + 0.5;
      if (x < left + 16 || x > right - 14) continue;
      parts.push(svg("line", { x1: x, x2: x, y1: bottom, y2: bottom + 4, class: "base" }));
      const label = svg("text", { x, y: HEIGHT - 5, "text-anchor": "middle" });
      label.textContent = hoursAndMinutes(tick);
      parts.push(label);
    }
    parts.push(svg("line", { x1: left, x2: right, y1: bottom + 0.5, y2: bottom + 0.5, class: "base" }));
    this.#grid.replaceChildren(...parts);
    this.#cross.setAttribute("y1", String(EDGE.top));
    this.#cross.setAttribute("y2", String(bottom));
  }

  /**
   * A line that is interrupted where there is nothing to show; what stands alone is a dot.
   * @param {Series} series
   * @param {Stretch} stretch
   */
  #path(series, stretch) {
    let path = "";
    let before = -Infinity;
    let alone = "";
    for (const { at, sample } of stretch.points) {
      const value = series.value(sample);
      if (value === null) {
        before = -Infinity;
        continue;
      }
      const place = `${this.#x(at).toFixed(1)},${this.#y(value).toFixed(1)}`;
      if (at - before > stretch.gap) {
        path += `${alone && "h.01"}M${place}`;
        alone = place;
      } else {
        path += `L${place}`;
        alone = "";
      }
      before = at;
    }
    return path + (alone && "h.01");
  }

  /**
   * The chart in a sentence.
   * @param {Stretch} stretch
   */
  #name(stretch) {
    const last = stretch.points[stretch.points.length - 1];
    const said = this.kind.series.map((series) => {
      const values = stretch.points.map((point) => series.value(point.sample)).filter((value) => value !== null);
      if (values.length === 0) return `${series.name}: nothing`;
      const now = series.value(last.sample);
      const most = this.kind.format(values.reduce((a, b) => Math.max(a, b)));
      return `${series.name}: ${now === null ? "nothing" : this.kind.format(now)} now, at most ${most}`;
    });
    this.plot.setAttribute("aria-label", `${this.kind.title}, ${this.kind.unit}, ${stretch.words}. ${said.join("; ")}`);
  }

  /** Says what stands under the crosshair, or else what is newest. */
  #read() {
    const stretch = this.#stretch;
    if (!stretch || this.#width < 80) return;
    const isCrossed = this.#index >= 0 && this.#index < stretch.points.length;
    const point = stretch.points[isCrossed ? this.#index : stretch.points.length - 1];
    this.#cross.toggleAttribute("hidden", !isCrossed);
    this.#dots.toggleAttribute("hidden", !isCrossed);
    this.root.classList.toggle("crossed", isCrossed);
    this.#when.textContent = isCrossed ? timeOfDay(point.at) : "";
    const said = this.kind.series.map((series, index) => {
      const value = point ? series.value(point.sample) : null;
      const text = value === null ? "–" : this.kind.format(value);
      this.#values[index].textContent = text;
      const dot = this.#dots.children[index];
      dot.toggleAttribute("hidden", value === null);
      if (isCrossed && value !== null) {
        dot.setAttribute("cx", String(this.#x(point.at)));
        dot.setAttribute("cy", String(this.#y(value)));
      }
      return `${series.name} ${value === null ? "nothing" : text}`;
    });
    if (isCrossed) {
      const x = String(Math.round(this.#x(point.at)) + 0.5);
      this.#cross.setAttribute("x1", x);
      this.#cross.setAttribute("x2", x);
    }
    const index = isCrossed ? this.#index : Math.max(0, stretch.points.length - 1);
    this.plot.setAttribute("aria-valuenow", String(index));
    this.plot.setAttribute("aria-valuetext", point ? `${timeOfDay(point.at)}: ${said.join(", ")}` : "no figures yet");
  }

  #listen() {
    steer(this.plot, {
      onPart: (x) => {
        if (!this.#stretch) return;
        const { from, to } = this.#stretch;
        const part = (x - EDGE.left) / (this.#width - EDGE.left - EDGE.right);
        this.listener.onCross(from + part * (to - from));
      },
      onIndex: (index) => this.listener.onCross(this.#stretch?.points[index].at ?? null),
      onAway: () => this.listener.onCross(null),
      place: () => [this.#index, (this.#stretch?.points.length ?? 0) - 1],
    });
  }
}

/**
 * @param {Point[]} points in the order of their times
 * @param {number} at
 */
function nearest(points, at) {
  let [low, high] = [0, points.length - 1];
  if (high < 0) return -1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (points[middle].at < at) low = middle;
    else high = middle;
  }
  return at - points[low].at <= points[high].at - at ? low : high;
}
