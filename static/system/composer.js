// The line to write on, or the form to fill in, and the task that it is for.

import { byId, setText } from "../dom.js";
import { Fields } from "./fields.js";
import { TaskChoice } from "./tasks.js";

/** @type {Record<string, string>} */
const PLACEHOLDERS = {
  translate: "A word or a phrase",
  analyze: "Any sentence, to count its parts",
  generate: "Weather, food, help…",
  default: "Anything at all",
};

export class Composer {
  #form = byId("composer", HTMLFormElement);
  #line = byId("content", HTMLInputElement);
  #status = byId("status", HTMLElement);
  #fields = new Fields(byId("fields", HTMLElement));
  #tasks = new TaskChoice(this.#form.querySelector(".tasks") ?? this.#form, () => this.#suggest());
  #hint = "";

  /** @param {(task: string, work: unknown) => void} submit */
  constructor(submit) {
    this.submit = submit;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#form.addEventListener("input", () => this.#say(this.#hint));
    for (const idea of ideas()) {
      const { task = "default", content = "" } = idea.dataset;
      idea.addEventListener("click", () => this.write(task, content));
    }
    this.#suggest();
  }

  /**
   * Says why what is submitted has to wait, until that changes.
   * @param {string} hint
   */
  setHint(hint) {
    if (this.#hint === hint) return;
    this.#hint = hint;
    this.#say(hint);
  }

  /**
   * Shows what can be asked for.
   * @param {import("./tasks.js").TaskInfo[]} tasks
   */
  offer(tasks) {
    this.#tasks.offer(tasks);
    for (const idea of ideas()) idea.hidden = !this.#tasks.has(idea.dataset.task ?? "");
    byId("ideas", HTMLElement).hidden = ideas().every(({ hidden }) => hidden);
  }

  /**
   * Puts something where it can be sent.
   * @param {string} task
   * @param {unknown} work
   */
  write(task, work) {
    this.#tasks.choose(task);
    if (this.#isText) this.#line.value = typeof work === "string" ? work : JSON.stringify(work);
    else this.#fields.write(work);
    this.focus();
  }

  focus() {
    if (this.#isText) this.#line.focus();
    else this.#fields.focus();
  }

  /** Whether a line of text will do: for a task that works on texts, or on anything. */
  get #isText() {
    const { title, description, ...says } = this.#tasks.input;
    return says.type === "string" ? !says.enum : Object.keys(says).length === 0;
  }

  #submit() {
    try {
      const work = this.#work();
      this.submit(this.#tasks.name, work);
      this.#line.value = "";
      this.#fields.write(undefined);
      this.#say(this.#hint);
    } catch (error) {
      this.#say(error instanceof Error ? error.message : String(error));
    }
    this.focus();
  }

  /** What is written. */
  #work() {
    const work = this.#isText ? this.#line.value : this.#fields.read();
    if (this.#isText && this.#line.value.trim() === "") throw new Error("Write a few words first.");
    if (work === undefined || work === null) throw new Error("Fill in what the task works on first.");
    return work;
  }

  /** @param {string} words */
  #say(words) {
    setText(this.#status, words);
    this.#status.dataset.tone = words === "" ? "" : "warn";
  }

  /** Shows what the task is asked with. */
  #suggest() {
    const fields = this.#fields.place;
    [this.#line.hidden, fields.hidden] = [!this.#isText, this.#isText];
    if (!this.#isText) this.#fields.show(this.#tasks.input);
    this.#line.placeholder = PLACEHOLDERS[this.#tasks.name] ?? "Text for the task";
  }
}

/** @returns {HTMLElement[]} */
function ideas() {
  return [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("button.idea"))];
}
