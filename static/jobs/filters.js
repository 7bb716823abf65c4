// The form that says which jobs are shown; what it says is in the address.

import { button, element } from "../dom.js";
import { Filter, LIMITS } from "./filter.js";
import { STATES } from "./words.js";

/** @typedef {import("./api.js").Overview} Overview */
/** @typedef {import("./filter.js").Field} Field */

/** How long after the last key the jobs are looked for. */
const TYPED = 350;

export class Filters {
  root = element("form", "filters");
  /** @type {HTMLInputElement[]} */
  #states = [];
  /** @type {Map<Field, HTMLInputElement>} */
  #fields = new Map();
  #tasks = element("datalist");
  #queues = element("datalist");
  #limit = element("select");
  #clear = button("small", "Clear", () => this.onChange(new Filter(new URLSearchParams()), undefined));
  /** Where there is little room, all but the search is folded away. */
  #more = button("small more", "More filters", () => this.#unfold(!this.root.classList.contains("unfolded")));
  #timer = 0;
  /** The field whose typing is in the address already: the next key changes that address, and makes no other. */
  #typing = "";
  /** The address that was told last. */
  #told = "";

  /** @param {(filter: Filter, how: "replace" | undefined) => void} onChange */
  constructor(onChange) {
    this.onChange = onChange;
    this.root.setAttribute("role", "search");
    this.root.setAttribute("aria-label", "Jobs");
    this.root.autocomplete = "off";
    this.#unfold(false);
    this.#tasks.id = "known-tasks";
    this.#queues.id = "known-queues";
    const row = element("div", "fields");
    row.append(
      this.#field("search", "Search in the content", "search"),
      this.#more,
      this.#field("task", "Task", "text", this.#tasks),
      this.#field("queue", "Queue", "text", this.#queues),
      this.#field("owner", "Owner", "text"),
      this.#field("since", "Submitted since", "datetime-local"),
      this.#field("until", "Submitted before", "datetime-local"),
      this.#makeLimit(),
      this.#clear,
    );
    this.root.append(this.#makeStates(), row, this.#tasks, this.#queues);
    this.root.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#tell();
    });
  }

  /**
   * What the address says.
   * @param {Filter} filter
   */
  show(filter) {
    for (const box of this.#states) box.checked = filter.states.includes(/** @type {"ready"} */ (box.value));
    for (const [field, input] of this.#fields) {
      const value = input.type === "datetime-local" ? toLocal(filter.fields[field]) : filter.fields[field];
      // The address has what was typed a moment ago; somebody may type on by now.
      const isTyped = this.#typing === field && filter.hash === this.#told;
      if (input.value.trim() !== value && !isTyped) input.value = value;
    }
    const { task, queue, owner, since, until } = filter.fields;
    if (task || queue || owner || since || until) this.#unfold(true);
    this.#limit.value = String(filter.limit);
    this.#clear.hidden = filter.isEmpty;
    if (filter.hash !== this.#told) this.#typing = "";
  }

  /** @param {Overview} overview */
  know(overview) {
    offer(this.#tasks, overview.tasks);
    offer(
      this.#queues,
      overview.queues.map((queue) => queue.name),
    );
  }

  close() {
    clearTimeout(this.#timer);
  }

  /** @param {boolean} isUnfolded */
  #unfold(isUnfolded) {
    this.root.classList.toggle("unfolded", isUnfolded);
    this.#more.setAttribute("aria-expanded", String(isUnfolded));
  }

  #makeStates() {
    const states = element("fieldset", "chips");
    states.append(element("legend", "visually-hidden", "State"));
    for (const state of STATES) {
      const label = element("label");
      const box = element("input");
      box.type = "checkbox";
      box.name = "state";
      box.value = state;
      box.addEventListener("change", () => this.#tell());
      const chip = element("span", "chip", state);
      chip.dataset.state = state;
      label.append(box, chip);
      this.#states.push(box);
      states.append(label);
    }
    return states;
  }

  /**
   * @param {Field} name
   * @param {string} label
   * @param {string} type
   * @param {HTMLDataListElement} [known]
   */
  #field(name, label, type, known) {
    const made = element("label", `field field-${name}`);
    const input = element("input");
    input.type = type;
    input.name = name;
    input.spellcheck = false;
    input.autocapitalize = "off";
    if (known) input.setAttribute("list", known.id);
    input.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = window.setTimeout(() => {
        this.#tell(this.#typing === name ? "replace" : undefined, name);
      }, TYPED);
    });
    input.addEventListener("blur", () => {
      if (this.#typing === name) this.#typing = "";
    });
    this.#fields.set(name, input);
    made.append(element("span", "", label), input);
    return made;
  }

  #makeLimit() {
    const label = element("label", "field field-limit");
    for (const limit of LIMITS) {
      const option = element("option", "", String(limit));
      option.value = String(limit);
      this.#limit.append(option);
    }
    this.#limit.name = "limit";
    this.#limit.addEventListener("change", () => this.#tell());
    label.append(element("span", "", "Per page"), this.#limit);
    return label;
  }

  /**
   * @param {"replace"} [how]
   * @param {Field | ""} [typing]
   */
  #tell(how, typing = "") {
    clearTimeout(this.#timer);
    this.#typing = typing;
    const query = new URLSearchParams({ limit: this.#limit.value });
    query.set(
      "state",
      this.#states
        .filter((box) => box.checked)
        .map((box) => box.value)
        .join(","),
    );
    for (const [field, input] of this.#fields) {
      query.set(field, input.type === "datetime-local" ? fromLocal(input.value) : input.value);
    }
    const filter = new Filter(query);
    this.#told = filter.hash;
    this.onChange(filter, how);
  }
}

/**
 * @param {HTMLDataListElement} list
 * @param {string[]} names
 */
function offer(list, names) {
  const there = [...list.children].map((option) => /** @type {HTMLOptionElement} */ (option).value);
  if (JSON.stringify(there) === JSON.stringify(names)) return;
  list.replaceChildren(
    ...names.map((name) => {
      const option = element("option");
      option.value = name;
      return option;
    }),
  );
}

/** @param {string} time RFC 3339, or empty */
function toLocal(time) {
  if (!time) return "";
  const date = new Date(time);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** @param {string} local what the field says, or empty */
function fromLocal(local) {
  return local ? new Date(local).toISOString() : "";
}
