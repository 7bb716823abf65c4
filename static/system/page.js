// The system page: a conversation with the system over one socket.
//
// `Connection` keeps the socket alive and says truthfully how it is.
// `Conversation` shows what was said, `FrameLog` shows the frames as they crossed the wire.
// Text from the server is only ever put into the page as text.

/** @typedef {"connecting" | "connected" | "reconnecting" | "offline"} StateName */

/**
 * How the connection is.
 * @typedef {object} State
 * @property {StateName} name
 * @property {string} text what the badge says
 * @property {string} hint why nothing can be sent; empty when it can
 * @property {boolean} canRetry whether asking to connect at once makes sense
 */

/**
 * A message from the server.
 * @typedef {object} Message
 * @property {string} action
 * @property {unknown} [payload]
 * @property {string} [ref]
 * @property {string} [job_id]
 * @property {{code?: string, attempts?: number}} [job]
 */

/** @typedef {{msg?: string, loc?: unknown[], retry_after?: number, maybe?: boolean}} ErrorItem */

const SOCKET_PATH = "/ws/system/";
const PING_EVERY = 20_000;
const PONG_WITHIN = 10_000;
const OPEN_WITHIN = 10_000;
const RETRY_FIRST = 500;
const RETRY_MOST = 15_000;
/** A socket that has lived this long has worked: the next loss starts with the shortest delay again. */
const SETTLED_AFTER = 5_000;
const MESSAGES_KEPT = 1_000;
const FRAMES_KEPT = 500;
const NEAR_THE_END = 48;

const PLACEHOLDERS = {
  translate: "A word or a phrase",
  analyze: "Any sentence, to count its parts",
  generate: "Weather, food, help…",
  default: "Anything at all",
};

/** Keeps one socket open, and opens the next when it is lost. */
class Connection {
  /** @type {WebSocket | null} */
  #socket = null;
  /** Set once the server has said not to come back. */
  #stoppedBecause = "";
  /** True from the browser's word that the device is offline until a pong disproves it. */
  #doubted = false;
  #everOpen = false;
  #losses = 0;
  #retryAt = 0;
  #retryTimer = 0;
  #countdown = 0;
  #openTimer = 0;
  #settledTimer = 0;
  #pingTimer = 0;
  #pongTimer = 0;

  /**
   * @param {object} listener
   * @param {(state: State) => void} listener.onState
   * @param {(message: Message) => void} listener.onMessage
   * @param {(way: "in" | "out" | "note", text: string) => void} listener.onFrame
   * @param {() => void} listener.onLost called once for every socket that had been open
   */
  constructor(listener) {
    this.listener = listener;
    window.addEventListener("online", () => this.#check());
    window.addEventListener("offline", () => {
      this.#doubted = this.isOpen;
      if (this.isOpen) this.#ping();
      this.#tell();
    });
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.#check();
    });
    this.#connect();
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Whether a message sent now can be expected to arrive. */
  get canSend() {
    return this.isOpen && !this.#doubted;
  }

