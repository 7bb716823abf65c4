// Where one is in what one writes: it stays there when another element takes the place of the one that has the focus.

/** @typedef {import("./control.js").Control} Control */

export class Caret {
  /** @type {[number, number, "forward" | "backward" | "none"] | null} */
  #place = null;
  #text = "";

  /** @param {Control} control */
  constructor(control) {
    this.#text = control.value;
    if (control instanceof HTMLSelectElement || control.selectionStart === null) return;
    this.#place = [control.selectionStart, control.selectionEnd ?? 0, control.selectionDirection ?? "none"];
  }

  /** @param {Control} control */
  putInto(control) {
    control.focus();
    if (!this.#place || control instanceof HTMLSelectElement || control.value !== this.#text) return;
    // A number has none.
    if (control.selectionStart !== null) control.setSelectionRange(...this.#place);
  }
}
