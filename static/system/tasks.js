// Which task the line to write on is for: those that some worker can run, or, until that is known, the demonstration's;
// and always the one that is chosen.

import { element } from "../dom.js";

/** @typedef {import("../../clients/js/ringback.js").TaskInfo} TaskInfo */

const TITLES = new Map([
  ["translate", "Translate"],
  ["analyze", "Analyze"],
  ["generate", "Generate"],
  ["default", "Default"],
]);

const WAITS = "no worker can run it now, and its jobs wait for one.";
const UNKNOWN = "there is no such task now.";

export class TaskChoice {
  /** @type {Map<string, TaskInfo>} what is known of them, by their names */
  #known = new Map();
  /** @type {TaskInfo[]} those that are shown because somebody can run them, or because nobody can run any */
  #offered = [];
  /** Whether somebody has chosen, or has begun to write for the one that is chosen. */
  #isSettled = false;

  /**
   * @param {HTMLElement} place
   * @param {() => void} changed called when another one is chosen, or more is known of it
   */
  constructor(place, changed) {
    this.place = place;
    this.changed = changed;
    place.addEventListener("change", changed);
  }

  /** The name of the one that is chosen. */
  get name() {
    return this.#radios().find((radio) => radio.checked)?.value ?? "default";
  }

  /** What its jobs work on, as JSON Schema; a text, where that is not known. */
  get input() {
    return this.#running(this.name)?.input ?? { type: "string" };
  }

  /** Why a job of the one that is chosen would not be run now; empty where it would. */
  get hint() {
    const why = this.#whyNot(this.name);
    return why && `${title(this.name)}: ${why}`;
  }

  /** @param {string} name */
  has(name) {
    return this.#radios().some((radio) => radio.value === name);
  }

  /**
   * Chooses this one, which is shown from now on if it was not.
   * @param {string} name
   */
  choose(name) {
    this.#isSettled = true;
    if (!this.has(name)) this.#show(name);
    this.#check(name);
    this.changed();
  }

  /** From now on the one that is chosen stays so, until somebody chooses another one. */
  settle() {
    this.#isSettled = true;
  }

  /**
   * Shows these, of which those count that somebody can run now; all, where nobody can run any. The one that is chosen
   * stays.
   * @param {TaskInfo[]} tasks
   */
  offer(tasks) {
    const now = tasks.filter(({ workers }) => workers > 0);
    this.#offered = now.length > 0 ? now : tasks;
    if (this.#offered.length === 0) return;
    const chosen = this.name;
    const before = this.#known.get(chosen);
    this.#known = new Map(tasks.map((task) => [task.name, task]));
    // What is written for it is still of use when it comes back.
    if (before && !this.#known.has(chosen)) this.#known.set(chosen, { ...before, workers: 0 });
    const isKept = this.#isSettled || this.#offered.some(({ name }) => name === chosen);
    this.#show(isKept ? chosen : "");
    if (!isKept) this.#check(this.#radios()[0].value);
    this.#isSettled = true;
    this.changed();
  }

  /**
   * Shows those that are offered, and this one.
   * @param {string} besides
   */
  #show(besides) {
    const offered = this.#offered.length > 0 ? this.#offered.map(({ name }) => name) : this.#radios().map(({ value }) => value);
    const names = ordered([...new Set(besides ? [...offered, besides] : offered)]);
    for (const radio of this.#radios()) if (!names.includes(radio.value)) radio.closest("label")?.remove();
    const labels = new Map(this.#radios().map((radio) => [radio.value, radio.closest("label")]));
    // Those that stay are not touched, so that none loses the focus.
    let last = this.place.querySelector("legend") ?? this.place.firstElementChild;
    for (const name of names) {
      const shown = labels.get(name) ?? label(name);
      if (last?.nextElementSibling !== shown) last?.after(shown);
      last = shown;
    }
    for (const radio of this.#radios()) {
      radio.title = this.#whyNot(radio.value);
      radio.toggleAttribute("data-waits", radio.title !== "");
    }
  }

  /** @param {string} name */
  #check(name) {
    for (const radio of this.#radios()) radio.checked = radio.value === name;
  }

  /**
   * What runs the jobs that are asked for by this name.
   * @param {string} name
   */
  #running(name) {
    return this.#known.get(name) ?? this.#known.get("default");
  }

  /**
   * Why its jobs would not be run, while those of others are.
   * @param {string} name
   */
  #whyNot(name) {
    const running = this.#running(name);
    if (this.#offered.length === 0 || this.#offered.some((task) => task.name === running?.name)) return "";
    return running ? WAITS : UNKNOWN;
  }

  #radios() {
    return [...this.place.querySelectorAll("input")];
  }
}

/** @param {string} name */
function title(name) {
  return TITLES.get(name) ?? name;
}

/** @param {string} name */
function label(name) {
  const made = element("label");
  const radio = element("input");
  radio.type = "radio";
  radio.name = "task_type";
  radio.value = name;
  made.append(radio, element("span", "", title(name)));
  return made;
}

/**
 * Those of the demonstration first and in their order, the others by their names.
 * @param {string[]} names
 */
function ordered(names) {
  const titled = [...TITLES.keys()];
  const place = (/** @type {string} */ name) => (TITLES.has(name) ? titled.indexOf(name) : titled.length);
  return names.sort((a, b) => place(a) - place(b) || a.localeCompare(b));
}
