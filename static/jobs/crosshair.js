// Moving the crosshair of a chart, by pointer and by keys.

/**
 * @param {HTMLElement} plot
 * @param {object} listener
 * @param {(x: number) => void} listener.onPart the pointer is so many pixels from the left
 * @param {(index: number) => void} listener.onIndex a key leads to this point
 * @param {() => void} listener.onAway it is wanted no more
 * @param {() => [number, number]} listener.place at which point it is, or -1, and which is the last
 */
export function steer(plot, listener) {
  let frame = 0;
  plot.addEventListener("pointermove", (event) => {
    cancelAnimationFrame(frame);
    const x = event.offsetX;
    frame = requestAnimationFrame(() => listener.onPart(x));
  });
  plot.addEventListener("pointerleave", () => {
    cancelAnimationFrame(frame);
    listener.onAway();
  });
  plot.addEventListener("blur", () => listener.onAway());
  plot.addEventListener("keydown", (event) => {
    const [place, last] = listener.place();
    if (event.key === "Escape") listener.onAway();
    const wanted = keyed(event.key, place, last);
    if (wanted === null || last < 0) return;
    listener.onIndex(Math.min(last, Math.max(0, wanted)));
    event.preventDefault();
  });
}

/**
 * Where a key leads; the first one leads to what is newest.
 * @param {string} key
 * @param {number} place
 * @param {number} last
 */
function keyed(key, place, last) {
  const from = place < 0 ? last : place;
  switch (key) {
    case "ArrowLeft":
    case "ArrowDown":
      return place < 0 ? last : from - 1;
    case "ArrowRight":
    case "ArrowUp":
      return from + 1;
    case "PageDown":
      return from - 10;
    case "PageUp":
      return from + 10;
    case "Home":
      return 0;
    case "End":
      return last;
    default:
      return null;
  }
}