  /** Opens a socket without waiting, unless one is open or opening. */
  connectNow() {
    if (this.#socket) return;
    this.#stoppedBecause = "";
    this.#losses = 0;
    this.#connect();
  }

  /** @param {object} message */
  send(message) {
    const text = JSON.stringify(message);
    this.#socket?.send(text);
    this.listener.onFrame("out", text);
  }

  #connect() {
    this.#stopTimers();
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${SOCKET_PATH}`);
    this.#socket = socket;
    this.#openTimer = window.setTimeout(() => this.#lose(socket, "no answer to the handshake"), OPEN_WITHIN);
    socket.addEventListener("open", () => this.#opened(socket));
    socket.addEventListener("message", (event) => this.#received(socket, event.data));
    socket.addEventListener("close", (event) => this.#closed(socket, event));
    this.#tell();
  }

  /** @param {WebSocket} socket */
  #opened(socket) {
    if (socket !== this.#socket) return;
    clearTimeout(this.#openTimer);
    this.#everOpen = true;
    this.#doubted = false;
    this.#settledTimer = window.setTimeout(() => (this.#losses = 0), SETTLED_AFTER);
    this.#pingTimer = window.setInterval(() => this.#ping(), PING_EVERY);
    this.listener.onFrame("note", "connection opened");
    this.#tell();
  }

  /**
   * @param {WebSocket} socket
   * @param {unknown} data
   */
  #received(socket, data) {
    if (socket !== this.#socket) return;
    if (typeof data !== "string") {
      this.listener.onFrame("note", "a binary frame was received and ignored");
      return;
    }
    this.listener.onFrame("in", data);
    const message = parse(data);
    if (!message) return;
    if (message.action === "pong") {
      clearTimeout(this.#pongTimer);
      this.#pongTimer = 0;
      if (this.#doubted) {
        this.#doubted = false;
        this.#tell();
      }
    }
    this.listener.onMessage(message);
  }

  /**
   * @param {WebSocket} socket
   * @param {CloseEvent} event
   */
  #closed(socket, event) {
    const said = event.reason ? `${event.code}, ${event.reason}` : `${event.code}`;
    if (event.code >= 4000 && event.reason.endsWith("; do not come back") && socket === this.#socket) {
      this.#stoppedBecause = event.reason.slice(0, -"; do not come back".length);
    }
    this.#lose(socket, said);
  }

  /** Finds out at once how things are: asks over an open socket, opens one otherwise. */
  #check() {
    if (this.isOpen) this.#ping();
    else if (!this.#stoppedBecause) this.connectNow();
  }

  #ping() {
    if (!this.isOpen || this.#pongTimer) return;
    const socket = /** @type {WebSocket} */ (this.#socket);
    this.send({ action: "ping", payload: null });
    this.#pongTimer = window.setTimeout(() => this.#lose(socket, "no pong in time"), PONG_WITHIN);
  }

  /**
   * Gives a socket up, whether or not its close was heard, and plans the next.
   * @param {WebSocket} socket
   * @param {string} why
   */
  #lose(socket, why) {
    if (socket !== this.#socket) return;
    const wasOpen = this.#settledTimer !== 0;
    this.#socket = null;
    this.#doubted = false;
    this.#stopTimers();
    socket.close();
    this.listener.onFrame("note", wasOpen ? `connection lost (${why})` : `could not connect (${why})`);
    if (!this.#stoppedBecause) {
      const most = Math.min(RETRY_MOST, RETRY_FIRST * 2 ** (this.#losses + 1));
      const delay = RETRY_FIRST + Math.random() * (most - RETRY_FIRST);
      this.#losses += 1;
      this.#retryAt = Date.now() + delay;
      this.#retryTimer = window.setTimeout(() => this.#connect(), delay);
      this.#countdown = window.setInterval(() => this.#tell(), 250);
    }
    this.#tell();
    if (wasOpen) this.listener.onLost();
  }

  #stopTimers() {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#openTimer);
    clearTimeout(this.#settledTimer);
    clearTimeout(this.#pongTimer);
    clearInterval(this.#pingTimer);
    clearInterval(this.#countdown);
    this.#settledTimer = 0;
    this.#pongTimer = 0;
  }

  #tell() {
    this.listener.onState(this.#state());
  }

  /** @returns {State} */
  #state() {
    const waiting = !this.#socket;
    const seconds = Math.max(1, Math.ceil((this.#retryAt - Date.now()) / 1000));
    if (this.#stoppedBecause) {
      const hint = `The server has ended this connection: ${this.#stoppedBecause}. Your text stays here.`;
      return { name: "offline", text: "Disconnected by the server", hint, canRetry: true };
    }
    if (this.canSend) return { name: "connected", text: "Connected", hint: "", canRetry: false };
    if (!navigator.onLine || this.#doubted) {
      const text = waiting ? `Offline, retry in ${seconds} s` : "Offline, checking…";
      return { name: "offline", text, hint: "This device seems to be offline. Your text stays here until it can be sent.", canRetry: waiting };
    }
    if (!this.#everOpen && this.#losses === 0) {
      return { name: "connecting", text: "Connecting…", hint: "Connecting. You can write already, and send in a moment.", canRetry: false };
    }
    const text = waiting ? `Reconnecting in ${seconds} s` : "Reconnecting…";
    return { name: "reconnecting", text, hint: "Not connected. Your text stays here until it can be sent.", canRetry: waiting };
  }
}

/** What was said, oldest first. */
class Conversation {
  #list = byId("messages", HTMLOListElement);
  #scroller = byId("scroller", HTMLElement);
  #empty = byId("empty", HTMLElement);
  #newer = byId("newer", HTMLButtonElement);
  /** Whether the reader is at the end, and wants to stay there. */
  #following = true;
  #scrollPlanned = false;
  #unseen = 0;
  /**
   * Own messages that the server has not answered, by their ref.
   * @type {Map<string, {item: HTMLElement, sentAt: number}>}
   */
  #unanswered = new Map();
  /**
   * Jobs whose result is still out, by their id.
   * @type {Map<string, {item: HTMLElement, sentAt: number}>}
   */
  #waiting = new Map();

