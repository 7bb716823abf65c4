// What all pages share: making and finding elements, and words for times.
//
// Text is only ever put into a page as text.

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {string} [className]
 * @param {string} [text]
 */
export function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

/**
 * @param {string} className
 * @param {string} text
 * @param {() => void} press
 */
export function button(className, text, press) {
  const made = element("button", className, text);
  made.type = "button";
  made.addEventListener("click", press);
  return made;
}

/**
 * The element of the page that has this id, which has to be there.
 * @template {HTMLElement} E
 * @param {string} id
 * @param {new () => E} type
 * @returns {E}
 */
export function byId(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} called ${id}`);
  return found;
}

/**
 * A text as it is, anything else as JSON.
 * @param {unknown} value
 */
export function asText(value) {
  return typeof value === "string" ? value : JSON.stringify(value ?? null);
}

/**
 * Hours and minutes, with the whole time where one asks for it.
 * @param {Date} when
 */
export function clock(when) {
  const time = element("time", "", when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = when.toISOString();
  time.title = when.toLocaleString();
  return time;
}

/**
 * How long something takes, short enough to be read at a glance.
 * @param {number} seconds
 */
export function span(seconds) {
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${Math.round(seconds * 1e3)} ms`;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3_600)} h`;
}

/**
 * How long something took, also for those who read it by machine.
 * @param {string} words said before it
 * @param {number} seconds
 */
export function lasted(words, seconds) {
  const time = element("time", "", `${words} ${span(seconds)}`);
  time.dateTime = `PT${seconds.toFixed(3)}S`;
  return time;
}

/**
 * Changes the text of an element, where it is another one.
 * @param {HTMLElement} place
 * @param {string} text
 */
export function setText(place, text) {
  if (place.textContent !== text) place.textContent = text;
}
