// The frames as they cross the wire, newest last.

import { byId, element } from "../dom.js";
import { reachable } from "./longtext.js";

const FRAMES_KEPT = 500;
const NEAR_THE_END = 48;

export class FrameLog {
  #list = byId("log", HTMLOListElement);
  #panel = byId("log-panel", HTMLElement);
  #toggle = byId("log-toggle", HTMLButtonElement);
  #count = byId("log-count", HTMLElement);

  constructor() {
    this.#toggle.addEventListener("click", () => this.#show(this.#panel.hidden));
    byId("log-close", HTMLButtonElement).addEventListener("click", () => this.#show(false));
    byId("log-clear", HTMLButtonElement).addEventListener("click", () => {
      this.#list.replaceChildren();
      this.#recount();
    });
    this.#panel.addEventListener("keydown", (event) => event.key === "Escape" && this.#show(false));
    this.#recount();
  }

  /**
   * @param {"in" | "out" | "note"} way
   * @param {string} text
   */
  add(way, text) {
    const isAtEnd = !this.#panel.hidden && this.#isAtEnd();
    const now = new Date();
    const item = element("li", "frame");
    item.dataset.way = way;
    const label = { in: "← in", out: "→ out", note: "· note" }[way];
    const milliseconds = String(now.getMilliseconds()).padStart(3, "0");
    const time = element("time", "", `${now.toTimeString().slice(0, 8)}.${milliseconds}`);
    time.dateTime = now.toISOString();
    item.append(element("span", "way", label), time, reachable(element("code", "", text)));
    this.#list.append(item);
    while (this.#list.childElementCount > FRAMES_KEPT) this.#list.firstElementChild?.remove();
    this.#recount();
    if (isAtEnd) this.#list.scrollTop = this.#list.scrollHeight;
  }

  #isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#list;
    return scrollHeight - scrollTop - clientHeight < NEAR_THE_END;
  }

  /** @param {boolean} isOpen */
  #show(isOpen) {
    this.#panel.hidden = !isOpen;
    this.#toggle.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) this.#list.scrollTop = this.#list.scrollHeight;
    else this.#toggle.focus();
  }

  #recount() {
    const count = this.#list.childElementCount;
    this.#count.textContent = count === 0 ? "none yet" : count < FRAMES_KEPT ? `${count}` : `the last ${FRAMES_KEPT}`;
  }
}
