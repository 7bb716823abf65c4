// Text that may be longer than its place: where it is, it can be scrolled by keyboard as well.

import { element } from "../dom.js";

const observer = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const place = /** @type {HTMLElement} */ (target);
    if (place.scrollHeight > place.clientHeight + 1) place.tabIndex = 0;
    else place.removeAttribute("tabindex");
  }
});

/**
 * @template {HTMLElement} E
 * @param {E} place
 */
export function reachable(place) {
  observer.observe(place);
  return place;
}

/**
 * @param {string} className
 * @param {string} [text]
 */
export function longText(className, text) {
  return reachable(element("p", className, text));
}
