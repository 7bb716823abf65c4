// The codes of errors, of jobs that failed and of closes: a row for each, with its examples.

import { element } from "../dom.js";
import { asName, dict, list } from "./contract.js";
import { block, jsonBlock } from "./json.js";
import { pretty, tryButton } from "./message.js";
import { anchorTo, prose, row, table } from "./parts.js";
import { read } from "./reading.js";
/** @import { Contract, Dict, Message } from "./contract.js" */
/** @import { Try } from "./message.js" */

export class CodesView {
  /**
   * @param {Contract} contract
   * @param {Try} attempt
   */
  constructor(contract, attempt) {
    this.contract = contract;
    this.attempt = attempt;
  }

  /**
   * The anchor of an error, or of the code of a job that failed.
   * @param {Message} message
   * @param {string} code
   */
  rowOf(message, code) {
    const ids = { error: this.#errorId(code), job_failed: this.#failureId(code) };
    return ids[/** @type {"error" | "job_failed"} */ (message.name)];
  }

  /** @param {string} code */
  #errorId(code) {
    return this.contract.table("errors").some(({ type }) => type === code) ? errorId(code) : undefined;
  }

  /** @param {string} code */
  #failureId(code) {
    return this.contract.table("failure-codes").some((row) => row.code === code) ? failureId(code) : undefined;
  }

  errors() {
    const rows = this.contract.table("errors").map((error) => {
      const name = asName(error.type);
      const about = words(error.meaning, error.when);
      const again = verdict(error.try_again, "later", "no");
      /** @type {[string, Node | undefined][]} */
      const cells = [
        ["Type", coded(errorId(name), name)],
        ["When", about],
        ["Again", again],
        ["What to do", prose(error.advice)],
      ];
      return this.#row(errorId(name), cells, this.#examples("error", name, list(error.frames).map(dict)));
    });
    return rows.length > 0 ? table("codes errors", ["Type", "When", "Again", "What to do"], rows) : undefined;
  }

  failures() {
    const rows = this.contract.table("failure-codes").map((failure) => {
      const name = asName(failure.code);
      /** @type {[string, Node | undefined][]} */
      const cells = [
        ["Code", coded(failureId(name), name)],
        ["When", prose(failure.when)],
        ["What to do", prose(failure.advice)],
      ];
      return this.#row(failureId(name), cells, this.#examples("job_failed", name, []));
    });
    return rows.length > 0 ? table("codes failures", ["Code", "When", "What to do"], rows) : undefined;
  }

  closes() {
    const rows = this.contract.table("close-codes").map((close) => {
      const name = asName(close.code);
      const about = words(close.when, "");
      about.append(element("p", "reason", `“${close.reason}”`));
      return this.#row(
        closeId(name),
        [
          ["Code", coded(closeId(name), name)],
          ["When", about],
          ["Come back", verdict(close.come_back, "yes", "no")],
        ],
        [],
      );
    });
    return rows.length > 0 ? table("codes closes", ["Code", "When", "Come back"], rows) : undefined;
  }

  /**
   * @param {string} id
   * @param {[string, Node | undefined][]} cells
   * @param {HTMLElement[]} examples
   */
  #row(id, cells, examples) {
    const body = element("tbody", "row");
    body.id = id;
    body.append(row(cells));
    if (examples.length > 0) {
      const line = element("tr", "more");
      const cell = element("td", "examples");
      cell.colSpan = cells.length;
      const whole = element("details", "example");
      whole.append(
        element("summary", "", examples.length > 1 ? `${examples.length} examples` : "Example"),
        ...examples,
      );
      cell.append(whole);
      line.append(cell);
      body.append(line);
    }
    return body;
  }

  /**
   * @param {string} messageName
   * @param {string} code
   * @param {Dict[]} asked the frames that are answered so
   */
  #examples(messageName, code, asked) {
    const message = this.contract.messageCalled(messageName);
    const examples = list(message?.body.examples)
      .map(dict)
      .filter((example) => example.name === code);
    return examples.map((example) => {
      const whole = element("div", "case");
      const title = asName(example.summary);
      const frame = asName(asked.find(({ summary }) => summary === example.summary)?.frame);
      if (messageName === "error") whole.append(element("h4", "", title));
      if (frame) {
        whole.append(element("p", "", "The frame"), this.#frame(frame, title), element("p", "", "is answered with"));
      }
      whole.append(jsonBlock(example.payload, title));
      return whole;
    });
  }

  /**
   * @param {string} text
   * @param {string} title
   */
  #frame(text, title) {
    const { value, fault } = read(text);
    const shown = fault ? text : pretty(value);
    return block(shown, title, [tryButton(title, () => this.attempt(shown))]);
  }
}

/** @param {string} code */
export function errorId(code) {
  return `error-${code}`;
}

/** @param {string} code */
export function failureId(code) {
  return `failure-${code}`;
}

/** @param {string} code */
export function closeId(code) {
  return `close-${code}`;
}

/**
 * @param {string} id
 * @param {string} name
 */
function coded(id, name) {
  const whole = element("span", "code");
  whole.append(element("code", "", name), " ", anchorTo(id, name));
  return whole;
}

/**
 * @param {unknown} first
 * @param {unknown} second
 */
function words(first, second) {
  const whole = element("div");
  for (const [text, name] of /** @type {const} */ ([
    [first, "meaning"],
    [second, "when"],
  ])) {
    const made = prose(text);
    if (!made) continue;
    made.classList.add(name);
    whole.append(made);
  }
  return whole;
}

/**
 * @param {unknown} truth
 * @param {string} yes
 * @param {string} no
 */
function verdict(truth, yes, no) {
  const made = element("span", "verdict", truth === true ? yes : no);
  made.dataset.truth = String(truth === true);
  return made;
}
