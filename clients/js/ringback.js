// The client of Ringback: submits jobs over one socket and hears what becomes of them, whatever happens to the socket.
//
// It keeps a session, so that what finishes while it is away comes when it is back; it gives each submission a key, so
// that one that is sent again is the same job; it acknowledges what has arrived, in batches, and shows each thing once.
// The tabs of a browser share a session: one of them holds the socket, and the others hear it through that one.
// One file, no build step: `import { connect } from "/static/ringback.js"`.

/**
 * What a job may say besides its task and its content, as the protocol has it.
 * @typedef {object} JobOptions
 * @property {unknown} [input] what to work on, instead of a text: any JSON
 * @property {number} [delay] seconds that it waits at least
 * @property {string} [run_at] instead of that, a time (RFC 3339) before which it does not start
 * @property {number} [priority] each step is worth a minute of waiting
 * @property {number} [max_attempts] how often it may fail
 * @property {string} [concurrency_key] jobs of one task with the same key share the limits for each key
 * @property {boolean} [stream] whether it says its text piece by piece
 * @property {string} [traceparent] the trace that it is a part of (W3C Trace Context)
 * @property {string} [idempotency_key] a name for this submission; a random one, if this does not say
 */

/**
 * Something that happened to a job.
 * @typedef {{type: "queued", job_id: string}
 *   | {type: "progress", job_id: string, attempt: number, percent?: number, note?: string}
 *   | {type: "chunk", job_id: string, attempt: number, seq: number, text: string}
 *   | {type: "result", job_id: string, result: unknown}
 *   | {type: "failed" | "cancelled", job_id: string, error: JobError}} JobEvent
 */

/**
 * A job: a promise for its result, and an iterator of what happens to it.
 * @typedef {Promise<unknown> & AsyncIterable<JobEvent> & {id: Promise<string>, cancel: () => Promise<void>}} Job
 */

/**
 * `unauthorized` is a gateway that does not take the token, or an application that gives none to this user: it is
 * asked again by `connectNow`.
 * @typedef {"connecting" | "connected" | "reconnecting" | "unauthorized" | "closed"} StateName
 */

/**
 * How the connection is.
 * @typedef {object} State
 * @property {StateName} name
 * @property {string} why what ended the last socket; empty when there was none
 * @property {number} retryAt when the next one is opened, in milliseconds since 1970; 0 when one is open or opening
 * @property {boolean} doubted whether the device has said that it is offline, and nothing was heard since
 */

/**
 * Where what has to outlive the page is kept; `localStorage` is one.
 * @typedef {{getItem(key: string): string | null, setItem(key: string, value: string): void}} Store
 */

/**
 * A message from the server.
 * @typedef {object} Message
 * @property {string} action
 * @property {any} [payload]
 * @property {string} [ref]
 * @property {string} [id]
 * @property {string} [job_id]
 * @property {{code?: string, attempts?: number, attempt?: number, seq?: number, result?: unknown}} [job]
 */

/** @typedef {{type: string, msg: string, loc?: string[], retry_after?: number, maybe?: boolean}} ErrorItem */

/**
 * Something that this session was told of: a job that it has asked for, or a notice, and when it was heard
 * (milliseconds since 1970).
 * @typedef {{type: "job", id: string} | {type: "notice", id: string, text: string, at: number}} Told
 */

/** @typedef {{percent?: number | null, note?: string | null}} Progress */

/**
 * A task as HTTP has it.
 * @typedef {object} TaskInfo
 * @property {string} name
 * @property {string} queue
 * @property {number} max_attempts
 * @property {Record<string, any>} input what its jobs work on, as JSON Schema
 * @property {Record<string, any>} output what they give back
 * @property {number} workers how many can run it now
 */

/**
 * A job as HTTP has it.
 * @typedef {object} JobRecord
 * @property {string} id
 * @property {string} task what runs it
 * @property {string} task_type the name it was asked by
 * @property {string} queue
 * @property {unknown} input
 * @property {"scheduled" | "held" | "ready" | "running" | "waiting" | "succeeded" | "failed" | "cancelled"} state
 * @property {unknown} result
 * @property {string | null} error_code
 * @property {string | null} error
 * @property {Progress | null} progress
 * @property {number} attempts
 * @property {number} max_attempts
 * @property {string} queued_at
 * @property {string} run_at
 * @property {string | null} started_at
 * @property {string | null} finished_at
 * @property {boolean} is_cancelling
 * @property {string | null} retry_of
 * @property {string | null} retried_as
 */

/**
 * A piece of a job's text, as HTTP has it.
 * @typedef {{attempt: number, seq: number, text: string, recorded_at: string}} Chunk
 */

/** @typedef {"in" | "out" | "note"} Way */

/**
 * @typedef {object} Options
 * @property {string} [url] the socket; that of this page's own gateway, if this does not say
 * @property {string | (() => string | Promise<string>)} [token] for a gateway that asks for one; a function is asked
 *   whenever one is needed, and should then give one that is still good for a while; when it throws an error with the
 *   `status` 401 or 403, the state is `unauthorized`
 * @property {Store} [store] where the session is kept; `localStorage` in a browser, memory elsewhere
 * @property {string} [name] what it is called there
 * @property {boolean} [shareTabs] whether the tabs of a browser share one session and one socket; they do, unless there is
 *   a store of one's own
 * @property {typeof WebSocket} [WebSocket] where there is none, such as `ws` in older versions of Node
 * @property {number} [retryFirst] the shortest time between two sockets, in milliseconds
 * @property {number} [retryMost] the longest
 */

const SOCKET_PATH = "/ws/system/";
const RETRY_FIRST = 500;
const RETRY_MOST = 15_000;
/** A socket that has lived this long has worked: the next loss starts with the shortest delay again. */
const SETTLED_AFTER = 5_000;
const OPEN_WITHIN = 10_000;
/** A fresh ticket is given when so much of a token's time has passed, unless less than this is left. */
const RENEW_AT = 0.8;
const RENEW_BEFORE = 5_000;
/** The longest that a timer may wait. */
const LONGEST = 86_400_000;
/** Longer than a gateway waits for its database. */
const RESUME_WITHIN = 20_000;
/** What is said of jobs that are not known yet is kept for the answer that is still out, but not without end. */
const UNCLAIMED_AT_MOST = 5_000;
/** A socket on which nothing is heard for this long is asked whether it is there. */
const PING_AFTER = 20_000;
const PONG_WITHIN = 10_000;
/** Acknowledgements wait this long for others, and go in lists of at most so many. */
const ACK_AFTER = 100;
const ACKS_AT_ONCE = 500;
/** For how many jobs the server is told where one is in their texts. */
const HAVE_AT_MOST = 1_000;
/** The ids that are remembered, so that what comes again is shown once: more than a session may leave unacknowledged. */
const REMEMBERED = 2_000;
/** How much of what this session was told of is kept. */
const TOLD_AT_MOST = 200;
/** For how many jobs, and pieces of text, one request asks. */
const JOBS_AT_ONCE = 100;
const CHUNKS_AT_ONCE = 500;
const ANSWER_WITHIN = 30_000;
/** A submission over so many bytes is given up when so many sockets were lost on which it was sent. */
const LARGE = 65_536;
const LOSSES = 2;
/** So long it is waited before a job is looked up again: at first, and at most. */
const LOOK_FIRST = 1_000;
const LOOK_MOST = 15_000;
/** So long the tab with the socket stays, when that has ended for good: until the others must have heard. */
const LAST_WORDS = 250;
/** The messages that say how a job ended. */
const OUTCOMES = new Set(["job_result", "job_failed", "job_cancelled"]);
/** The states of a job that is over, and the messages that say so. */
const ENDS = new Map([["succeeded", "job_result"], ["failed", "job_failed"], ["cancelled", "job_cancelled"]]);
/** Errors of a wish to retry that may be so because of that wish, where an answer to it was lost. */
const DONE_BEFORE = new Set(["conflict", "not_found"]);
/** Errors after which only another token helps. */
const UNAUTHORIZED = new Set(["unauthorized", "forbidden"]);
/** Errors after which the same submission may be accepted. */
const PASSING = new Set(["busy", "rate_limited", "unavailable"]);

