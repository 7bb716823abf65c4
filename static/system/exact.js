// Numbers and JSON as they are written, or a sentence: a browser rounds numbers that are long, large or small, takes the
// last of several keys, and says nothing.

/** The parts of JSON: texts, what holds it together, numbers. */
const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]|-?\d[\d.eE+-]*/g;

/**
 * @param {string} name what it is for
 * @param {string} text
 */
export function exactNumber(name, text) {
  const number = Number(text);
  const written = decimal(text);
  if (!written) throw new Error(`${name} is not a number.`);
  if (Number.isFinite(number) && written === decimal(String(number))) return number;
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
  /** @type {Set<string>[]} the keys of the objects and, empty, the lists that one is in */
  const keys = [];
  let last = "";
  for (const [token] of text.matchAll(TOKENS)) {
    if (token === "{" || token === "[") keys.push(new Set());
    else if (token === "}" || token === "]") keys.pop();
    else if (token === ":") once(name, last, keys.at(-1) ?? new Set());
    else if (/^[-\d]/.test(token)) exactNumber(name, token);
    last = token;
  }
  return value;
}

/**
 * Whether a value that came as JSON is surely what was written there: of a large integer, a neighbour may have been.
 * @param {unknown} value
 * @returns {boolean}
 */
export function isExact(value) {
  if (typeof value === "number") return Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value));
  return typeof value !== "object" || value === null || Object.values(value).every(isExact);
}

/**
 * @param {string} name
 * @param {string} written
 * @param {Set<string>} keys those before it
 */
function once(name, written, keys) {
  /** @type {string} */
  const key = JSON.parse(written);
  if (keys.has(key)) throw new Error(`${name} has the key ${written} twice, of which a browser sends the last. Keep one.`);
  keys.add(key);
}

/**
 * The one way to write a number: its sign, its digits without zeros around them, and a power of ten. Empty where it is
 * none.
 * @param {string} text
 */
function decimal(text) {
  const [, sign, whole, fraction = "", power = "0"] = /^([-+]?)(\d*)(?:\.(\d*))?(?:e([-+]?\d+))?$/i.exec(text.trim()) ?? [];
  if (whole === undefined || whole + fraction === "") return "";
  const minus = sign === "-" ? "-" : "";
  const digits = (whole + fraction).replace(/^0+/, "");
  if (digits === "") return `${minus}0`;
  const kept = digits.replace(/0+$/, "");
  return `${minus}${kept}e${BigInt(power) - BigInt(fraction.length) + BigInt(digits.length - kept.length)}`;
}
