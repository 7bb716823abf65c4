// JSON as it is read by people: in colours, with a button that copies it.

import { button, element } from "../dom.js";

const TOKENS = /("(?:[^"\\]|\\.)*")(\s*:)?|-?\d[\d.eE+-]*|\b(?:true|false|null)\b/g;
const SAID_FOR = 2_000;

/**
 * A text in its colours; what is no JSON has fewer of them.
 * @param {string} text
 */
export function coloured(text) {
  const code = element("code");
  let from = 0;
  for (const match of text.matchAll(TOKENS)) {
    const className = match[2] ? "key" : match[1] ? "string" : "value";
    const token = match[1] ?? match[0];
    code.append(text.slice(from, match.index), element("span", className, token));
    from = match.index + token.length;
  }
  code.append(text.slice(from));
  return code;
}

/**
 * A text, with what one may do with it.
 * @param {string} text
 * @param {string} name what the text is, for whoever hears of the buttons alone
 * @param {HTMLElement[]} [others] more buttons
 */
export function block(text, name, others = []) {
  const whole = element("div", "json");
  const pre = element("pre");
  pre.append(coloured(text));
  const buttons = element("div", "buttons");
  if (navigator.clipboard) buttons.append(copyButton(text, name));
  buttons.append(...others);
  whole.append(pre, buttons);
  return whole;
}

/**
 * @param {unknown} value
 * @param {string} name
 * @param {HTMLElement[]} [others]
 */
export function jsonBlock(value, name, others) {
  return block(JSON.stringify(value, null, 2), name, others);
}

/**
 * @param {string} text
 * @param {string} name
 */
function copyButton(text, name) {
  const copy = button("small", "Copy", async () => {
    const done = await navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
    copy.textContent = done ? "Copied" : "Not copied";
    setTimeout(() => (copy.textContent = "Copy"), SAID_FOR);
  });
  copy.setAttribute("aria-description", name);
  return copy;
}
