// A part of the page for each of several things, kept as long as its thing is there: so that what has the focus, is open
// or is being read stays under the reader's hands while figures come.

/**
 * @template T
 * @typedef {{root: HTMLElement, update: (thing: T) => void}} Part
 */

/** @template T */
export class Keyed {
  /** @type {Map<string, Part<T>>} */
  #parts = new Map();

  /**
   * @param {HTMLElement} place
   * @param {(thing: T) => string} key
   * @param {(thing: T) => Part<T>} make
   */
  constructor(place, key, make) {
    this.place = place;
    this.key = key;
    this.make = make;
  }

  /** @param {T[]} things in their order */
  show(things) {
    const wanted = new Set(things.map(this.key));
    for (const [key, part] of this.#parts) {
      if (wanted.has(key)) continue;
      part.root.remove();
      this.#parts.delete(key);
    }
    let next = this.place.firstElementChild;
    for (const thing of things) {
      const key = this.key(thing);
      let part = this.#parts.get(key);
      if (!part) {
        part = this.make(thing);
        this.#parts.set(key, part);
      }
      part.update(thing);
      if (part.root === next) next = next.nextElementSibling;
      else this.place.insertBefore(part.root, next);
    }
  }
}

/**
 * Writes a text where it is not there already.
 * @param {Element} place
 * @param {string} text
 */
export function write(place, text) {
  if (place.textContent !== text) place.textContent = text;
}