/** A job that has no result: it failed, was cancelled, or was not accepted. */
export class JobError extends Error {
  /**
   * @param {string} message
   * @param {object} facts
   * @param {string} facts.code a stable code: of `job_failed`, `cancelled`, or the type of the error
   * @param {string} [facts.jobId]
   * @param {number} [facts.attempts]
   * @param {ErrorItem[]} [facts.errors] everything that was wrong with the submission
   */
  constructor(message, { code, jobId, attempts, errors }) {
    super(message);
    this.name = "JobError";
    this.code = code;
    this.jobId = jobId;
    this.attempts = attempts;
    this.errors = errors;
  }
}

/**
 * Connects, and stays so.
 * @param {Options} [options]
 */
export function connect(options = {}) {
  return new Client(options);
}

/** What a client remembers beyond its sockets, and, in a store, beyond its page. */
class Memory {
  /** @type {{session: string, token: string} | null} */
  session = null;
  /** @type {readonly Told[]} what the session was told of, in the order in which it was heard */
  told = [];
  /** Whether the store has less than this. */
  isNews = false;
  /** @type {Set<string>} */
  #seen = new Set();
  /** @type {Set<string>} what was told and is not to be told again: it was forgotten, or is too long ago */
  #gone = new Set();

  /**
   * @param {Store | undefined} store
   * @param {string} name
   */
  constructor(store, name) {
    this.store = store;
    this.name = name;
    this.read();
  }

  /** Learns what the store knows: another tab may have written to it. */
  read() {
    try {
      const kept = JSON.parse(this.store?.getItem(this.name) ?? "null");
      if (typeof kept?.session === "string" && typeof kept?.token === "string") {
        this.session = { session: kept.session, token: kept.token };
        if (Array.isArray(kept.seen)) this.#seen = new Set([...kept.seen, ...this.#seen]);
        this.learn({ told: kept.told ?? [], gone: kept.gone ?? [] });
      }
    } catch {
      // What cannot be read is as good as nothing: it begins anew.
    }
  }

  /** @param {{session: string, token: string}} session */
  resumed(session) {
    this.session = { session: session.session, token: session.token };
    this.keep();
  }

