// What happens to the jobs, briefly, for those who listen to the page: one region, so that no card is read out whole.

import { byId } from "../dom.js";

/** Words that come together are read together, and of many only the last. */
const TOGETHER = 250;
const AT_MOST = 4;
const LONGEST = 200;

export class Announcer {
  #place = byId("announcer", HTMLElement);
  /** @type {string[]} */
  #words = [];
  #timer = 0;

  /** @param {string} words */
  say(words) {
    this.#words.push(words.length > LONGEST ? `${words.slice(0, LONGEST)}…` : words);
    if (this.#timer) return;
    this.#timer = window.setTimeout(() => {
      this.#timer = 0;
      this.#place.textContent = this.#words.splice(0).slice(-AT_MOST).join(". ");
    }, TOGETHER);
  }
}
