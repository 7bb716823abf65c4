// The facts of a job that do not tell its story: whose it is, where it belongs, what it is linked to.

import { button, element } from "../dom.js";
import { moment } from "./words.js";

/** @typedef {import("./api.js").Job} Job */

/** @param {Job} job */
export function facts(job) {
  /** @type {[string, string | Node | null][]} */
  const all = [
    ["Task", job.task === job.task_type ? listed("task", job.task) : both(job)],
    ["Queue", listed("queue", job.queue)],
    ["Owner", listed("owner", job.owner)],
    ["Attempts", `${job.attempts} of at most ${job.max_attempts}`],
    ["Priority", String(job.priority)],
    ["Key", job.concurrency_key],
    ["Due", moment(job.run_at)],
    ["Session", id(job.session_id)],
    ["Worker", id(job.worker_id)],
    ["Retry of", story(job.retry_of)],
    ["Retried as", story(job.retried_as)],
  ];
  const list = element("dl", "facts-of-job");
  for (const [name, value] of all) {
    if (value === null || value === "") continue;
    const pair = element("div");
    const description = element("dd");
    description.append(value);
    pair.append(element("dt", "", name), description);
    list.append(pair);
  }
  return list;
}

/**
 * @param {string} field
 * @param {string} value
 */
function listed(field, value) {
  const link = element("a", "", value);
  link.href = `#/jobs?${new URLSearchParams({ [field]: value })}`;
  return link;
}

/** @param {Job} job */
function both(job) {
  const made = element("span");
  made.append(listed("task", job.task), `, asked for as ${job.task_type}`);
  return made;
}

/** @param {string | null} text */
function id(text) {
  return text === null ? null : element("span", "id", text);
}

/** @param {string | null} id */
function story(id) {
  if (id === null) return null;
  const link = element("a", "id", id);
  link.href = `#/jobs/${id}`;
  return link;
}

/**
 * An id with a button that copies it.
 * @param {string} id
 * @param {(text: string) => void} say
 */
export function copied(id, say) {
  const made = element("span", "copied");
  const code = element("code", "id", id);
  const copy = button("small", "Copy", async () => {
    try {
      await navigator.clipboard.writeText(id);
      copy.textContent = "Copied";
      say("The id was copied.");
      window.setTimeout(() => (copy.textContent = "Copy"), 2_000);
    } catch {
      // Where the page may not write there, the id is selected for the person's own keys.
      getSelection()?.selectAllChildren(code);
      say("The id is selected.");
    }
  });
  copy.setAttribute("aria-label", "Copy the id");
  made.append(code, copy);
  return made;
}
