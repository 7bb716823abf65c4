// Numbers and JSON as they are written, or a sentence: a browser rounds large numbers, and says nothing.

/**
 * @param {string} name what it is for
 * @param {string} text
 */
export function exactNumber(name, text) {
  const number = Number(text);
  const isInteger = /^[-+]?\d+$/.test(text);
  if (Number.isFinite(number) && (!isInteger || Number.isSafeInteger(number))) return number;
  throw new Error(`${name}: a browser cannot send ${text} exactly. Submit this job from a program, or from the command line.`);
}

/**
 * @param {string} name
 * @param {string} text
 */
export function exactJson(name, text) {
  /** @type {unknown} */
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error(`${name} is not JSON. Write, for example, {"a": 1}, [1, 2] or "text".`);
  }
  const outsideTexts = text.replace(/"(?:[^"\\]|\\.)*"/g, '""');
  for (const [written] of outsideTexts.matchAll(/-?\d[\d.eE+-]*/g)) exactNumber(name, written);
  return value;
}
