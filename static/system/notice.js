// A notice to everyone, as it stands in the conversation.

import { clock, element } from "../dom.js";

/**
 * @param {string} text
 * @param {number} at when it was heard, in milliseconds since 1970
 */
export function noticeItem(text, at) {
  const item = element("li", "notice");
  item.append(element("span", "visually-hidden", "Notice: "), element("p", "text", text), clock(new Date(at)));
  return item;
}
