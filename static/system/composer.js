// The line to write on, or the form to fill in, and the task that it is for.

import { byId, setText } from "../dom.js";
import { Earlier } from "./earlier.js";
import { Fields } from "./fields.js";
import { isText } from "./shape.js";
import { TaskChoice } from "./tasks.js";

const PLACEHOLDERS = new Map([
  ["translate", "A word or a phrase"],
  ["analyze", "Any sentence, to count its parts"],
  ["generate", "Weather, food, help…"],
  ["default", "Anything at all"],
]);

export class Composer {
  #form = byId("composer", HTMLFormElement);
  #line = byId("content", HTMLTextAreaElement);
  #status = byId("status", HTMLElement);
  #fields = new Fields(byId("fields", HTMLElement));
  #tasks = new TaskChoice(this.#form.querySelector(".tasks") ?? this.#form, () => this.#suggest());
  #keys = byId("keys", HTMLElement);
  #earlier = new Earlier((writing) => this.#bringBack(writing));
  #hint = "";
  /** What was put on the line, and how that is shown: with other ends of lines, it may be. */
  #given = { text: "", shown: "" };
  /** The task that works on texts for which something else is to be written, as JSON. */
  #asJson = "";
  /** What is wrong with what is written. */
  #wrong = "";

  /** @param {(task: string, work: unknown) => void} submit */
  constructor(submit) {
    this.submit = submit;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#form.addEventListener("input", () => {
      this.#tasks.settle();
      this.#refuse("");
    });
    this.#form.addEventListener("keydown", (event) => this.#press(event));
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
    this.#say();
  }

  /** Why what is submitted has to wait. */
  get #why() {
    return this.#hint || this.#tasks.hint;
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
   * Puts something where it can be sent. What was being written there can be brought back.
   * @param {string} task
   * @param {unknown} work
   * @param {import("../../clients/js/ringback.js").ErrorItem[]} [errors] what was wrong with it
   */
  write(task, work, errors = []) {
    this.#turnTo(task, typeof work !== "string");
    if (this.#isText) {
      this.#line.value = String(work);
      this.#given = { text: String(work), shown: this.#line.value };
    } else {
      this.#fields.write(work);
      this.#fields.mark(errors);
    }
    this.focus();
  }

  /** @param {import("./earlier.js").Writing} writing */
  #bringBack({ task, line, draft, isJson }) {
    this.#turnTo(task, isJson);
    if (line !== null) [this.#line.value, this.#given] = [line, { text: "", shown: "" }];
    else if (draft && !this.#isText) this.#fields.bringBack(draft);
    this.focus();
  }

  /**
   * Chooses this task, and keeps what somebody was writing for it.
   * @param {string} task
   * @param {boolean} isJson whether something else than a text is to be written for it
   */
  #turnTo(task, isJson) {
    const asJson = isJson ? task : "";
    // The form for JSON goes from a task that works on texts.
    if (this.#asJson === this.#tasks.name && this.#asJson !== asJson) this.#keep();
    this.#asJson = asJson;
    this.#wrong = "";
    this.#tasks.choose(task);
    this.#keep();
  }

  /** Keeps what somebody is writing, if anything. */
  #keep() {
    const { name: task } = this.#tasks;
    const isJson = this.#asJson === task;
    if (!this.#isText) {
      const draft = this.#fields.typed;
      if (draft) this.#earlier.keep({ task, line: null, draft, isJson });
    } else if (this.#line.value !== this.#given.shown && this.#line.value.trim() !== "") {
      this.#earlier.keep({ task, line: this.#line.value, draft: null, isJson });
    }
  }

  focus() {
    if (this.#isText) this.#line.focus();
    else if (this.#fields.isEmpty) byId("send", HTMLButtonElement).focus();
    else this.#fields.focus();
  }

  /** Whether a line of text will do. */
  get #isText() {
    return isText(this.#tasks.input) && this.#asJson !== this.#tasks.name;
  }

  /**
   * Enter submits a line, and, where it makes a new line, does so together with Ctrl or Cmd.
   * @param {KeyboardEvent} event
   */
  #press(event) {
    if (event.key !== "Enter" || event.isComposing) return;
    const isLine = event.target === this.#line && !event.shiftKey && !event.altKey;
    if (!isLine && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.#form.requestSubmit();
  }

  #submit() {
    try {
      const work = this.#work();
      this.submit(this.#tasks.name, work);
      this.#wrong = "";
      if (this.#isText) [this.#line.value, this.#given] = ["", { text: "", shown: "" }];
      else this.#fields.write(undefined);
      if (this.#asJson === this.#tasks.name) this.#asJson = "";
      this.#suggest();
    } catch (error) {
      this.#refuse(error instanceof Error ? error.message : String(error));
    }
    this.focus();
  }

  /** What is written. */
  #work() {
    const { text, shown } = this.#given;
    const written = this.#line.value === shown ? text : this.#line.value;
    const work = this.#isText ? written : this.#fields.read();
    if (this.#isText && this.#line.value.trim() === "") throw new Error("Write a few words first.");
    return work;
  }

  /**
   * Says what is wrong with what is written, until that changes: not only until the tasks are heard of again.
   * @param {string} words empty where nothing is
   */
  #refuse(words) {
    this.#wrong = words;
    this.#say();
  }

  #say() {
    const words = this.#wrong || this.#why;
    setText(this.#status, words);
    this.#status.dataset.tone = words === "" ? "" : "warn";
  }

  /** Shows what the task is asked with. */
  #suggest() {
    const fields = this.#fields.place;
    [this.#line.hidden, fields.hidden] = [!this.#isText, this.#isText];
    if (!this.#isText) this.#fields.show(this.#tasks.name, this.#tasks.input);
    this.#line.placeholder = PLACEHOLDERS.get(this.#tasks.name) ?? "Text for the task";
    setText(this.#keys, this.#isText ? "Shift+Enter makes a new line" : "Ctrl+Enter submits");
    this.#keys.hidden = !this.#isText && !this.#fields.hasLines;
    this.#say();
  }
}

/** @returns {HTMLElement[]} */
function ideas() {
  return [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("button.idea"))];
}
