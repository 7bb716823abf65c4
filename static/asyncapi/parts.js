// What the reference is made of: sections with anchors, tables, lists of facts, links, descriptions.

import { element } from "../dom.js";
/** @import { Place } from "./contract.js" */

/**
 * A section that can be linked to.
 * @param {string} id
 * @param {HTMLElement} heading
 * @param {(Node | undefined)[]} body
 * @param {(Node | undefined)[]} [aside] what stands beside the heading
 */
export function thing(id, heading, body, aside = []) {
  const section = element("section", "thing");
  section.id = id;
  const line = element("div", "heading");
  line.append(heading, anchorTo(id, heading.textContent ?? ""), ...present(aside));
  section.append(line, ...present(body));
  return section;
}

/**
 * @param {string} id
 * @param {string} name
 */
export function anchorTo(id, name) {
  const anchor = link({ id, name: "#" });
  anchor.className = "anchor";
  anchor.setAttribute("aria-label", `Link to ${name}`);
  return anchor;
}

/** @param {Place} place */
export function link({ id, name }) {
  const anchor = element("a", "", name);
  anchor.href = `#${encodeURIComponent(id)}`;
  return anchor;
}

/**
 * Links in a row, after a few words.
 * @param {string} words
 * @param {Place[]} places
 */
export function links(words, places) {
  if (places.length === 0) return undefined;
  const line = element("div", "links");
  const names = element("ul");
  for (const place of places) {
    const item = element("li");
    item.append(link(place));
    names.append(item);
  }
  line.append(element("p", "", words), names);
  return line;
}

/**
 * @param {string} kind the class, by which it has its widths
 * @param {string[]} columns
 * @param {HTMLElement[]} rows
 */
export function table(kind, columns, rows) {
  const whole = element("table", `table ${kind}`);
  const head = element("thead");
  const names = element("tr");
  for (const column of columns) {
    const cell = element("th", "", column);
    cell.scope = "col";
    names.append(cell);
  }
  head.append(names);
  const bodies = rows.every((row) => row instanceof HTMLTableSectionElement) ? rows : [element("tbody")];
  if (bodies !== rows) bodies[0].append(...rows);
  whole.append(head, ...bodies);
  return whole;
}

/** @param {[string, Node | string | undefined][]} cells with the names of their columns */
export function row(cells) {
  const line = element("tr");
  for (const [column, content] of cells) {
    const cell = element("td");
    cell.dataset.column = column;
    if (content) cell.append(content);
    line.append(cell);
  }
  return line;
}

/** @param {[string, Node | string | undefined][]} items those without a value are left out */
export function facts(items) {
  const whole = element("dl", "facts");
  for (const [name, value] of items) {
    if (!value) continue;
    const content = element("dd");
    content.append(value);
    whole.append(element("dt", "", name), content);
  }
  return whole.childElementCount > 0 ? whole : undefined;
}

/**
 * A description: paragraphs, lists, and words in backticks. Any other mark stays as it was written.
 * @param {unknown} source
 */
export function prose(source) {
  if (typeof source !== "string" || source.trim() === "") return undefined;
  const whole = element("div", "prose");
  for (const block of source.trim().split(/\n\s*\n/)) {
    const lines = block.split("\n");
    if (lines.every((line) => /^\s*[-*] /.test(line))) {
      const items = element("ul");
      for (const line of lines) items.append(inline("li", line.replace(/^\s*[-*] /, "")));
      whole.append(items);
    } else {
      whole.append(inline("p", block));
    }
  }
  return whole;
}

/**
 * @param {"p" | "li"} tag
 * @param {string} source
 */
function inline(tag, source) {
  const made = element(tag);
  source.split(/`([^`]+)`/).forEach((part, index) => made.append(index % 2 === 1 ? element("code", "", part) : part));
  return made;
}

/**
 * @param {Node[]} parts
 * @param {string} [between]
 */
export function joined(parts, between = " or ") {
  const whole = document.createDocumentFragment();
  parts.forEach((part, index) => whole.append(index > 0 ? between : "", part));
  return whole;
}

/**
 * @param {(Node | undefined)[]} nodes
 * @returns {Node[]}
 */
export function present(nodes) {
  return nodes.filter((node) => node !== undefined);
}
