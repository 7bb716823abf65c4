// A question before something is done: what it is stands in its title, and the focus is on the choice that does nothing.

import { button, element } from "../dom.js";

export class Dialog {
  root = element("dialog", "confirm");
  title = element("h2");
  body = element("div", "confirm-body");
  trouble = element("p", "trouble");
  safe;
  act;

  /**
   * @param {object} options
   * @param {string} options.safe what the button says that does nothing
   * @param {boolean} options.isDanger whether what is done cannot be undone
   * @param {() => void} options.onAct
   * @param {() => void} [options.onSafe] instead of closing
   * @param {() => void} [options.onClose]
   */
  constructor(options) {
    this.title.id = "confirm-title";
    this.body.id = "confirm-body";
    this.root.setAttribute("aria-labelledby", this.title.id);
    this.root.setAttribute("aria-describedby", this.body.id);
    this.trouble.setAttribute("role", "alert");
    this.safe = button("button", options.safe, () => (options.onSafe ? options.onSafe() : this.root.close()));
    this.safe.autofocus = true;
    this.act = button(options.isDanger ? "button danger" : "button main", "", () => {
      if (this.act.getAttribute("aria-disabled") !== "true") options.onAct();
    });
    const row = element("div", "buttons");
    row.append(this.safe, this.act);
    this.root.append(this.title, this.body, this.trouble, row);
    this.root.addEventListener("cancel", (event) => {
      if (!options.onSafe) return;
      event.preventDefault();
      options.onSafe();
    });
    this.root.addEventListener("close", () => {
      this.root.remove();
      options.onClose?.();
    });
    document.body.append(this.root);
  }

  open() {
    this.root.showModal();
    this.safe.focus();
  }
}

/**
 * Asks one question, and does one thing if the answer is yes; what goes wrong is said in the dialog.
 * @param {object} question
 * @param {string} question.title
 * @param {string} question.body
 * @param {string} question.safe
 * @param {string} question.act
 * @param {() => Promise<string>} question.onAct gives what went wrong, or nothing
 */
export function confirm(question) {
  const dialog = new Dialog({
    safe: question.safe,
    isDanger: true,
    onAct: async () => {
      dialog.act.setAttribute("aria-disabled", "true");
      const trouble = await question.onAct();
      dialog.act.setAttribute("aria-disabled", "false");
      if (trouble) dialog.trouble.textContent = trouble;
      else dialog.root.close();
    },
  });
  dialog.title.textContent = question.title;
  dialog.body.textContent = question.body;
  dialog.act.textContent = question.act;
  dialog.open();
}