  /**
   * Notes that a message has arrived; answers whether it is the first time.
   * @param {string} id
   */
  isNew(id) {
    if (this.#seen.has(id)) return false;
    this.#seen.add(id);
    trim(this.#seen);
    return true;
  }

  /**
   * Notes what the session was told of; answers whether any of it is news.
   * @param {Told[]} entries
   */
  tell(entries) {
    const known = new Set(this.told.map(({ id }) => id));
    const news = entries.filter(({ id }) => !known.has(id) && !this.#gone.has(id));
    if (news.length === 0) return false;
    this.#setTold([...this.told, ...news]);
    return true;
  }

  /** @param {string[]} ids */
  forget(ids) {
    for (const id of ids) this.#gone.add(id);
    this.#setTold(this.told);
  }

  /** What another tab has to know of what was told. */
  get account() {
    return { told: this.told, gone: [...this.#gone] };
  }

  /**
   * Learns what another tab was told, which comes before what only this one has heard.
   * @param {Account} account
   */
  learn({ told, gone }) {
    for (const id of gone) this.#gone.add(id);
    const theirs = new Set(told.map(({ id }) => id));
    this.#setTold([...told, ...this.told.filter(({ id }) => !theirs.has(id))]);
  }

  /** @param {readonly Told[]} told */
  #setTold(told) {
    const kept = told.filter(({ id }) => !this.#gone.has(id));
    for (const { id } of kept.slice(0, -TOLD_AT_MOST)) this.#gone.add(id);
    this.told = kept.slice(-TOLD_AT_MOST);
    trim(this.#gone);
    this.isNews = true;
  }

  /** Writes it to the store. */
  keep() {
    const { session, token } = this.session ?? {};
    const first = { session, token, seen: [...this.#seen] };
    this.isNews = false;
    if (this.#write({ ...first, ...this.account })) return;
    // A store that is full may still have room for the latest of it, or for what nothing goes on without.
    let { told } = this;
    while (told.length > 0) {
      told = told.slice(Math.ceil(told.length / 2));
      if (this.#write({ ...first, told, gone: [...this.#gone] })) return;
    }
    this.#write(first);
  }

  /** @param {object} kept */
  #write(kept) {
    try {
      this.store?.setItem(this.name, JSON.stringify(kept));
      return true;
    } catch {
      // Full or forbidden: it works on, and begins anew with the next page.
      return false;
    }
  }
}

/** A job that was asked for, until it is over. */
class Asked {
  /** @type {string | null} */
  jobId = null;
  /** Whether the session that there is knows of it. */
  isAnswered = false;
  /** Whether it was sent on the socket that there is. */
  isSent = false;
  /** How many sockets were lost on which it was sent and not answered. */
  losses = 0;
  /** Whether it may have had its effect without an answer to it, so that the next one is so because of that. */
  mayBeDone = false;
  isLookedUp = false;
  /** @type {[number, number]} where it is in the job's text */
  have = [0, 0];
  /** @type {JobEvent[]} */
  #events = [];
  #over = false;
  /** @type {Set<() => void>} */
  #waiting = new Set();

  /**
   * @param {string} ref what its answers carry
   * @param {string} text the message, which may be sent again
   * @param {string | null} retries the job that is to be retried; none, of a submission
   * @param {(asked: Asked) => Promise<void>} cancel
   */
  constructor(ref, text, retries, cancel) {
    this.ref = ref;
    this.text = text;
    this.retries = retries;
    this.size = bytesOf(text);
    /** @type {Promise<string>} */
    this.id = new Promise((resolve, reject) => {
      this.queuedAs = resolve;
      this.notQueued = reject;
    });
    const result = new Promise((resolve, reject) => {
      this.succeed = resolve;
      this.fail = reject;
    });
    // Whoever only iterates hears of a failure there.
    result.catch(() => {});
    this.id.catch(() => {});
    /** @type {Job} */
    this.job = Object.assign(result, {
      id: this.id,
      cancel: () => cancel(this),
      [Symbol.asyncIterator]: () => this.#iterate(),
    });
  }

  /**
   * @param {JobEvent} event
   * @param {boolean} isLast
   */
  add(event, isLast) {
    this.#events.push(event);
    this.#over = isLast;
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /**
   * A piece of its text; one that it has is passed over.
   * @param {Message} message
   */
  hear(message) {
    const { attempt = 0, seq = 0 } = message.job ?? {};
    if (attempt < this.have[0] || (attempt === this.have[0] && seq <= this.have[1])) return;
    this.have = [attempt, seq];
    this.add({ type: "chunk", job_id: jobOf(message), attempt, seq, text: message.payload }, false);
  }

  /**
   * Another has asked for the same job: its text is not told again.
   * @param {Asked} other
   */
  catchUpWith(other) {
    for (const event of other.#events) if (event.type === "chunk") this.add(event, false);
    this.have = other.have;
  }

  async *#iterate() {
    for (let next = 0; ; next += 1) {
      while (next === this.#events.length) {
        if (this.#over) return;
        await new Promise((resolve) => this.#waiting.add(() => resolve(undefined)));
      }
      yield this.#events[next];
    }
  }
}

/**
 * What the tab with the socket says to the others, and they to it.
 * @typedef {{type: "hello"}
 *   | {type: "account", account: Account}
 *   | {type: "forget", ids: string[]}
 *   | {type: "connect"}
 *   | {type: "send", text: string}
 *   | {type: "state", state: State, resumed: Resumed | null, tooLarge: string}
 *   | {type: "message", message: Message}} Whisper
 */

/** @typedef {{told: readonly Told[], gone: string[]}} Account */

/** @typedef {{session: string, token: string, recovered: boolean, pending: {job_id: string, state: string}[]}} Resumed */

/** The tabs of a browser: one of them leads, and when it is gone another does. */
class Tabs {
  #resign = () => {};
  #left = new AbortController();

  /**
   * @param {string} name
   * @param {(whisper: Whisper) => void} hear
   * @param {() => boolean} lead whether it does
   * @param {() => void} alone there is no way to agree with others
   */
  constructor(name, hear, lead, alone) {
    this.channel = new BroadcastChannel(name);
    this.channel.addEventListener("message", (event) => hear(event.data));
    const led = () => lead() && new Promise((resolve) => (this.#resign = () => resolve(undefined)));
    // It is given up when the tab is closed, or has crashed.
    navigator.locks.request(name, { signal: this.#left.signal }, led).catch(() => {
      // As where a page may store nothing.
      if (!this.#left.signal.aborted) alone();
    });
  }

  /** @param {Whisper} whisper */
  say(whisper) {
    this.channel.postMessage(whisper);
  }

  leave() {
    this.#left.abort();
    this.#resign();
    this.channel.close();
  }
}

/** A connection that is made again whenever it is lost. */
class Client {
  /** @type {WebSocket | null} */
  #socket = null;
  /** A ticket is being bought for a socket. @type {object | null} */
  #buying = null;
  /** When the token of the socket ends. @type {string | null} */
  #endsAt = null;
  /** The mark of the last fresh ticket that was given. */
  #renewal = "";
  /** Whether the session is this socket's, so that what is sent belongs to it. */
  #ready = false;
  #closed = "";
  #losses = 0;
  #everReady = false;
  /** Whether the socket has been open. */
  #isOpen = false;
  #refs = 0;
  #heardAt = 0;
  /** @type {State} */
  #state = { name: "connecting", why: "", retryAt: 0, doubted: false };
  /** @type {Map<string, Asked>} by their refs, until they are over */
  #asked = new Map();
  /** @type {Map<string, Set<Asked>>} by the ids of their jobs: more than one where a key was given twice */
  #jobs = new Map();
  /** @type {Map<string, {jobId: string, sent: number, resolve: () => void, reject: (error: JobError) => void}>} by their refs */
  #cancels = new Map();
  /**
   * What is said of jobs that nobody here has asked for, as far as is known: it may be that the answer to a submission was
   * lost, and comes again after all that.
   * @type {Map<string, Message[]>}
   */
  #unclaimed = new Map();
  /**
   * Where this client is in the texts of jobs, also of those that other tabs have asked for.
   * @type {Map<string, [number, number]>}
   */
  #places = new Map();
  /** @type {Tabs | null} */
  #tabs = null;
  /** Whether this tab has the socket, which it has always where there are no others. */
  #leads = true;
  /** @type {Resumed | null} the session of the socket */
  #session = null;
  /** How many bytes the largest frame had that was sent on the socket. */
  #largest = 0;
  /** @type {Map<string, number>} how many bytes what other tabs have sent has, by its refs, until it is answered */
  #others = new Map();
  /** The mark of what the gateway has closed the last socket on, since it was far too large. */
  #tooLarge = "";
  /** What the refs of this tab begin with. */
  #mark = randomKey().slice(0, 8);
  /** @type {Message[]} notices that came before the session was this socket's */
  #early = [];
  /** @type {string[]} */
  #acks = [];
  /** @type {Set<(text: string, id: string) => void>} */
  #onNotice = new Set();
  /** @type {Set<(state: State) => void>} */
  #onState = new Set();
  /** @type {Set<(message: Message, job?: Job) => void>} */
  #onMessage = new Set();
  /** @type {Set<(told: readonly Told[]) => void>} */
  #onTold = new Set();
  /** @type {Set<(way: Way, text: string) => void>} */
  #onFrame = new Set();
  /** @type {Record<string, ReturnType<typeof setTimeout>>} */
  #timers = {};

  /** @param {Options} options */
  constructor(options) {
    this.url = options.url ?? ownUrl();
    this.Socket = options.WebSocket ?? globalThis.WebSocket;
    if (!this.Socket) throw new Error("there is no WebSocket here; give one as the option WebSocket");
    this.token = options.token;
    this.retryFirst = options.retryFirst ?? RETRY_FIRST;
    this.retryMost = options.retryMost ?? RETRY_MOST;
    const name = options.name ?? "ringback";
    const shares = (options.shareTabs ?? !options.store) && canShare();
    // Without others to agree with, what all tabs have would be taken from one by the next.
    const store = options.store ?? (shares ? ownStore() : undefined);
    this.memory = new Memory(store, shares ? `${name} ${this.url}` : name);
    globalThis.addEventListener?.("online", this.#check);
    globalThis.addEventListener?.("offline", this.#doubt);
    globalThis.addEventListener?.("pagehide", this.#hide);
    globalThis.document?.addEventListener("visibilitychange", this.#check);
    if (shares) this.#share(`ringback ${name} ${this.url}`);
    else this.#connect();
  }

  /** @param {string} name */
  #share(name) {
    this.#leads = false;
    const lead = () => {
      if (this.#closed) return false;
      this.#leads = true;
      // What the one before has heard of is known, and what it has not said that it has comes again.
      this.#lost();
      this.memory.read();
      this.#tabs?.say({ type: "account", account: this.memory.account });
      tellAll(this.#onTold, this.memory.told);
      this.#connect();
      return true;
    };
    const alone = () => {
      this.#tabs = null;
      lead();
    };
    try {
      this.#tabs = new Tabs(name, (whisper) => this.#overhear(whisper), lead, alone);
      this.#tabs.say({ type: "hello" });
    } catch {
      alone();
    }
  }

  /** @param {Whisper} whisper */
  #overhear(whisper) {
    switch (whisper.type) {
      case "hello":
        if (!this.#leads) break;
        this.#tabs?.say({ type: "account", account: this.memory.account });
        this.#tellTabs();
        break;
      case "account":
        if (this.#leads) break;
        this.memory.learn(whisper.account);
        tellAll(this.#onTold, this.memory.told);
        break;
      case "forget":
        this.#forget(whisper.ids);
        break;
      case "connect":
        if (this.#leads) this.connectNow();
        break;
      case "send":
        if (!this.#leads || !this.#ready) break;
        this.#others.set(parse(whisper.text)?.ref ?? "", bytesOf(whisper.text));
        this.#post(whisper.text);
        break;
      case "state":
        if (!this.#leads) this.#hearState(whisper);
        break;
      case "message":
        if (this.#leads) break;
        if (this.#onFrame.size > 0) this.#frame("in", JSON.stringify(whisper.message));
        if (!whisper.message.id || this.memory.isNew(whisper.message.id)) this.#hear(whisper.message);
        else if (OUTCOMES.has(whisper.message.action)) this.#over(whisper.message);
        break;
    }
  }

  /**
   * How the connection of the tab with the socket is.
   * @param {{state: State, resumed: Resumed | null, tooLarge: string}} whisper
   */
  #hearState({ state, resumed, tooLarge }) {
    if (resumed) {
      this.memory.session = resumed;
      if (!this.#ready) {
        this.#frame("note", "connected through another tab");
        this.#begun(resumed);
      }
    } else {
      this.#lost(tooLarge);
    }
    if (state.name === "closed") this.#end(state.why);
    else this.#tell(state);
  }

  /** How the connection is. */
  get state() {
    return this.#state;
  }

  /**
   * Submits a job. It is sent again, as the same job, until there is an answer.
   * @param {string} task
   * @param {string | null} content the text to work on; null with the option `input`
   * @param {JobOptions} [options]
   * @returns {Job}
   */
  submit(task, content, options = {}) {
    const idempotency_key = options.idempotency_key ?? randomKey();
    const payload = { ...options, task_type: task, content: content ?? undefined, idempotency_key };
    return this.#begin("system_message", payload);
  }

  /**
   * Gives a job of this session another chance: one that waits for its time is due now; one that has failed or was
   * cancelled is submitted again, as a new job.
   * @param {string} jobId
   * @returns {Job} the job to wait for: the same, or the new one
   */
  retry(jobId) {
    return this.#begin("retry_job", { job_id: jobId }, jobId);
  }

  /**
   * Cancels a job of this session. Its end comes as that of any job.
   * @param {string} jobId
   * @returns {Promise<void>} done when the server has said that it will be; otherwise a `JobError`
   */
  cancel(jobId) {
    const ref = this.#ref();
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new JobError(this.#closed, { code: "closed", jobId }));
      this.#cancels.set(ref, { jobId, sent: 0, resolve: () => resolve(), reject });
      if (this.#ready) this.#askToCancel(ref);
    });
  }

  /**
   * Hears the notices to everyone, each once.
   * @param {(text: string, id: string) => void} listener
   * @returns {() => void} what ends that
   */
  onNotice(listener) {
    return listen(this.#onNotice, listener);
  }

  /**
   * Hears how the connection is, now and whenever that changes.
   * @param {(state: State) => void} listener
   * @returns {() => void} what ends that
   */
  onState(listener) {
    listener(this.#state);
    return listen(this.#onState, listener);
  }

  /**
   * Hears every message, each once, also about jobs that an earlier page has asked for. With the direct answer to what
   * this page has asked for comes the job that `submit` or `retry` has given.
   * @param {(message: Message, job?: Job) => void} listener
   * @returns {() => void} what ends that
   */
  onMessage(listener) {
    return listen(this.#onMessage, listener);
  }

  /**
   * What this session was told of, in the order in which it was heard, the latest 200: the jobs that this page, earlier
   * ones and other tabs have asked for, and the notices. It outlives the page.
   * @returns {readonly Told[]}
   */
  get told() {
    return this.memory.told;
  }

  /**
   * Hears what this session was told of, now and whenever there is more or less of it. A message that adds to it is
   * heard before.
   * @param {(told: readonly Told[]) => void} listener
   * @returns {() => void} what ends that
   */
  onTold(listener) {
    listener(this.memory.told);
    return listen(this.#onTold, listener);
  }

  /** Empties what this session was told of, in all tabs. Its jobs go on, and are not told of again. */
  forgetTold() {
    const ids = this.memory.told.map(({ id }) => id);
    this.#tabs?.say({ type: "forget", ids });
    this.#forget(ids);
  }

  /**
   * What the server knows of jobs, in the order of these ids; those that it does not know are left out.
   * @param {string[]} ids
   * @returns {Promise<JobRecord[]>} otherwise a `JobError`
   */
  async jobs(ids) {
    /** @type {Map<string, JobRecord>} */
    const found = new Map();
    for (let start = 0; start < ids.length; start += JOBS_AT_ONCE) {
      const some = ids.slice(start, start + JOBS_AT_ONCE);
      let cursor = "";
      do {
        const query = new URLSearchParams({ id: some.join(","), limit: String(JOBS_AT_ONCE) });
        if (cursor) query.set("cursor", cursor);
        const page = await this.#read(`jobs?${query}`);
        for (const job of page.jobs) found.set(job.id, job);
        cursor = page.next ?? "";
      } while (cursor && !some.every((id) => found.has(id)));
    }
    return ids.flatMap((id) => found.get(id) ?? []);
  }

  /**
   * What the fleet can run, by name, with what its jobs work on and give back (JSON Schema).
   * @returns {Promise<TaskInfo[]>} otherwise a `JobError`
   */
  async tasks() {
    return (await this.#read("tasks")).tasks;
  }

  /**
   * What a job has said so far, piece by piece and in order. A piece of a higher attempt starts the text again.
   * @param {string} jobId
   * @param {[attempt: number, seq: number]} [after] the piece after which it begins
   * @returns {AsyncGenerator<Chunk, void>} throws a `JobError`
   */
  async *chunks(jobId, after) {
    let place = after?.join("-") ?? "";
    do {
      const query = new URLSearchParams({ limit: String(CHUNKS_AT_ONCE) });
      if (place) query.set("after", place);
      const page = await this.#read(`jobs/${encodeURIComponent(jobId)}/chunks?${query}`);
      yield* page.chunks;
      place = page.next ?? "";
    } while (place);
  }

  /**
   * Hears the frames as they cross the wire, and notes about the wire itself. In a tab that does not hold the socket
   * they are what it hears, and what it says, through the one that does.
   * @param {(way: Way, text: string) => void} listener
   * @returns {() => void} what ends that
   */
  onFrame(listener) {
    return listen(this.#onFrame, listener);
  }

  /**
   * Sends a message of one's own, for which there is no method here. What it brings is heard with `onMessage`.
   * @param {object} message
   * @returns {boolean} whether there is a session to send it to now
   */
  send(message) {
    if (!this.#ready) return false;
    this.#send(message);
    return true;
  }

  /** Opens a socket without waiting, unless one is open or opening. */
  connectNow() {
    if (!this.#leads) this.#tabs?.say({ type: "connect" });
    if (this.#socket || this.#buying || this.#closed || !this.#leads) return;
    this.#losses = 0;
    this.#connect();
  }

  /** Ends the connection for good; the session stays, for another client with the same store. */
  close() {
    this.#sendAcks();
    globalThis.removeEventListener?.("online", this.#check);
    globalThis.removeEventListener?.("offline", this.#doubt);
    globalThis.removeEventListener?.("pagehide", this.#hide);
    globalThis.document?.removeEventListener("visibilitychange", this.#check);
    // The others go on.
    const tabs = this.#tabs;
    this.#tabs = null;
    this.#end("the client was closed");
    tabs?.leave();
  }

  #connect() {
    this.#stopTimers();
    if (this.token !== undefined) return void this.#connectWithTicket();
    this.#open(new this.Socket(this.url));
  }

  /** A socket cannot carry a token: it is opened with a ticket, which is bought with one and is good once. */
  async #connectWithTicket() {
    const buying = {};
    this.#buying = buying;
    this.#isOpen = false;
    this.#tell({ name: this.#everReady ? "reconnecting" : "connecting", retryAt: 0 });
    try {
      const { ticket, token_ends_at } = await this.#buy();
      if (buying !== this.#buying) return;
      this.#buying = null;
      this.#endsAt = token_ends_at;
      this.#open(new this.Socket(this.url, ["ringback", `ringback.ticket.${ticket}`]));
    } catch (error) {
      if (buying !== this.#buying) return;
      this.#buying = null;
      const why = error instanceof Error ? error.message : String(error);
      if (!UNAUTHORIZED.has(/** @type {JobError} */ (error).code)) return this.#missed(why);
      this.#frame("note", `could not connect (${why})`);
      this.#tell({ name: "unauthorized", why, retryAt: 0, doubted: false });
    }
  }

  /** @returns {Promise<{ticket: string, token_ends_at: string | null}>} */
  #buy() {
    return this.#fetch("tickets", { method: "POST", signal: AbortSignal.timeout(OPEN_WITHIN) });
  }

  /**
   * Gives a fresh ticket before the token ends, so that the socket stays.
   * @param {string | null} endsAt
   */
  #renewLater(endsAt) {
    const left = endsAt === null ? 0 : Date.parse(endsAt) - Date.now();
    // What is missed here, the server's close says.
    if (left < RENEW_BEFORE) return;
    this.#after("renew", Math.min(left * RENEW_AT, LONGEST), () => void this.#renew(endsAt));
  }

  /** @param {string | null} endsAt */
  async #renew(endsAt) {
    const socket = this.#socket;
    let fresh = { ticket: "", token_ends_at: endsAt };
    try {
      fresh = await this.#buy();
    } catch {
      // It is tried again, as long as there is time.
    }
    if (socket !== this.#socket) return;
    // The same token is no reason to speak of it.
    if (fresh.token_ends_at !== endsAt) {
      this.#renewal = this.#ref();
      this.#send({ action: "authenticate", payload: { ticket: fresh.ticket }, ref: this.#renewal });
    }
    this.#renewLater(fresh.token_ends_at);
  }

  /** @param {WebSocket} socket */
  #open(socket) {
    this.#socket = socket;
    this.#largest = 0;
    this.#tooLarge = "";
    this.#after("open", OPEN_WITHIN, () => this.#lose(socket, "no answer to the handshake"));
    socket.addEventListener("open", () => this.#opened(socket));
    socket.addEventListener("message", (event) => this.#received(socket, event.data));
    socket.addEventListener("close", (event) => this.#ended(socket, event));
    // A close follows.
    socket.addEventListener("error", () => {});
    this.#isOpen = false;
    this.#tell({ name: this.#everReady ? "reconnecting" : "connecting", retryAt: 0 });
  }

  /** @param {WebSocket} socket */
  #opened(socket) {
    if (socket !== this.#socket) return;
    this.#heardAt = performance.now();
    this.#isOpen = true;
    this.#frame("note", "connection opened");
    this.#watch(socket);
    this.#resume();
  }

  #resume() {
    const socket = /** @type {WebSocket} */ (this.#socket);
    this.#after("open", RESUME_WITHIN, () => this.#lose(socket, "no answer to the wish to resume"));
    // What is left out is told again from its beginning, and heard once.
    const have = Object.fromEntries([...this.#places].slice(-HAVE_AT_MOST));
    const { session } = this.memory;
    this.#send({ action: "resume", payload: session && { session: session.session, token: session.token, have } });
  }

  /**
   * @param {WebSocket} socket
   * @param {unknown} data
   */
  #received(socket, data) {
    if (socket !== this.#socket) return;
    this.#heardAt = performance.now();
    if (this.#state.doubted) this.#tell({ doubted: false });
    if (typeof data !== "string") return this.#frame("note", "a binary frame was received and ignored");
    this.#frame("in", data);
    const message = parse(data);
    if (!message) return;
    if (!this.#ready && message.action === "system_notification") {
      // Those that were missed come first, and this one after them, again.
      this.#early.push(message);
      return;
    }
    this.#take(socket, message);
  }

  /**
   * Hears a message, if that is the first time.
   * @param {WebSocket} socket
   * @param {Message} message
   */
  #take(socket, message) {
    if (message.id) {
      const isNew = this.memory.isNew(message.id);
      this.#acknowledge(message.id);
      if (!isNew) {
        // A job that is asked for again has the outcome that was heard before.
        if (OUTCOMES.has(message.action)) {
          this.#tabs?.say({ type: "message", message });
          this.#over(message);
        }
        return;
      }
    }
    if (message.ref !== undefined) this.#others.delete(message.ref);
    if (message.ref !== undefined && message.ref === this.#renewal) return;
    if (message.action === "resumed") {
      this.#resumed(socket, message.payload);
    } else if (message.action === "error" && message.ref === undefined && !this.#ready) {
      this.#notResumed(socket, message);
    } else if (message.action !== "pong") {
      this.#tabs?.say({ type: "message", message });
      this.#hear(message);
    }
  }

  /** @param {Message} message */
  #hear(message) {
    // An answer may end what it is the answer to.
    const asked = message.ref === undefined ? undefined : this.#asked.get(message.ref);
    switch (message.action) {
      case "job_queued":
        this.#queued(message);
        break;
      case "job_chunk":
        if (!this.#chunk(message)) return;
        break;
      case "job_progress":
        for (const asked of this.#asking(message)) {
          const { attempt = 0 } = message.job ?? {};
          asked.add({ type: "progress", job_id: jobOf(message), attempt, ...message.payload }, false);
        }
        break;
      case "job_result":
      case "job_failed":
      case "job_cancelled":
        this.#over(message);
        break;
      case "job_cancelling":
        this.#cancelling(message.ref);
        break;
      case "system_notification":
        tellAll(this.#onNotice, message.payload, message.id ?? "");
        break;
      case "error":
        this.#refused(message);
        break;
    }
    tellAll(this.#onMessage, message, asked?.job);
    this.#note(toldBy(message));
  }

  /** @param {Told[]} entries */
  #note(entries) {
    if (!this.memory.tell(entries)) return;
    if (this.#leads) this.#keepSoon();
    tellAll(this.#onTold, this.memory.told);
  }

  /** @param {string[]} ids */
  #forget(ids) {
    this.memory.forget(ids);
    if (this.#leads) this.memory.keep();
    tellAll(this.#onTold, this.memory.told);
  }

  /**
   * The session is this socket's.
   * @param {WebSocket} socket
   * @param {Resumed} payload
   */
  #resumed(socket, payload) {
    clearTimeout(this.#timers.open);
    this.memory.resumed(payload);
    this.#session = payload;
    this.#after("settled", SETTLED_AFTER, () => {
      if (socket === this.#socket) this.#losses = 0;
    });
    this.#renewLater(this.#endsAt);
    this.#begun(payload);
    this.#tell({ name: "connected", why: "", retryAt: 0, doubted: false });
    // A session that has just begun has missed nothing.
    if (!payload.recovered) for (const notice of this.#early) this.#take(socket, notice);
    this.#early = [];
  }

  /**
   * What has no answer is asked again.
   * @param {Resumed} payload
   */
  #begun(payload) {
    this.#ready = true;
    this.#everReady = true;
    for (const asked of this.#asked.values()) {
      // A new session does not know of the jobs of the old one; with their keys they are the same jobs.
      if (asked.isAnswered && !payload.recovered) {
        asked.isAnswered = false;
        asked.mayBeDone = true;
      }
      if (!asked.isAnswered) this.#ask(asked);
    }
    for (const ref of this.#cancels.keys()) this.#askToCancel(ref);
    // Those whose answers nobody has heard.
    const pending = payload.pending.map((job) => job.job_id).sort();
    this.#note(pending.map((id) => ({ type: "job", id })));
  }

  /**
   * Nothing can be sent until there is a session again.
   * @param {string} [tooLarge] the mark of what the gateway has closed the socket on
   */
  #lost(tooLarge) {
    this.#ready = false;
    for (const [ref] of [...this.#asked, ...this.#cancels]) {
      clearTimeout(this.#timers[ref]);
      delete this.#timers[ref];
    }
    for (const asked of this.#asked.values()) {
      if (asked.isSent && !asked.isAnswered) {
        asked.losses += 1;
        asked.mayBeDone = true;
      }
      asked.isSent = false;
      // What cuts the connection whenever it is sent must not do so for ever: the gateway closes on what is far too large,
      // and not every browser says that it did.
      if (asked.ref === tooLarge || (asked.losses >= LOSSES && asked.size > LARGE)) this.#giveUp(asked);
    }
  }

  /** @param {Asked} asked */
  #giveUp(asked) {
    this.#asked.delete(asked.ref);
    this.#forgetUnclaimed();
    const words = `it is too large: the connection was lost as it was sent (${asked.size} bytes)`;
    this.#refuse(asked, new JobError(words, { code: "too_large" }));
  }

  /** The mark of the largest of what was sent and has no answer, unless something else was larger. */
  #largestUnanswered() {
    const mine = [...this.#asked.values()].filter((asked) => asked.isSent && !asked.isAnswered);
    const sent = [...this.#others, ...mine.map((asked) => /** @type {const} */ ([asked.ref, asked.size]))];
    return sent.find(([, size]) => size >= this.#largest)?.[0] ?? "";
  }

  /**
   * There is no session: without one nothing else goes on.
   * @param {WebSocket} socket
   * @param {Message} message
   */
  #notResumed(socket, message) {
    const [error] = /** @type {ErrorItem[]} */ (message.payload);
    const delay = (error?.retry_after ?? 1) * 1_000;
    this.#after("resume", delay, () => socket === this.#socket && !this.#ready && this.#resume());
  }

  /** @param {Message} message */
  #queued(message) {
    const asked = message.ref === undefined ? undefined : this.#asked.get(message.ref);
    if (!asked || message.job_id === undefined) return;
    this.#claim(asked, message.job_id);
  }

  /**
   * This is the job of what was asked for.
   * @param {Asked} asked
   * @param {string} jobId
   */
  #claim(asked, jobId) {
    const isFirst = asked.jobId === null;
    asked.isAnswered = true;
    asked.jobId = jobId;
    const everyone = this.#jobs.get(jobId) ?? new Set();
    const [other] = everyone;
    this.#jobs.set(jobId, everyone.add(asked));
    if (isFirst) {
      asked.queuedAs?.(jobId);
      asked.add({ type: "queued", job_id: jobId }, false);
      if (other && other !== asked) asked.catchUpWith(other);
    }
    for (const said of this.#unclaimed.get(jobId) ?? []) {
      if (OUTCOMES.has(said.action)) this.#over(said);
      else asked.hear(said);
    }
    this.#unclaimed.delete(jobId);
    this.#forgetUnclaimed();
  }

  #forgetUnclaimed() {
    if (!this.#isUnanswered()) this.#unclaimed.clear();
  }

  /** @param {Message} message */
  #keepUnclaimed(message) {
    if (!this.#isUnanswered()) return;
    const jobId = jobOf(message);
    const said = this.#unclaimed.get(jobId) ?? [];
    this.#unclaimed.set(jobId, said);
    said.push(message);
    if (said.length > UNCLAIMED_AT_MOST) said.shift();
  }

  /** Whether a submission has no answer, so that any job may be its. */
  #isUnanswered() {
    for (const asked of this.#asked.values()) if (!asked.isAnswered) return true;
    return false;
  }

  /**
   * A piece of a job's text; answers whether it is news.
   * @param {Message} message
   */
  #chunk(message) {
    const { attempt = 0, seq = 0 } = message.job ?? {};
    const everyone = this.#asking(message);
    const [lastAttempt, last] = this.#places.get(jobOf(message)) ?? [0, 0];
    const isNews = attempt > lastAttempt || (attempt === lastAttempt && seq > last);
    if (isNews) this.#places.set(jobOf(message), [attempt, seq]);
    for (const asked of everyone) asked.hear(message);
    if (isNews && everyone.length === 0) this.#keepUnclaimed(message);
    return isNews;
  }

  /** @param {Message} message */
  #over(message) {
    const jobId = jobOf(message);
    const everyone = this.#asking(message);
    if (everyone.length === 0) this.#keepUnclaimed(message);
    this.#jobs.delete(jobId);
    this.#places.delete(jobId);
    for (const asked of everyone) this.#finish(asked, message);
  }

  /**
   * @param {Asked} asked
   * @param {Message} message how its job has ended
   */
  #finish(asked, message) {
    const jobId = jobOf(message);
    this.#asked.delete(asked.ref);
    if (message.action === "job_result") {
      const result = message.job && "result" in message.job ? message.job.result : message.payload;
      asked.add({ type: "result", job_id: jobId, result }, true);
      asked.succeed?.(result);
    } else {
      const { code = "failed", attempts } = message.job ?? {};
      const error = new JobError(message.payload, { code, jobId, attempts });
      const type = message.action === "job_cancelled" ? "cancelled" : "failed";
      asked.add({ type, job_id: jobId, error }, true);
      asked.fail?.(error);
    }
  }

  /** @param {Message} message */
  #refused(message) {
    const errors = /** @type {ErrorItem[]} */ (Array.isArray(message.payload) ? message.payload : []);
    const [first] = errors;
    if (!first || message.ref === undefined) return;
    const again = errors.every((error) => PASSING.has(error.type));
    const delay = Math.max(...errors.map((error) => error.retry_after ?? 1)) * 1_000;
    const asked = this.#asked.get(message.ref);
    const cancel = this.#cancels.get(message.ref);
    const { ref } = message;
    if (again && (asked || cancel)) {
      if (asked && errors.some((error) => error.type === "unavailable")) asked.mayBeDone = true;
      // Nothing was stored, or it is the same job.
      this.#after(ref, delay, () => {
        if (!this.#ready) return;
        if (asked) this.#ask(asked);
        else if (cancel) this.#askToCancel(ref);
      });
    } else if (asked?.retries && asked.mayBeDone && DONE_BEFORE.has(first.type)) {
      asked.isAnswered = true;
      if (!asked.isLookedUp) void this.#lookUp(asked, asked.retries, errors);
    } else if (asked) {
      this.#decline(asked, errors);
    } else if (cancel && first.type === "conflict" && cancel.sent > 1) {
      // It is over, as it was to be: the first answer was lost.
      this.#cancelling(ref);
    } else if (cancel) {
      this.#cancels.delete(ref);
      cancel.reject(new JobError(sentence(errors), { code: first.type, jobId: cancel.jobId, errors }));
    }
  }

  /**
   * @param {Asked} asked
   * @param {ErrorItem[]} errors
   */
  #decline(asked, errors) {
    if (!this.#asked.delete(asked.ref)) return;
    if (asked.jobId !== null) this.#jobs.get(asked.jobId)?.delete(asked);
    this.#forgetUnclaimed();
    this.#refuse(asked, new JobError(sentence(errors), { code: errors[0]?.type ?? "error", errors }));
  }

  /**
   * Finds out what became of a job that was retried. It is no more to be retried, which may be so because it was, and the
   * answer was lost; or it is not this session's, which may be new. In the first case the session is told of its end,
   * unless that was before.
   * @param {Asked} asked
   * @param {string} retried
   * @param {ErrorItem[]} errors
   */
  async #lookUp(asked, retried, errors) {
    const isTold = errors[0]?.type === "conflict";
    asked.isLookedUp = true;
    try {
      const jobId = asked.jobId ?? (isTold ? retried : await this.#retriedAs(retried));
      if (jobId === null) return this.#decline(asked, errors);
      for (let turn = 0; this.#asked.has(asked.ref); turn += 1) {
        const job = await this.#lookAt(jobId);
        if (this.#asked.has(asked.ref)) this.#claim(asked, jobId);
        if (!this.#asked.has(asked.ref)) return;
        const action = ENDS.get(job.state);
        if (action) {
          this.#jobs.get(jobId)?.delete(asked);
          const { result, error_code, attempts } = job;
          const facts = action === "job_result" ? { result, attempts } : { code: error_code ?? job.state, attempts };
          return this.#finish(asked, { action, payload: job.error ?? job.state, job_id: jobId, job: facts });
        }
        if (isTold) return;
        await betweenLooks(turn);
      }
    } catch {
      this.#decline(asked, errors);
    } finally {
      asked.isLookedUp = false;
    }
  }

  /**
   * The job to wait for when this one was retried; none, where that was without effect.
   * @param {string} jobId
   */
  async #retriedAs(jobId) {
    const job = await this.#lookAt(jobId);
    return job.retried_as ?? (job.state === "failed" || job.state === "cancelled" ? null : jobId);
  }

  /**
   * A job as HTTP has it, for as long as it takes.
   * @param {string} jobId
   * @returns {Promise<JobRecord>} otherwise a `JobError`
   */
  async #lookAt(jobId) {
    for (let turn = 0; ; turn += 1) {
      try {
        const [job] = await this.jobs([jobId]);
        if (job) return job;
      } catch (error) {
        if (this.#closed || !PASSING.has(/** @type {JobError} */ (error).code)) throw error;
        await betweenLooks(turn);
        continue;
      }
      throw new JobError("there is no such job any more", { code: "not_found", jobId });
    }
  }

  /** @param {string | undefined} ref */
  #cancelling(ref) {
    const cancel = ref === undefined ? undefined : this.#cancels.get(ref);
    if (!cancel || ref === undefined) return;
    this.#cancels.delete(ref);
    cancel.resolve();
  }

  /**
   * @param {Asked} asked
   * @param {JobError} error
   */
  #refuse(asked, error) {
    asked.notQueued?.(error);
    asked.add({ type: "failed", job_id: asked.jobId ?? "", error }, true);
    asked.fail?.(error);
  }

  /**
   * @param {string} action
   * @param {object} payload
   * @param {string | null} retries
   */
  #begin(action, payload, retries = null) {
    const ref = this.#ref();
    const [text, unusable] = written({ action, payload, ref });
    const asked = new Asked(ref, text, retries, (asked) => this.#cancel(asked));
    if (unusable) {
      this.#refuse(asked, new JobError(unusable, { code: "invalid" }));
    } else if (this.#closed) {
      this.#refuse(asked, new JobError(this.#closed, { code: "closed" }));
    } else {
      this.#asked.set(ref, asked);
      if (this.#ready) this.#ask(asked);
    }
    return asked.job;
  }

  /** @param {string} ref */
  #askToCancel(ref) {
    const cancel = this.#cancels.get(ref);
    if (!cancel) return;
    cancel.sent += 1;
    this.#send({ action: "cancel_job", payload: { job_id: cancel.jobId }, ref });
  }

  /** @param {Asked} asked */
  async #cancel(asked) {
    await this.cancel(await asked.id);
  }

  /** @param {Message} message */
  #asking(message) {
    return [...(this.#jobs.get(jobOf(message)) ?? [])];
  }

  /** @param {Asked} asked */
  #ask(asked) {
    asked.isSent = true;
    this.#write(asked.text);
  }

  #ref() {
    this.#refs += 1;
    return `${this.#mark}-${this.#refs}`;
  }

  /** @param {object} message */
  #send(message) {
    this.#write(JSON.stringify(message));
  }

  /** @param {string} text */
  #write(text) {
    if (this.#leads) return this.#post(text);
    this.#frame("out", text);
    this.#tabs?.say({ type: "send", text });
  }

  /** @param {string} text */
  #post(text) {
    if (!this.#socket) return;
    this.#frame("out", text);
    this.#largest = Math.max(this.#largest, bytesOf(text));
    this.#socket.send(text);
  }

  /**
   * @param {Way} way
   * @param {string} text
   */
  #frame(way, text) {
    tellAll(this.#onFrame, way, text);
  }

  /**
   * @param {string} path
   * @returns {Promise<any>}
   */
  #read(path) {
    return this.#fetch(path, { signal: AbortSignal.timeout(ANSWER_WITHIN) });
  }

  /**
   * What HTTP answers, which is where the socket is.
   * @param {string} path
   * @param {RequestInit & {signal: AbortSignal}} request
   * @returns {Promise<any>}
   */
  async #fetch(path, request) {
    const url = new URL(`../../api/v1/${path}`, this.url.replace(/^ws/, "http"));
    let status = 0;
    let answer;
    const token = await this.#currentToken(request.signal);
    try {
      if (token !== undefined) request.headers = { authorization: `Bearer ${token}` };
      const response = await fetch(url, request);
      status = response.status;
      answer = await response.json();
      if (response.ok) return answer;
    } catch (error) {
      const why = status === 0 ? error : `the answer, with status ${status}, is no JSON`;
      throw new JobError(`${url.pathname} could not be read: ${why}`, { code: "unavailable" });
    }
    const errors = /** @type {ErrorItem[]} */ (answer?.errors ?? []);
    const code = errors[0]?.type ?? (status >= 500 ? "unavailable" : `http_${status}`);
    throw new JobError(sentence(errors) || `${url.pathname} was answered with status ${status}`, { code, errors });
  }

  /**
   * What the application gives, in the time that there is for the request.
   * @param {AbortSignal} signal
   */
  async #currentToken(signal) {
    if (typeof this.token !== "function") return this.token;
    try {
      return await within(signal, this.token);
    } catch (error) {
      const { status, message = String(error) } = /** @type {{status?: number, message?: string}} */ (error ?? {});
      const code = status === 401 ? "unauthorized" : status === 403 ? "forbidden" : "unavailable";
      throw new JobError(`there is no token: ${message}`, { code });
    }
  }

  /** @param {string} id */
  #acknowledge(id) {
    this.#acks.push(id);
    if (this.#acks.length >= ACKS_AT_ONCE) this.#sendAcks();
    else this.#keepSoon();
  }

  #keepSoon() {
    if (!this.#timers.acks) this.#after("acks", ACK_AFTER, () => this.#sendAcks());
  }

  #sendAcks() {
    clearTimeout(this.#timers.acks);
    delete this.#timers.acks;
    if (this.#acks.length === 0 && !(this.#leads && this.memory.isNews)) return;
    // Before it is acknowledged: what is not comes again, on the next socket or to the next page.
    this.memory.keep();
    if (this.#acks.length === 0) return;
    if (this.#ready) this.#send({ action: "ack", payload: { ids: this.#acks } });
    this.#acks = [];
  }

  /** The page goes, perhaps for good. */
  #hide = () => this.#sendAcks();

  /**
   * Finds out whether a socket that is silent is there.
   * @param {WebSocket} socket
   */
  #watch(socket) {
    this.#after("silence", PING_AFTER, () => {
      if (socket !== this.#socket) return;
      if (performance.now() - this.#heardAt >= PING_AFTER) this.#ping(socket);
      else this.#watch(socket);
    });
  }

  /** @param {WebSocket} socket */
  #ping(socket) {
    const asked = performance.now();
    this.#send({ action: "ping" });
    this.#after("silence", PONG_WITHIN, () => {
      if (socket !== this.#socket) return;
      if (this.#heardAt >= asked) this.#watch(socket);
      else this.#lose(socket, "no pong in time");
    });
  }

  /** The device says that it is offline: what is there to be said is true only when something is heard. */
  #doubt = () => {
    if (this.#socket && this.#ready) this.#tell({ doubted: true });
    this.#check();
  };

  /** The network may have come or gone, or somebody looks at the page again. */
  #check = () => {
    if (this.#socket && this.#ready) this.#ping(this.#socket);
    else if (globalThis.navigator?.onLine !== false) this.connectNow();
  };

  /**
   * @param {WebSocket} socket
   * @param {CloseEvent} event
   */
  #ended(socket, event) {
    if (socket !== this.#socket) return;
    const said = event.reason || `code ${event.code}`;
    if (event.code >= 4000 && event.reason.endsWith("do not come back")) this.#end(said);
    else {
      if (event.code === 1009) this.#tooLarge = this.#largestUnanswered();
      this.#lose(socket, said);
    }
  }

  /**
   * Gives a socket up, whether or not its close was heard, and plans the next.
   * @param {WebSocket} socket
   * @param {string} why
   */
  #lose(socket, why) {
    if (socket === this.#socket) this.#missed(why);
  }

  /**
   * There is no socket, and there will be another.
   * @param {string} why
   */
  #missed(why) {
    this.#frame("note", this.#isOpen ? `connection lost (${why})` : `could not connect (${why})`);
    this.#leave();
    const most = Math.min(this.retryMost, this.retryFirst * 2 ** (this.#losses + 1));
    const delay = this.retryFirst + Math.random() * Math.max(0, most - this.retryFirst);
    this.#losses += 1;
    this.#after("retry", delay, () => this.#connect());
    const name = this.#everReady ? "reconnecting" : "connecting";
    this.#tell({ name, why, retryAt: Date.now() + delay, doubted: false });
  }

  /** @param {string} why */
  #end(why) {
    if (this.#closed) return;
    this.#closed = why;
    if (this.#isOpen) this.#frame("note", `connection ended (${why})`);
    this.#leave();
    const error = new JobError(why, { code: "closed" });
    for (const asked of this.#asked.values()) this.#refuse(asked, error);
    for (const cancel of this.#cancels.values()) cancel.reject(error);
    this.#asked.clear();
    this.#jobs.clear();
    this.#unclaimed.clear();
    this.#cancels.clear();
    this.#tell({ name: "closed", why, retryAt: 0, doubted: false });
    const tabs = this.#tabs;
    this.#tabs = null;
    // Who gets the lock before it has heard would take the session back.
    if (tabs) setTimeout(() => tabs.leave(), LAST_WORDS);
  }

  #leave() {
    const socket = this.#socket;
    this.#socket = null;
    this.#buying = null;
    this.#lost(this.#tooLarge);
    this.#others.clear();
    this.#session = null;
    this.#early = [];
    if (this.#acks.length > 0 || (this.#leads && this.memory.isNews)) this.memory.keep();
    this.#acks = [];
    this.#isOpen = false;
    this.#stopTimers();
    socket?.close();
  }

  /**
   * @param {string} name
   * @param {number} delay
   * @param {() => void} then
   */
  #after(name, delay, then) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = setTimeout(() => {
      delete this.#timers[name];
      then();
    }, delay);
  }

  #stopTimers() {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#timers = {};
  }

  /** @param {Partial<State>} change */
  #tell(change) {
    this.#state = { ...this.#state, ...change };
    if (this.#leads) this.#tellTabs();
    tellAll(this.#onState, this.#state);
  }

  #tellTabs() {
    const resumed = this.#ready ? this.#session : null;
    this.#tabs?.say({ type: "state", state: this.#state, resumed, tooLarge: this.#tooLarge });
  }
}

/**
 * @template T
 * @param {Set<T>} listeners
 * @param {T} listener
 */
function listen(listeners, listener) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** A name that nobody else gives; also where a page is not secure enough for `crypto.randomUUID`. */
function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * A message as it is sent, or why it cannot be.
 * @param {object} message
 * @returns {[string, string]}
 */
function written(message) {
  try {
    return [JSON.stringify(message), ""];
  } catch (error) {
    return ["", `it cannot be written as JSON: ${error instanceof Error ? error.message : error}`];
  }
}

/**
 * Tells every listener; one that throws keeps nothing from the others.
 * @template {unknown[]} T
 * @param {Set<(...told: T) => void>} listeners
 * @param {T} told
 */
function tellAll(listeners, ...told) {
  for (const listener of [...listeners]) {
    try {
      listener(...told);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

/**
 * What is asked for, unless the time is over before it is there.
 * @template T
 * @param {AbortSignal} signal
 * @param {() => T | Promise<T>} ask
 * @returns {Promise<T>}
 */
function within(signal, ask) {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(new Error("it did not come in time")), { once: true });
    Promise.resolve().then(ask).then(resolve, reject);
  });
}

/**
 * The time before the next look at a job.
 * @param {number} turn
 * @returns {Promise<void>}
 */
function betweenLooks(turn) {
  const delay = Math.min(LOOK_FIRST * 2 ** turn, LOOK_MOST) * (1 + Math.random() / 4);
  return new Promise((resolve) => {
    /** @type {any} */
    const timer = setTimeout(resolve, delay);
    // It keeps no program from ending, where it is one.
    timer.unref?.();
  });
}

/** @param {string} text */
function bytesOf(text) {
  return new TextEncoder().encode(text).length;
}

/** The socket of the gateway that this page comes from. */
function ownUrl() {
  const page = globalThis.location;
  if (!page) throw new Error("there is no page here; give the option url, such as ws://127.0.0.1:8000/ws/system/");
  return `${page.protocol === "https:" ? "wss:" : "ws:"}//${page.host}${SOCKET_PATH}`;
}

/** What all tabs have, also after a reload. */
function ownStore() {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined;
  }
}

/** Whether there can be other tabs, and one can speak with them. */
function canShare() {
  return globalThis.document !== undefined && globalThis.navigator?.locks !== undefined && "BroadcastChannel" in globalThis;
}

/**
 * @param {string} data
 * @returns {Message | null}
 */
function parse(data) {
  try {
    const value = JSON.parse(data);
    return typeof value?.action === "string" ? value : null;
  } catch {
    return null;
  }
}

/**
 * What the session is told of by a message.
 * @param {Message} message
 * @returns {Told[]}
 */
function toldBy(message) {
  if (message.action === "system_notification") {
    return message.id ? [{ type: "notice", id: message.id, text: message.payload, at: Date.now() }] : [];
  }
  const many = message.action === "jobs_queued" ? /** @type {string[]} */ (message.payload?.job_ids ?? []) : [];
  const one = message.action === "job_queued" || OUTCOMES.has(message.action) ? jobOf(message) : "";
  return [...many, one].filter(Boolean).map((id) => ({ type: "job", id }));
}

/**
 * Forgets the oldest of what is too much to remember.
 * @param {Set<string>} ids
 */
function trim(ids) {
  for (const oldest of ids) {
    if (ids.size <= REMEMBERED) break;
    ids.delete(oldest);
  }
}

/** @param {Message} message */
function jobOf(message) {
  return message.job_id ?? "";
}

/** @param {ErrorItem[]} errors */
function sentence(errors) {
  return errors.map((error) => error.msg).join("; ");
}
