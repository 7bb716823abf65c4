// The story of one job: what it is, what happened to it, and what happens now.

import { button, element } from "../dom.js";
import { ask, isAbort, problem } from "./api.js";
import { confirm } from "./dialog.js";
import { copied, facts } from "./facts.js";
import { isLive } from "./filter.js";
import { inShard } from "./inshard.js";
import { write } from "./keyed.js";
import { Said } from "./said.js";
import { Stream } from "./stream.js";
import { entries, timeline } from "./timeline.js";
import { Value } from "./value.js";
import { RETRIABLE, stateMark } from "./words.js";

/** @typedef {import("./api.js").Attempt} Attempt */
/** @typedef {import("./api.js").Job} Job */

const ENDS = ["job_result", "job_failed", "job_cancelled"];

export class Story {
  root = element("article", "story");
  #title = element("h1", "", "Job");
  #state = element("p", "story-state");
  #copied = element("div");
  #trouble = element("p", "trouble");
  #loading = element("p", "note", "Reading…");
  #cancel = button("button danger", "Cancel…", () => this.#confirmCancel());
  #retry = button("button", "Retry", () => this.#doRetry());
  #progress = element("div", "progress");
  #bar = element("progress");
  #note = element("p", "note");
  #content = new Value("Content");
  #outcome = new Value("Result");
  #facts = element("div", "facts-place");
  #timeline = element("ol", "timeline");
  #whole = element("div", "story-body");
  #abort = new AbortController();
  #said;
  /** @type {Stream | null} */
  #stream = null;
  #unlisten;
  /** @type {Job | null} */
  #job = null;
  /** @type {Attempt[]} */
  #attempts = [];
  #isReading = false;
  #heardEnd = false;
  #readAgain = false;
  #shownFacts = "";
  #shownTimeline = "";

  /**
   * @param {import("./console.js").Shared} shared
   * @param {string} id
   */
  constructor(shared, id) {
    this.shared = shared;
    this.id = id;
    shared.name(`Job ${id}`);
    this.#title.tabIndex = -1;
    this.#trouble.setAttribute("role", "alert");
    this.#said = new Said(encodeURIComponent(id), this.#abort.signal, () => this.#showTimeline());
    this.#layOut();
    this.#unlisten = shared.feed.listen({
      onOverview: (_overview, moved) => {
        if (moved && this.#job && isLive(this.#job.state)) this.#read();
      },
      // What cut the feed may have cut this stream without a sound.
      onState: (state) => {
        if (state !== "live" || !this.#stream) return;
        this.#stopFollowing();
        this.#follow();
      },
    });
  }

