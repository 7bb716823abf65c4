// From figures to places in a chart: axes with few and round ticks.

import { spanOf } from "./words.js";

/**
 * @typedef {object} Axis
 * @property {number[]} ticks
 * @property {(value: number) => number} place from 0, at the bottom, to 1, at the top
 */

const TIMES = [0.001, 0.01, 0.1, 1, 10, 60, 600, 3_600, 36_000, 360_000, 3_600_000];
/** Steps of a time axis, in seconds. */
const STEPS = [60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 14_400, 21_600];

/**
 * From nothing to the most there is.
 * @param {number} most
 * @returns {Axis}
 */
export function linear(most) {
  const rough = Math.max(most, 1e-9) / 3;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough) ?? rough;
  const steps = Math.max(1, Math.ceil(most / step - 1e-9));
  const top = step * steps;
  return {
    ticks: Array.from({ length: steps + 1 }, (_, index) => Number((index * step).toPrecision(12))),
    place: (value) => value / top,
  };
}

/**
 * For times, of which the shortest and the longest are far apart: each tick is about ten times the one below.
 * @param {number} least
 * @param {number} most
 * @returns {Axis}
 */
export function times(least, most) {
  const low = Math.max(0, TIMES.filter((time) => time <= least).length - 1);
  let high = TIMES.findIndex((time) => time >= most);
  if (high < 0) high = TIMES.length - 1;
  if (high <= low) high = low + 1;
  const ticks = TIMES.slice(low, high + 1);
  const [bottom, top] = [Math.log(ticks[0]), Math.log(ticks[ticks.length - 1])];
  return {
    ticks: ticks.length > 5 ? ticks.filter((_, index) => (ticks.length - 1 - index) % 2 === 0) : ticks,
    place: (value) => Math.min(1, Math.max(0, (Math.log(Math.max(value, 1e-9)) - bottom) / (top - bottom))),
  };
}

/**
 * Round times of the day between two moments, not more than there is room for.
 * @param {number} from
 * @param {number} to
 * @param {number} most
 */
export function timeTicks(from, to, most) {
  const step = (STEPS.find((each) => (to - from) / 1_000 / each <= most) ?? 43_200) * 1_000;
  const offset = new Date(to).getTimezoneOffset() * 60_000;
  const ticks = [];
  for (let tick = Math.ceil((from - offset) / step) * step + offset; tick <= to; tick += step) ticks.push(tick);
  return ticks;
}

/**
 * A time that is round in its unit, without the smaller unit.
 * @param {number} seconds
 */
export function roundTime(seconds) {
  return spanOf(seconds)
    .replace(/ 0 (s|min|h)$/, "")
    .replace(".0 s", " s");
}