  /** @param {(task: string, content: string) => void} writeAgain puts a message back where it can be sent once more */
  constructor(writeAgain) {
    this.writeAgain = writeAgain;
    this.#scroller.addEventListener("scroll", () => {
      if (this.#scrollPlanned) return;
      const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
      this.#following = scrollHeight - scrollTop - clientHeight < NEAR_THE_END;
      if (this.#following) this.#allSeen();
    });
    new ResizeObserver(() => this.#following && this.#scrollToEnd()).observe(this.#scroller);
    this.#newer.addEventListener("click", () => {
      this.#scrollToEnd();
      this.#scroller.focus({ preventScroll: true });
    });
  }

  /**
   * @param {string} ref
   * @param {string} task
   * @param {string} content
   */
  own(ref, task, content) {
    const item = this.#add("own", "You", [textOf(content)], [taskLabel(task)]);
    item.dataset.task = task;
    item.dataset.progress = "sent";
    this.#unanswered.set(ref, { item, sentAt: Date.now() });
    this.#scrollToEnd();
  }

  /** @param {Message} message */
  queued(message) {
    const { item: own, sentAt } = this.#answered(message.ref) ?? { item: null, sentAt: Date.now() };
    if (own) own.dataset.progress = "queued";
    const item = this.#add("queued", "System", [textOf(message.payload)], [], message.job_id);
    if (!message.job_id) return;
    if (this.#list.querySelector(`:is([data-kind="result"], [data-kind="failed"])[data-job-id="${CSS.escape(message.job_id)}"]`)) {
      item.dataset.progress = "done";
    } else {
      setProgress(item, "waiting", "waiting for the result");
      this.#waiting.set(message.job_id, { item, sentAt });
    }
  }

  /** @param {Message} message */
  result(message) {
    this.#add("result", "System", [textOf(message.payload)], this.#finished(message.job_id), message.job_id);
  }

  /** @param {Message} message */
  failed(message) {
    const { code, attempts } = message.job ?? {};
    const facts = [];
    if (code) facts.push(code);
    if (attempts) facts.push(attempts === 1 ? "1 attempt" : `${attempts} attempts`);
    const label = message.action === "job_cancelled" ? "The job was cancelled" : "The job failed";
    const body = [element("p", "label", label), textOf(message.payload)];
    this.#add("failed", "System", body, [...facts, ...this.#finished(message.job_id)], message.job_id);
  }

  /** @param {unknown} text */
  notice(text) {
    this.#add("notice", "Notice", [textOf(text)], []);
  }

  /** @param {Message} message */
  error(message) {
    const own = this.#answered(message.ref)?.item;
    const items = /** @type {ErrorItem[]} */ (Array.isArray(message.payload) ? message.payload : [{ msg: asText(message.payload) }]);
    const unsure = items.some((item) => item?.maybe);
    if (own && unsure) this.#offerAgain(own, "unsure", "may not have been stored");
    else if (own) this.#offerAgain(own, "refused", "not accepted");
    const title = own ? "The message was not accepted" : "The server reports an error";
    const body = [element("p", "label", unsure ? "It is not known whether the job was stored" : title)];
    for (const item of items) {
      const line = textOf(item?.msg ?? asText(item));
      if (item?.retry_after) line.append(`. Try again in ${item.retry_after} s.`);
      if (Array.isArray(item?.loc) && item.loc.length > 0) line.append(" ", element("code", "", item.loc.join(" › ")));
      body.push(line);
    }
    this.#add("error", "System", body, [], message.job_id);
  }

  /** Says of everything that is still out what the loss of the connection means for it. */
  connectionLost() {
    for (const { item } of this.#unanswered.values()) {
      this.#offerAgain(item, "unsure", "the connection was lost before an answer; it may or may not have been queued");
    }
    this.#unanswered.clear();
    for (const { item } of this.#waiting.values()) {
      setProgress(item, "lost", "the connection was lost; the result may not come to this page, but the history has it");
    }
    if (this.#following) this.#scrollToEnd();
  }

  /**
   * @param {string} kind
   * @param {string} speaker said to those who cannot see which side it is on
   * @param {HTMLElement[]} body
   * @param {string[]} facts
   * @param {string} [jobId]
   */
  #add(kind, speaker, body, facts, jobId) {
    const item = element("li", "message");
    item.dataset.kind = kind;
    if (jobId) item.dataset.jobId = jobId;
    const bubble = element("div", "bubble");
    bubble.append(element("span", "visually-hidden", `${speaker}: `), ...body);
    const now = new Date();
    const time = element("time", "", now.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
    time.dateTime = now.toISOString();
    time.title = now.toLocaleString();
    const meta = element("p", "meta");
    meta.append(time, ...facts.map((fact) => element("span", "", fact)));
    item.append(bubble, meta);
    this.#list.append(item);
    this.#empty.hidden = true;
    while (this.#list.childElementCount > MESSAGES_KEPT) this.#forget(/** @type {HTMLElement} */ (this.#list.firstElementChild));
    if (this.#following) this.#scrollToEnd();
    else this.#oneUnseen();
    return item;
  }

  /** @param {HTMLElement} item */
  #forget(item) {
    if (item.dataset.kind === "queued" && item.dataset.jobId) this.#waiting.delete(item.dataset.jobId);
    item.remove();
  }

  /** @param {string | undefined} ref */
  #answered(ref) {
    if (ref === undefined) return undefined;
    const entry = this.#unanswered.get(ref);
    this.#unanswered.delete(ref);
    return entry;
  }

  /**
   * @param {string | undefined} jobId
   * @returns {string[]} what is known about how long it took
   */
  #finished(jobId) {
    const entry = jobId === undefined ? undefined : this.#waiting.get(jobId);
    if (!entry) return [];
    this.#waiting.delete(/** @type {string} */ (jobId));
    setProgress(entry.item, "done", "");
    return [`after ${((Date.now() - entry.sentAt) / 1000).toFixed(1)} s`];
  }

  /**
   * @param {HTMLElement} item an own message
   * @param {"unsure" | "refused"} progress
   * @param {string} words
   */
  #offerAgain(item, progress, words) {
    setProgress(item, progress, words);
    const again = element("button", "again", "Write it again");
    again.type = "button";
    const content = item.querySelector(".text")?.textContent ?? "";
    again.addEventListener("click", () => this.writeAgain(item.dataset.task ?? "default", content));
    const holder = element("span");
    holder.append(again);
    item.querySelector(".meta")?.append(holder);
  }

  #scrollToEnd() {
    this.#following = true;
    this.#allSeen();
    if (this.#scrollPlanned) return;
    this.#scrollPlanned = true;
    requestAnimationFrame(() => {
      this.#scrollPlanned = false;
      this.#scroller.scrollTop = this.#scroller.scrollHeight;
    });
  }

  #oneUnseen() {
    this.#unseen += 1;
    this.#newer.textContent = this.#unseen === 1 ? "1 new message" : `${this.#unseen} new messages`;
    this.#newer.hidden = false;
  }

  #allSeen() {
    this.#unseen = 0;
    this.#newer.hidden = true;
  }
}

