// One job of the list.

import { element } from "../dom.js";
import { showAge } from "./feed.js";
import { isLive } from "./filter.js";
import { write } from "./keyed.js";
import { between, moment, oneLine, spanOf, stateMark } from "./words.js";

/** @typedef {import("./api.js").Job} Job */

const CONTENT_MOST = 160;

/** The columns, which the rows fill in this order. */
export const COLUMNS = ["State", "Job", "Attempts", "Queued", "Waited", "Ran", "Owner"];

export class Row {
  root = element("tr");
  box = element("input");
  #state = element("td", "cell-state");
  #error = element("span", "why");
  #attempts = element("td", "cell-attempts");
  #waited = element("td", "cell-waited");
  #ran = element("td", "cell-ran");
  /** What of the job is shown, to see whether it has changed. */
  #shown = "";

  /**
   * @param {Job} job
   * @param {() => number} now on the server's clock
   */
  constructor(job, now) {
    this.job = job;
    this.now = now;
    this.box.type = "checkbox";
    this.box.setAttribute("aria-label", `Select ${job.task_type} ${job.id}`);
    const select = element("td", "cell-select");
    const target = element("label");
    target.append(this.box);
    select.append(target);
    const what = element("td", "cell-job");
    const link = element("a", "", job.task_type);
    link.href = `#/jobs/${job.id}`;
    const content = element("span", "content", oneLine(job.input, CONTENT_MOST));
    what.append(link, " ", content, this.#error);
    const queued = element("td", "cell-queued");
    queued.append(moment(job.queued_at));
    const owner = element("td", "cell-owner", job.owner);
    const cells = [select, this.#state, what, this.#attempts, queued, this.#waited, this.#ran, owner];
    this.root.setAttribute("role", "row");
    cells.forEach((cell, index) => {
      cell.setAttribute("role", "cell");
      // Where there is no room for a table, each figure has its name beside it.
      if (index > 0) cell.dataset.name = COLUMNS[index - 1];
    });
    this.root.append(...cells);
    this.update(job);
  }

  /** @param {Job} job */
  update(job) {
    this.job = job;
    const shown = JSON.stringify([
      job.state,
      job.is_cancelling,
      job.attempts,
      job.started_at,
      job.run_at,
      job.progress,
    ]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const mark = stateMark(job.state, job.is_cancelling);
    if (job.state === "running" && typeof job.progress?.percent === "number") {
      mark.append(` ${Math.round(job.progress.percent)} %`);
    }
    this.#state.replaceChildren(mark);
    write(this.#error, job.error === null ? "" : oneLine(job.error, CONTENT_MOST));
    this.#error.hidden = job.error === null || job.state === "cancelled";
    write(this.#attempts, `${job.attempts} of ${job.max_attempts}`);
    this.#attempts.classList.toggle("several", job.attempts > 1);
    this.#showTimes(job);
  }

  /** @param {Job} job */
  #showTimes(job) {
    const hasStarted = job.started_at !== null && (job.state === "running" || !isLive(job.state));
    const due = Date.parse(job.run_at) > Date.parse(job.queued_at) ? job.run_at : job.queued_at;
    if (job.state === "ready" || job.state === "held") this.#age(this.#waited, due);
    else if (hasStarted) this.#span(this.#waited, between(due, job.started_at));
    else this.#span(this.#waited, null);
    if (job.state === "running" && job.started_at !== null) this.#age(this.#ran, job.started_at);
    else if (hasStarted) this.#span(this.#ran, between(job.started_at, job.finished_at));
    else this.#span(this.#ran, null);
  }

  /**
   * @param {HTMLElement} cell
   * @param {string} since
   */
  #age(cell, since) {
    cell.classList.add("now");
    showAge(cell, since, this.now());
  }

  /**
   * @param {HTMLElement} cell
   * @param {number | null} seconds
   */
  #span(cell, seconds) {
    delete cell.dataset.since;
    cell.classList.remove("now");
    write(cell, spanOf(seconds));
  }
}
