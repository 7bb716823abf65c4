// The line to write on, and the task that it is for.

import { byId, setText } from "../dom.js";

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
  #hint = "";

  /** @param {(task: string, content: string) => void} submit */
  constructor(submit) {
    this.submit = submit;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#form.addEventListener("change", () => this.#suggest());
    this.#line.addEventListener("input", () => this.#say(this.#hint));
    for (const idea of document.querySelectorAll("button.idea")) {
      const { task = "default", content = "" } = /** @type {HTMLElement} */ (idea).dataset;
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
   * Puts words where they can be sent.
   * @param {string} task
   * @param {string} words
   */
  write(task, words) {
    const radio = this.#form.querySelector(`input[name="task_type"][value="${CSS.escape(task)}"]`);
    if (radio instanceof HTMLInputElement) radio.checked = true;
    this.#suggest();
    this.#line.value = words;
    this.focus();
  }

  focus() {
    this.#line.focus();
  }

  #submit() {
    if (this.#line.value.trim() === "") {
      this.#say("Write a few words first.");
    } else {
      this.submit(this.#task(), this.#line.value);
      this.#line.value = "";
      this.#say(this.#hint);
    }
    this.focus();
  }

  /** @param {string} words */
  #say(words) {
    setText(this.#status, words);
    this.#status.dataset.tone = words === "" ? "" : "warn";
  }

  #task() {
    return String(new FormData(this.#form).get("task_type") ?? "default");
  }

  #suggest() {
    this.#line.placeholder = PLACEHOLDERS[/** @type {keyof typeof PLACEHOLDERS} */ (this.#task())] ?? "";
  }
}