/** The frames as they crossed the wire, newest last. */
class FrameLog {
  #list = byId("log", HTMLOListElement);
  #panel = byId("log-panel", HTMLElement);
  #toggle = byId("log-toggle", HTMLButtonElement);
  #count = byId("log-count", HTMLElement);

  constructor() {
    this.#toggle.addEventListener("click", () => this.#show(this.#toggle.getAttribute("aria-expanded") !== "true"));
    byId("log-close", HTMLButtonElement).addEventListener("click", () => this.#show(false));
    byId("log-clear", HTMLButtonElement).addEventListener("click", () => {
      this.#list.replaceChildren();
      this.#recount();
    });
    this.#panel.addEventListener("keydown", (event) => event.key === "Escape" && this.#show(false));
    this.#recount();
  }

  /**
   * @param {"in" | "out" | "note"} way
   * @param {string} text
   */
  add(way, text) {
    const atEnd = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < NEAR_THE_END;
    const now = new Date();
    const item = element("li", "frame");
    item.dataset.way = way;
    const label = { in: "← in", out: "→ out", note: "· note" }[way];
    const time = element("time", "", `${now.toTimeString().slice(0, 8)}.${String(now.getMilliseconds()).padStart(3, "0")}`);
    time.dateTime = now.toISOString();
    item.append(element("span", "way", label), time, element("code", "", text));
    this.#list.append(item);
    while (this.#list.childElementCount > FRAMES_KEPT) this.#list.firstElementChild?.remove();
    this.#recount();
    if (atEnd) this.#list.scrollTop = this.#list.scrollHeight;
  }

  /** @param {boolean} open */
  #show(open) {
    this.#panel.hidden = !open;
    this.#toggle.setAttribute("aria-expanded", String(open));
    if (open) this.#list.scrollTop = this.#list.scrollHeight;
    else this.#toggle.focus();
  }

  #recount() {
    const count = this.#list.childElementCount;
    this.#count.textContent = count === 0 ? "none yet" : count < FRAMES_KEPT ? `${count}` : `the last ${FRAMES_KEPT}`;
  }
}

