// Words and figures for what the console shows: counts, times, differences of time, the content of a job in one line.

import { element, span } from "../dom.js";

/** @typedef {import("./api.js").JobState} JobState */

/** Every state, from the beginning of a job's life to its end. @type {JobState[]} */
export const STATES = ["scheduled", "held", "ready", "running", "waiting", "succeeded", "failed", "cancelled"];
/** Those of jobs that are not over. @type {JobState[]} */
export const LIVE = ["scheduled", "held", "ready", "running", "waiting"];
/** Those from which a job can be tried once more. @type {JobState[]} */
export const RETRIABLE = ["failed", "cancelled", "scheduled"];

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });
const day = new Intl.DateTimeFormat([], { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat([], { dateStyle: "full", timeStyle: "long" });
const hours = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const minutes = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** @param {number} number */
export function count(number) {
  return whole.format(number);
}

/**
 * A number that need not be exact: 0.25, 3.1, 42, 1,300.
 * @param {number} number
 */
export function about(number) {
  return number >= 100 ? whole.format(number) : short.format(number);
}

/**
 * `1 job`, `1,234 jobs`.
 * @param {number} number
 * @param {string} noun
 */
export function many(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/**
 * The seconds from one time to another, which are none where there is no time.
 * @param {string | null} from
 * @param {string | number | null} to
 */
export function between(from, to) {
  if (from === null || to === null) return null;
  return Math.max(0, ((typeof to === "number" ? to : Date.parse(to)) - Date.parse(from)) / 1_000);
}

/**
 * A span, or a dash where there is none.
 * @param {number | null} seconds
 */
export function spanOf(seconds) {
  if (seconds === null) return "–";
  return seconds === 0 ? "0 s" : span(seconds);
}

/**
 * How long something lasts by now, in whole seconds.
 * @param {number} seconds
 */
export function ageOf(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  return whole < 60 ? `${whole} s` : span(whole);
}

/** @param {number} when */
export function hoursAndMinutes(when) {
  return minutes.format(when);
}

/** @param {number} when */
export function timeOfDay(when) {
  const date = new Date(when);
  const time = hours.format(date);
  return date.toDateString() === new Date().toDateString() ? time : `${day.format(date)}, ${time}`;
}

/**
 * A time of the day, with its date where that is not today, and all of it where one asks for it.
 * @param {string | null} when
 */
export function moment(when) {
  if (when === null) return document.createTextNode("–");
  const date = new Date(when);
  const time = element("time", "", timeOfDay(date.getTime()));
  time.dateTime = when;
  time.title = full.format(date);
  return time;
}

/**
 * Some text as it is, anything else as JSON, in one line of at most so many characters.
 * @param {unknown} value
 * @param {number} most
 */
export function oneLine(value, most) {
  const text = typeof value === "string" ? value : JSON.stringify(value ?? null);
  const line = text
    .slice(0, most * 2)
    .replace(/\s+/g, " ")
    .trim();
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}

/**
 * `a`, `a and b`, `a, b and c`.
 * @param {string[]} words
 */
export function listed(words) {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words[words.length - 1]}`;
}

/**
 * A mark with the name of a state.
 * @param {JobState} state
 * @param {boolean} [isCancelling]
 */
export function stateMark(state, isCancelling = false) {
  const mark = element("span", "state", isCancelling ? "cancelling" : state);
  mark.dataset.state = state;
  return mark;
}
