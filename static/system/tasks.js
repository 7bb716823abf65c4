// Which task the line to write on is for: those that some worker can run, or, until that is known, the demonstration's.

import { element } from "../dom.js";

/** @typedef {import("../../clients/js/ringback.js").TaskInfo} TaskInfo */

const TITLES = new Map([
  ["translate", "Translate"],
  ["analyze", "Analyze"],
  ["generate", "Generate"],
  ["default", "Default"],
]);

export class TaskChoice {
  /** @type {Map<string, TaskInfo>} what is known of them, by their names */
  #known = new Map();

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
    return this.#known.get(this.name)?.input ?? { type: "string" };
  }

  /** @param {string} name */
  has(name) {
    return this.#radios().some((radio) => radio.value === name);
  }

  /** @param {string} name */
  choose(name) {
    const radio = this.#radios().find(({ value }) => value === name);
    if (radio) radio.checked = true;
    this.changed();
  }

  /**
   * Shows these, of which those count that somebody can run now; all, where nobody can run any.
   * @param {TaskInfo[]} tasks
   */
  offer(tasks) {
    const now = tasks.filter(({ workers }) => workers > 0);
    const offered = ordered(now.length > 0 ? now : tasks);
    if (offered.length === 0) return;
    this.#known = new Map(offered.map((task) => [task.name, task]));
    const names = offered.map(({ name }) => name);
    if (names.join("\n") !== this.#radios().map(({ value }) => value).join("\n")) {
      const chosen = this.name;
      for (const radio of this.#radios()) radio.closest("label")?.remove();
      this.place.append(...names.map(label));
      this.choose(this.has(chosen) ? chosen : names[0]);
    }
    this.changed();
  }

  #radios() {
    return [...this.place.querySelectorAll("input")];
  }
}

/** @param {string} name */
function label(name) {
  const made = element("label");
  const radio = element("input");
  radio.type = "radio";
  radio.name = "task_type";
  radio.value = name;
  made.append(radio, element("span", "", TITLES.get(name) ?? name));
  return made;
}

/**
 * Those of the demonstration first and in their order, the others by their names.
 * @param {TaskInfo[]} tasks
 */
function ordered(tasks) {
  const titled = [...TITLES.keys()];
  const place = (/** @type {TaskInfo} */ { name }) => (TITLES.has(name) ? titled.indexOf(name) : titled.length);
  return [...tasks].sort((a, b) => place(a) - place(b) || a.name.localeCompare(b.name));
}
