// The panel that talks to the live socket, as a client of its own: it shares nothing with the system page.

import { byId } from "../dom.js";
// @ts-expect-error: the gateway has it here.
import { connect } from "../ringback.js";
import { known, token, watch } from "../token.js";
import { dict } from "./contract.js";
import { Draft } from "./draft.js";
import { Frames } from "./frames.js";
import { read } from "./reading.js";
/** @import { Contract } from "./contract.js" */
/** @import { Known } from "./draft.js" */
/** @import { State } from "../../clients/js/ringback.js" */

/** @typedef {ReturnType<typeof import("../../clients/js/ringback.js").connect>} Client */

/** So many ids are offered for an acknowledgement. */
const IDS = 10;
/** What reaches below this line of the window is being read. */
const READ_AT = 120;

export class TryIt {
  #panel = byId("tryit", HTMLElement);
  #toggle = byId("tryit-toggle", HTMLButtonElement);
  #state = byId("tryit-state", HTMLElement);
  #again = byId("tryit-again", HTMLButtonElement);
  #said = byId("tryit-said", HTMLElement);
  /** @type {Client | undefined} there is none until the panel is opened */
  #client;
  /** @type {Known} */
  #known = { jobId: "", ids: [], session: null };
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #countdown;
  /** @type {HTMLElement | null} what had the focus before */
  #opener = null;

  /** @param {Contract} contract */
  constructor(contract) {
    this.frames = new Frames(contract);
    this.draft = new Draft(
      contract,
      () => this.#known,
      (value) => this.#send(value),
    );
    this.#toggle.hidden = false;
    this.#toggle.addEventListener("click", () => (this.#panel.hidden ? this.open() : this.close()));
    byId("tryit-close", HTMLButtonElement).addEventListener("click", () => this.close());
    this.#again.addEventListener("click", () => this.#reconnect());
    this.#panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
    });
    // Where the panel covers the page, whoever follows a link out of it wants to see the page.
    this.#panel.addEventListener("click", (event) => {
      const isLink = event.target instanceof Element && event.target.closest("a");
      if (isLink && matchMedia("(max-width: 60rem)").matches) this.close();
    });
  }

  /** @param {string} [text] a frame to begin with */
  open(text) {
    this.#opener = document.activeElement instanceof HTMLElement ? document.activeElement : null;
    this.#show(true);
    void this.#begin();
    if (text !== undefined) this.draft.show(text);
    this.draft.focus();
    this.frames.toEnd();
  }

  /** The socket stays: what was asked for goes on. */
  close() {
    const hadFocus = this.#panel.contains(document.activeElement);
    this.#show(false);
    if (hadFocus) (this.#opener?.isConnected ? this.#opener : this.#toggle).focus();
  }

  /**
   * The page makes room, or takes it back; what one has been reading stays where it is.
   * @param {boolean} isOpen
   */
  #show(isOpen) {
    const read = [...document.querySelectorAll(".thing, tbody.row")].find(
      (part) => part.getBoundingClientRect().bottom > READ_AT,
    );
    const before = this.#opener?.closest(".thing") ? this.#opener : read;
    const top = before?.getBoundingClientRect().top ?? 0;
    this.#panel.hidden = !isOpen;
    document.body.classList.toggle("docked", isOpen);
    this.#toggle.setAttribute("aria-expanded", String(isOpen));
    if (before) scrollBy({ top: before.getBoundingClientRect().top - top, behavior: "instant" });
  }

  async #begin() {
    if (this.#client) return;
    // Whoever opens this page in a tab of its own may be signed in with another.
    await known();
    this.#client ??= this.#connect();
  }

  /** @returns {Client} */
  #connect() {
    const kept = new Map();
    const store = {
      getItem: (/** @type {string} */ key) => kept.get(key) ?? null,
      setItem: (/** @type {string} */ key, /** @type {string} */ value) => void kept.set(key, value),
    };
    const client = /** @type {Client} */ (connect({ shareTabs: false, store, token: token() ? token : undefined }));
    client.onFrame((way, text) => this.#heard(way, text));
    client.onState((state) => this.#tell(state));
    watch(client);
    return client;
  }

  #reconnect() {
    if (this.#client?.state.name === "closed") this.#client = this.#connect();
    else this.#client?.connectNow();
  }

  /** @param {object} value */
  #send(value) {
    if (this.#client?.send(value)) return "";
    return "It was not sent: there is no connection now.";
  }

  /**
   * @param {"in" | "out" | "note"} way
   * @param {string} text
   */
  #heard(way, text) {
    this.frames.add(way, text);
    if (way !== "in") return;
    const frame = dict(read(text).value);
    if (frame.job_id) this.#known.jobId = frame.job_id;
    if (frame.id) this.#known.ids = [...this.#known.ids, frame.id].slice(-IDS);
    if (frame.action === "resumed") {
      this.#known.session = { session: frame.payload.session, token: frame.payload.token };
    }
    // Pieces of a text and progress come too often to be said.
    if (frame.action === "job_chunk" || frame.action === "job_progress") return;
    this.#said.textContent = frame.action === "pong" ? "pong" : `Received ${frame.action}`;
  }

  /** @param {State} state */
  #tell(state) {
    clearInterval(this.#countdown);
    const show = () => {
      const seconds = Math.max(0, Math.ceil((state.retryAt - Date.now()) / 1_000));
      this.#state.dataset.state = state.name;
      this.#state.title = state.why;
      this.#state.textContent = words(state, seconds);
    };
    // Said when it changes, and not for each second that is counted.
    if (this.#state.dataset.state !== state.name) this.#said.textContent = words({ ...state, retryAt: 0 }, 0);
    if (state.retryAt > 0) this.#countdown = setInterval(show, 1_000);
    this.#again.hidden = state.retryAt === 0 && state.name !== "closed";
    show();
  }
}

/**
 * @param {State} state
 * @param {number} seconds
 */
function words({ name, retryAt, why }, seconds) {
  if (name === "connected") return "Connected";
  if (name === "closed") return `Closed: ${why}`;
  if (name === "unauthorized") return `Signed out: ${why}`;
  const verb = name === "connecting" ? "Connecting" : "Reconnecting";
  return retryAt > 0 ? `${verb} in ${seconds} s` : `${verb}…`;
}