/** Puts the parts together. */
function main() {
  const badge = byId("connection", HTMLElement);
  const composer = byId("composer", HTMLFormElement);
  const content = byId("content", HTMLInputElement);
  const send = byId("send", HTMLButtonElement);
  const status = byId("status", HTMLElement);
  const retry = byId("retry", HTMLButtonElement);
  let hint = "";
  let sent = 0;

  const frames = new FrameLog();
  const conversation = new Conversation(write);
  const connection = new Connection({
    onState: showState,
    onMessage: hear,
    onFrame: (way, text) => frames.add(way, text),
    onLost: () => conversation.connectionLost(),
  });

  composer.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  composer.addEventListener("change", suggest);
  content.addEventListener("input", () => say(hint));
  retry.addEventListener("click", () => {
    connection.connectNow();
    content.focus();
  });
  for (const idea of document.querySelectorAll("button.idea")) {
    const { task, content: words } = /** @type {HTMLElement} */ (idea).dataset;
    idea.addEventListener("click", () => write(task ?? "default", words ?? ""));
  }
  suggest();

  function submit() {
    const task = chosenTask();
    if (content.value.trim() === "") {
      say(hint || "Write a few words first.");
    } else if (!connection.canSend) {
      say(`Not sent yet. ${hint}`);
    } else {
      sent += 1;
      const ref = String(sent);
      connection.send({ action: "system_message", payload: { task_type: task, content: content.value }, ref });
      conversation.own(ref, task, content.value);
      content.value = "";
      say("");
    }
    content.focus();
  }

  /** @param {Message} message */
  function hear(message) {
    switch (message.action) {
      case "job_queued":
        return conversation.queued(message);
      case "job_result":
        return conversation.result(message);
      case "job_failed":
      case "job_cancelled":
        return conversation.failed(message);
      case "system_notification":
        return conversation.notice(message.payload);
      case "error":
        return conversation.error(message);
    }
  }

  /** @param {State} state */
  function showState(state) {
    if (badge.dataset.state !== state.name) badge.dataset.state = state.name;
    if (badge.textContent !== state.text) badge.textContent = state.text;
    send.setAttribute("aria-disabled", String(state.name !== "connected"));
    retry.hidden = !state.canRetry;
    if (hint === state.hint) return;
    hint = state.hint;
    say(hint);
  }

  /** @param {string} words */
  function say(words) {
    if (status.textContent !== words) status.textContent = words;
    status.dataset.tone = words === "" ? "" : "warn";
  }

  /**
   * Puts words where they can be sent.
   * @param {string} task
   * @param {string} words
   */
  function write(task, words) {
    const radio = composer.querySelector(`input[name="task_type"][value="${CSS.escape(task)}"]`);
    if (radio instanceof HTMLInputElement) radio.checked = true;
    suggest();
    content.value = words;
    content.focus();
  }

  function chosenTask() {
    return String(new FormData(composer).get("task_type") ?? "default");
  }

  function suggest() {
    content.placeholder = PLACEHOLDERS[/** @type {keyof typeof PLACEHOLDERS} */ (chosenTask())] ?? "";
  }
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
 * @param {HTMLElement} item
 * @param {string} progress
 * @param {string} words shown beside the time; none when empty
 */
function setProgress(item, progress, words) {
  item.dataset.progress = progress;
  item.querySelector(".progress")?.remove();
  if (words) item.querySelector(".meta")?.append(element("span", "progress", words));
}

/** @param {string} task */
function taskLabel(task) {
  return task.charAt(0).toUpperCase() + task.slice(1);
}

/** @param {unknown} value */
function textOf(value) {
  return element("p", "text", asText(value));
}

/** @param {unknown} value */
function asText(value) {
  return typeof value === "string" ? value : JSON.stringify(value ?? null);
}

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {string} [className]
 * @param {string} [text]
 */
function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

/**
 * @template {HTMLElement} E
 * @param {string} id
 * @param {new () => E} type
 * @returns {E}
 */
function byId(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} called ${id}`);
  return found;
}

main();
