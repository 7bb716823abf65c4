// What happened to a job, in its order, with the time between one thing and the next.

import { element } from "../dom.js";
import { showAge } from "./feed.js";
import { between, moment, spanOf } from "./words.js";

/** @typedef {import("./api.js").Attempt} Attempt */
/** @typedef {import("./api.js").Job} Job */

/**
 * @typedef {object} Entry
 * @property {string} at empty where it is not known
 * @property {string} title
 * @property {"" | "good" | "bad" | "stopped" | "now" | "later"} tone
 * @property {string} [detail]
 * @property {string} [error]
 * @property {HTMLElement} [text]
 * @property {boolean} [isGoingOn] whether it is still so, and since `at`
 */

/** @type {Record<Attempt["outcome"], [string, Entry["tone"]]>} */
const ENDS = {
  succeeded: ["succeeded", "good"],
  failed: ["failed", "bad"],
  cancelled: ["was cancelled", "stopped"],
  crashed: ["lost its worker", "bad"],
  returned: ["was handed back by its worker, which stopped", "stopped"],
};

/**
 * @param {Job} job
 * @param {Attempt[]} attempts
 * @param {(attempt: number) => HTMLElement | undefined} textOf
 */
export function entries(job, attempts, textOf) {
  /** @type {Entry[]} */
  const made = [{ at: job.queued_at, title: "Queued", tone: "", detail: `by ${job.owner}, in the queue ${job.queue}` }];
  const isLater = (between(job.queued_at, job.run_at) ?? 0) > 0.5;
  if (isLater && job.attempts === 0 && job.state !== "scheduled") made.push({ at: job.run_at, title: "Due", tone: "" });
  for (const attempt of attempts) {
    const [words, tone] = ENDS[attempt.outcome] ?? [attempt.outcome, ""];
    const worker = attempt.worker_id ? `on worker ${attempt.worker_id}` : "";
    const text = textOf(attempt.attempt);
    made.push({ at: attempt.started_at, title: `Attempt ${attempt.attempt} started`, tone: "", detail: worker, text });
    made.push({
      at: attempt.ended_at,
      title: `Attempt ${attempt.attempt} ${words}`,
      tone,
      detail: ended(attempt),
      // That it was cancelled is said already.
      error: attempt.outcome === "cancelled" ? "" : (attempt.error ?? ""),
    });
  }
  if (job.state === "running" && job.started_at) {
    made.push({
      at: job.started_at,
      title: `Attempt ${job.attempts} runs`,
      tone: "now",
      detail: job.worker_id ? `on worker ${job.worker_id}` : "",
      text: textOf(job.attempts),
      isGoingOn: true,
    });
  }
  if (job.state === "scheduled") made.push({ at: job.run_at, title: "Due", tone: "later" });
  if ((job.state === "ready" || job.state === "held") && made.length > 0) {
    const since = isLater ? job.run_at : job.queued_at;
    const last = attempts[attempts.length - 1]?.ended_at ?? since;
    const at = Date.parse(last) > Date.parse(since) ? last : since;
    const title = job.state === "ready" ? "Waits for a worker" : "Held until its limit has room";
    made.push({ at, title, tone: "now", isGoingOn: true });
  }
  if (job.state === "waiting" && job.started_at) {
    made.push({ at: job.started_at, title: "Waits to be called back", tone: "now", isGoingOn: true });
  }
  const last = attempts[attempts.length - 1];
  if (job.finished_at && !(last && last.outcome === job.state && last.ended_at === job.finished_at)) {
    /** @type {Record<string, [string, Entry["tone"]]>} */
    const ends = { succeeded: ["Succeeded", "good"], failed: ["Failed", "bad"], cancelled: ["Cancelled", "stopped"] };
    const [title, tone] = ends[job.state] ?? ["Over", ""];
    made.push({ at: job.finished_at, title, tone });
  } else if (job.finished_at) {
    made[made.length - 1].title += ", and the job with it";
  }
  made.sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  if (job.is_cancelling) made.push({ at: "", title: "Asked to end", tone: "now" });
  return made;
}

/** @param {Attempt} attempt */
function ended(attempt) {
  const ran = `ran for ${spanOf(between(attempt.started_at, attempt.ended_at))}`;
  return attempt.error_code && attempt.outcome !== "cancelled" ? `${ran} · ${attempt.error_code}` : ran;
}

/**
 * @param {Entry[]} all
 * @param {number} now on the server's clock
 */
export function timeline(all, now) {
  return all.map((entry, index) => {
    const item = element("li", `entry ${entry.tone}`);
    const when = element("p", "when");
    if (entry.at) when.append(moment(entry.at));
    const line = element("p", "what");
    line.append(element("b", "", entry.title));
    if (index > 0 && entry.at)
      when.append(" ", element("span", "difference", `+${spanOf(between(all[index - 1].at, entry.at))}`));
    if (entry.isGoingOn) {
      const age = element("span", "age");
      showAge(age, entry.at, now);
      line.append(" for ", age);
    }
    if (entry.tone === "later") line.append(` in ${spanOf(Math.max(0, (Date.parse(entry.at) - now) / 1_000))}`);
    const body = element("div", "entry-body");
    body.append(line);
    if (entry.detail) body.append(element("p", "detail", entry.detail));
    if (entry.error) body.append(element("pre", "error", entry.error));
    if (entry.text) body.append(entry.text);
    item.append(when, body);
    return item;
  });
}
