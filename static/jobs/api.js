// What the console asks of the gateway, and what comes back; what goes wrong comes back as a sentence.

import { authorization, signIn } from "../token.js";
import { inShard } from "./inshard.js";

/** @typedef {"scheduled" | "held" | "ready" | "running" | "waiting" | "succeeded" | "failed" | "cancelled"} JobState */

/**
 * @typedef {object} Job
 * @property {string} id
 * @property {string} task
 * @property {string} task_type
 * @property {string} queue
 * @property {unknown} input
 * @property {JobState} state
 * @property {unknown} result
 * @property {string | null} error_code
 * @property {string | null} error
 * @property {{percent?: number | null, note?: string | null} | null} progress
 * @property {number} attempts
 * @property {number} max_attempts
 * @property {number} priority
 * @property {string} queued_at
 * @property {string} run_at
 * @property {string | null} started_at
 * @property {string | null} finished_at
 * @property {boolean} is_cancelling
 * @property {string} owner
 * @property {string | null} connection_id
 * @property {string | null} session_id
 * @property {string | null} worker_id
 * @property {string | null} concurrency_key
 * @property {string | null} retry_of
 * @property {string | null} retried_as
 */

/**
 * An attempt that has ended.
 * @typedef {object} Attempt
 * @property {number} attempt
 * @property {"succeeded" | "failed" | "cancelled" | "crashed" | "returned"} outcome
 * @property {string} started_at
 * @property {string} ended_at
 * @property {string | null} error_code
 * @property {string | null} error
 * @property {string | null} worker_id
 */

/** @typedef {{attempt: number, seq: number, text: string, recorded_at?: string}} Chunk */
/** @typedef {{name: string, paused: boolean, ready: number, scheduled: number, held: number, running: number}} Queue */

/**
 * @typedef {object} Worker
 * @property {string} id
 * @property {string} host
 * @property {number} pid
 * @property {string} version
 * @property {string[]} queues
 * @property {number} concurrency
 * @property {string} started_at
 * @property {string} beat_at
 * @property {number} running
 * @property {{id: string, task: string, started_at: string}[]} jobs those that it runs longest
 * @property {{task: string, failures: number, until: string}[]} circuits its tasks that are paused
 */

/**
 * @typedef {object} Gateway
 * @property {string} id
 * @property {string} host
 * @property {number} pid
 * @property {string} version
 * @property {string} listen
 * @property {string} started_at
 * @property {string} beat_at
 * @property {number} sockets
 * @property {number} sessions
 */

/**
 * What happened in a stretch of time, and how things were at its end.
 * @typedef {object} Sample
 * @property {string} at its end
 * @property {number} seconds its length
 * @property {number} scheduled
 * @property {number} held
 * @property {number} ready
 * @property {number} running
 * @property {number} waiting
 * @property {number} succeeded
 * @property {number} failed
 * @property {number} cancelled
 * @property {number | null} waited_p50
 * @property {number | null} waited_p95
 * @property {number | null} waited_p99
 * @property {number | null} ran_p50
 * @property {number | null} ran_p95
 * @property {number | null} ran_p99
 */

/** @typedef {{scheduled: number, held: number, ready: number, running: number, waiting: number}} LiveCounts */

/**
 * @typedef {object} Overview
 * @property {string} at
 * @property {LiveCounts & {oldest_wait: number | null}} live
 * @property {string[]} tasks
 * @property {Queue[]} queues
 * @property {Worker[]} workers
 * @property {Gateway[]} gateways
 * @property {Sample | null} sample
 * @property {number | null} next_in after how many seconds the next one comes
 */

/** A request that was refused, or that nobody answered; its message is a sentence for a person. */
export class Problem extends Error {
  /**
   * @param {string} message
   * @param {number} status 0 where there was no answer
   */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * @param {string} path beneath /api/v1
 * @param {{signal?: AbortSignal, post?: unknown}} [how] with `post`, this is posted
 * @returns {Promise<any>}
 */
export async function ask(path, how = {}) {
  /** @type {Record<string, string>} */
  const headers = { accept: "application/json", ...authorization() };
  /** @type {RequestInit} */
  const request = { signal: how.signal, headers };
  if ("post" in how) {
    request.method = "POST";
    if (how.post !== undefined) {
      headers["content-type"] = "application/json";
      request.body = JSON.stringify(how.post);
    }
  }
  let answer;
  try {
    answer = await fetch(inShard(`/api/v1${path}`), request);
  } catch (error) {
    if (how.signal?.aborted) throw error;
    throw new Problem("The gateway does not answer.", 0);
  }
  const text = await answer.text();
  if (answer.status === 401) {
    // The token has ended: with another one, the same is asked again.
    await signIn(sentence(401, text));
    return ask(path, how);
  }
  if (!answer.ok) throw new Problem(sentence(answer.status, text), answer.status);
  return text ? JSON.parse(text) : null;
}

/**
 * Whether this is only the end of a request that somebody called off.
 * @param {unknown} error
 */
export function isAbort(error) {
  return error instanceof DOMException && error.name === "AbortError";
}

/**
 * What went wrong, for a person.
 * @param {unknown} error
 */
export function problem(error) {
  if (error instanceof Problem) return error.message;
  return `Something unexpected went wrong: ${error instanceof Error ? error.message : error}.`;
}

/**
 * @param {number} status
 * @param {string} text problem details, as a rule
 */
function sentence(status, text) {
  let said = "";
  try {
    const details = JSON.parse(text);
    const messages = Array.isArray(details.errors)
      ? details.errors.map((/** @type {{msg?: string}} */ item) => item.msg).filter(Boolean)
      : [];
    said = messages.join("; ") || details.detail || details.title || "";
  } catch {
    // No problem details: something between us and the gateway has answered.
  }
  if (!said) said = `The gateway answered with status ${status}`;
  return /[.!?]$/.test(said) ? said : `${said}.`;
}
