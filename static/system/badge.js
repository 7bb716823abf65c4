// How the connection is, in words: the badge in the header, and why what is submitted has to wait.

import { byId, setText } from "../dom.js";

/** @typedef {import("../../clients/js/ringback.js").State} State */
/** @typedef {ReturnType<typeof import("../../clients/js/ringback.js").connect>} Ringback */

/**
 * @typedef {object} Words
 * @property {"connecting" | "connected" | "reconnecting" | "offline"} name
 * @property {string} text what the badge says
 * @property {string} hint what it means for what is submitted; empty when nothing is the matter
 * @property {boolean} canTry whether asking to connect at once makes sense
 */

const COUNT_EVERY = 250;
const WILL_BE_SENT = "What you submit is sent when the connection is back.";

export class Badge {
  #place = byId("connection", HTMLElement);
  #tryNow = byId("connect", HTMLButtonElement);
  #counting = 0;

  /**
   * @param {Ringback} ringback
   * @param {(hint: string) => void} setHint
   * @param {() => void} handOn gives the focus to what one writes in
   */
  constructor(ringback, setHint, handOn) {
    this.ringback = ringback;
    this.setHint = setHint;
    this.handOn = handOn;
    this.#tryNow.addEventListener("click", () => this.#connect());
    for (const name of ["online", "offline"]) window.addEventListener(name, () => this.#show());
  }

  begin() {
    this.ringback.onState((state) => {
      clearInterval(this.#counting);
      if (state.retryAt > 0) this.#counting = window.setInterval(() => this.#show(), COUNT_EVERY);
      this.#show();
    });
  }

  #connect() {
    if (this.#tryNow.ariaDisabled === "true") return;
    // A client whose connection has ended does not come back; the next page's does, and sends what is not yet answered.
    if (this.ringback.state.name === "closed") location.reload();
    else this.ringback.connectNow();
    this.handOn();
  }

  #show() {
    const { name, text, hint, canTry } = wordsFor(this.ringback.state);
    if (this.#place.dataset.state !== name) this.#place.dataset.state = name;
    setText(this.#place, text);
    this.#showButton(canTry, name === "connected");
    this.setHint(hint);
  }

  /**
   * What has the focus does not go away under it: it is disabled while there is nothing to try, and hands the focus on
   * when there is a connection.
   * @param {boolean} canTry
   * @param {boolean} isConnected
   */
  #showButton(canTry, isConnected) {
    const hasFocus = this.#tryNow === document.activeElement;
    if (hasFocus && isConnected) this.handOn();
    this.#tryNow.hidden = !canTry && (isConnected || !hasFocus);
    this.#tryNow.ariaDisabled = String(!canTry);
  }
}

/**
 * @param {State} state
 * @returns {Words}
 */
function wordsFor(state) {
  const waits = state.retryAt > 0;
  const seconds = Math.max(1, Math.ceil((state.retryAt - Date.now()) / 1_000));
  if (state.name === "closed") {
    const why = state.why.replace(/; do not come back$/, "");
    const hint = `The server has ended this connection: ${why}. Nothing is sent until you try again.`;
    return { name: "offline", text: "Disconnected by the server", hint, canTry: true };
  }
  if (state.name === "unauthorized") {
    return { name: "offline", text: "Signed out", hint: `${state.why}. ${WILL_BE_SENT}`, canTry: true };
  }
  if (state.name === "connected" && !state.doubted) {
    return { name: "connected", text: "Connected", hint: "", canTry: false };
  }
  if (state.doubted || !navigator.onLine) {
    const text = waits ? `Offline, retry in ${seconds} s` : "Offline, checking…";
    return { name: "offline", text, hint: `This device seems to be offline. ${WILL_BE_SENT}`, canTry: waits };
  }
  if (state.name === "connecting" && state.why === "") {
    return { name: "connecting", text: "Connecting…", hint: "", canTry: false };
  }
  const text = waits ? `Reconnecting in ${seconds} s` : "Reconnecting…";
  return { name: "reconnecting", text, hint: `Not connected. ${WILL_BE_SENT}`, canTry: waits };
}