  /**
   * @param {URLSearchParams} _query
   * @param {() => void} settled
   */
  async show(_query, settled) {
    await this.#read();
    if (this.#job) await this.#said.read();
    settled();
  }

  close() {
    this.#abort.abort();
    this.#stream?.close();
    this.#unlisten();
  }

  /** Reads the job and its attempts; one question at a time, and once more if somebody asked meanwhile. */
  async #read() {
    this.#readAgain = this.#isReading;
    if (this.#isReading) return;
    this.#isReading = true;
    const signal = this.#abort.signal;
    const path = `/jobs/${encodeURIComponent(this.id)}`;
    try {
      /** @type {Job} */
      const job = await ask(path, { signal });
      const before = this.#job;
      const isMoved = !before || before.state !== job.state || before.attempts !== job.attempts;
      if (isMoved) this.#attempts = (await ask(`${path}/attempts`, { signal })).attempts;
      this.#job = job;
      this.#trouble.textContent = "";
      this.#show(job);
      // What the stream has told to its end is whole.
      if (before && isMoved && !isLive(job.state) && !this.#heardEnd) this.#said.read();
    } catch (error) {
      if (!isAbort(error)) this.#fail(error);
    } finally {
      this.#isReading = false;
      this.#loading.hidden = true;
      if (this.#readAgain && !signal.aborted) this.#read();
    }
  }

  /** @param {unknown} error */
  #fail(error) {
    const status = error instanceof Error && "status" in error ? error.status : 0;
    const isUnknown = status === 404 || status === 422;
    if (!this.#job && isUnknown) write(this.#title, "There is no such job");
    this.#trouble.textContent = isUnknown
      ? `There is no job with the id ${this.id}. It may have been deleted since, or the link is not whole.`
      : `The job could not be read. ${problem(error)}`;
  }

  /** @param {Job} job */
  #show(job) {
    const live = isLive(job.state);
    write(this.#title, job.task_type);
    if (!this.#copied.firstChild) this.#copied.append(copied(job.id, this.shared.say));
    this.shared.name(`${job.task_type} ${job.state} · ${job.id}`);
    if (this.#state.dataset.shown !== `${job.state} ${job.is_cancelling}`) {
      if (this.#state.dataset.shown)
        this.shared.say(`The job is ${job.is_cancelling ? "being cancelled" : job.state}.`);
      this.#state.dataset.shown = `${job.state} ${job.is_cancelling}`;
      this.#state.replaceChildren(stateMark(job.state, job.is_cancelling));
    }
    this.#cancel.hidden = !live;
    this.#cancel.setAttribute("aria-disabled", String(job.is_cancelling));
    this.#retry.hidden = !RETRIABLE.includes(job.state) || job.retried_as !== null;
    write(this.#retry, job.state === "scheduled" ? "Run now" : "Retry");
    this.#showProgress(live ? job.progress : null);
    this.#content.show(job.input);
    const hasError = job.error !== null && job.state !== "cancelled";
    this.#outcome.root.hidden = job.result === null && !hasError;
    if (job.error !== null && hasError)
      this.#outcome.show(job.error, `Error${job.error_code ? `: ${job.error_code}` : ""}`, "bad");
    else this.#outcome.show(job.result);
    this.#showFacts(job);
    this.#showTimeline();
    this.#whole.hidden = false;
    if (live) this.#follow();
    else this.#stopFollowing();
  }

  /** @param {Job["progress"]} progress */
  #showProgress(progress) {
    this.#progress.hidden = progress === null;
    if (progress === null) return;
    if (typeof progress.percent === "number") this.#bar.value = progress.percent;
    else this.#bar.removeAttribute("value");
    const percent = typeof progress.percent === "number" ? `${Math.round(progress.percent)} %` : "";
    write(this.#note, [percent, progress.note].filter(Boolean).join(" · "));
  }

  /** @param {Job} job */
  #showFacts(job) {
    const { progress, state, result, error, ...kept } = job;
    const shown = JSON.stringify(kept);
    if (shown === this.#shownFacts) return;
    this.#shownFacts = shown;
    this.#facts.replaceChildren(facts(job));
  }

  #showTimeline() {
    const job = this.#job;
    if (!job) return;
    const all = entries(job, this.#attempts, (attempt) => this.#said.texts.get(attempt)?.root);
    for (const [attempt, text] of this.#said.texts) text.settle(job.state === "running" && attempt === job.attempts);
    const shown = JSON.stringify(all.map(({ text, ...entry }) => [entry, Boolean(text)]));
    if (shown === this.#shownTimeline) return;
    this.#shownTimeline = shown;
    this.#timeline.replaceChildren(...timeline(all, this.shared.feed.now()));
  }

  /** Hears of what the job says while it is not over. */
  #follow() {
    this.#stream ??= new Stream(inShard(`/api/v1/jobs/${encodeURIComponent(this.id)}/events`), {
      events: ["job_chunk", "job_progress", ...ENDS],
      onEvent: (name, data) => this.#hear(name, data),
      // Refused, or over before it began: the job itself says which.
      onState: (state) => {
        if (state === "lost") this.#read();
      },
    });
  }

  #stopFollowing() {
    this.#stream?.close();
    this.#stream = null;
  }

  /**
   * @param {string} name
   * @param {any} data
   */
  #hear(name, data) {
    if (ENDS.includes(name)) {
      this.#heardEnd = true;
      this.#stopFollowing();
      this.#read();
    } else if (name === "job_progress") {
      this.#showProgress(data?.payload ?? null);
    } else if (typeof data?.payload === "string" && data.job) {
      this.#said.hear({ attempt: data.job.attempt, seq: data.job.seq, text: data.payload });
      if (this.#job && data.job.attempt > this.#job.attempts) this.#read();
    }
  }

  #confirmCancel() {
    const job = this.#job;
    if (!job || job.is_cancelling) return;
    confirm({
      title: "Cancel this job?",
      body:
        job.state === "running"
          ? "It runs, and is asked to end. What it has done already stays done. This cannot be undone."
          : "It has not started, and ends at once. This cannot be undone.",
      safe: "Keep it",
      act: "Cancel the job",
      onAct: () => this.#post("cancel", "could not be cancelled"),
    });
  }

  async #doRetry() {
    this.#retry.setAttribute("aria-disabled", "true");
    const trouble = await this.#post("retry", "could not be retried");
    this.#retry.setAttribute("aria-disabled", "false");
    if (trouble) this.#trouble.textContent = trouble;
    else this.shared.say("The job is tried again.");
  }

  /**
   * @param {"cancel" | "retry"} what
   * @param {string} words of what went wrong
   */
  async #post(what, words) {
    try {
      await ask(`/jobs/${encodeURIComponent(this.id)}/${what}`, { post: undefined });
      await this.#read();
      return "";
    } catch (error) {
      return `The job ${words}. ${problem(error)}`;
    }
  }

  #layOut() {
    const back = element("a", "back", "Jobs");
    back.href = this.shared.list;
    const buttons = element("div", "buttons");
    this.#retry.hidden = true;
    this.#cancel.hidden = true;
    buttons.append(this.#retry, this.#cancel);
    const head = element("header", "story-head");
    const words = element("div");
    const line = element("div", "story-line");
    line.append(this.#state, this.#copied);
    words.append(back, this.#title, line);
    head.append(words, buttons);
    this.#progress.hidden = true;
    this.#bar.max = 100;
    this.#bar.setAttribute("aria-label", "Progress");
    this.#progress.append(this.#bar, this.#note);
    const happened = element("section");
    const title = element("h2", "", "What happened");
    title.id = "happened-title";
    happened.setAttribute("aria-labelledby", title.id);
    happened.append(title, this.#timeline, this.#said.more, this.#said.trouble);
    const told = element("div", "story-told");
    told.append(this.#content.root, this.#outcome.root, happened);
    this.#whole.hidden = true;
    this.#whole.append(told, this.#facts);
    this.root.append(head, this.#trouble, this.#loading, this.#progress, this.#whole);
  }
}
