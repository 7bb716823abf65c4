// The conversation's view: it stays at the end while the reader is there, and says what has come while they are not.

import { byId, setText } from "../dom.js";

const NEAR_THE_END = 48;

export class Scroller {
  #view = byId("scroller", HTMLElement);
  #newer = byId("newer", HTMLButtonElement);
  /** Whether the reader is at the end, and wants to stay there. */
  #isFollowing = true;
  #isPlanned = false;
  #unseen = 0;

  /** @param {HTMLElement} content what grows */
  constructor(content) {
    this.#view.addEventListener("scroll", () => {
      if (this.#isPlanned) return;
      const { scrollHeight, scrollTop, clientHeight } = this.#view;
      this.#isFollowing = scrollHeight - scrollTop - clientHeight < NEAR_THE_END;
      if (this.#isFollowing) this.#allSeen();
    });
    const observer = new ResizeObserver(() => this.#isFollowing && this.toEnd());
    observer.observe(this.#view);
    observer.observe(content);
    this.#newer.addEventListener("click", () => {
      this.toEnd();
      this.#view.focus({ preventScroll: true });
    });
  }

  /** Something new stands at the end. */
  added() {
    if (this.#isFollowing) return this.toEnd();
    this.#unseen += 1;
    setText(this.#newer, this.#unseen === 1 ? "1 new message" : `${this.#unseen} new messages`);
    this.#newer.hidden = false;
  }

  toEnd() {
    this.#isFollowing = true;
    this.#allSeen();
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    requestAnimationFrame(() => {
      this.#isPlanned = false;
      this.#view.scrollTop = this.#view.scrollHeight;
    });
  }

  #allSeen() {
    this.#unseen = 0;
    if (this.#newer === document.activeElement) this.#view.focus({ preventScroll: true });
    this.#newer.hidden = true;
  }
}
