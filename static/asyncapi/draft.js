// The frame that is being written in the panel: chosen from examples, checked as one types, sent.

import { byId, element } from "../dom.js";
import { asName, dict, list } from "./contract.js";
import { pretty } from "./message.js";
import { read } from "./reading.js";
import { complaints } from "./rules.js";
/** @import { Contract, Dict, Message } from "./contract.js" */

/** So many complaints are read; the others come when these are gone. */
const SHOWN = 3;

/**
 * What has been heard here, which examples cannot know.
 * @typedef {object} Known
 * @property {string} jobId
 * @property {string[]} ids
 * @property {{session: string, token: string} | null} session
 */

export class Draft {
  #form = byId("draft", HTMLFormElement);
  #messages = byId("draft-message", HTMLSelectElement);
  #examples = byId("draft-example", HTMLSelectElement);
  #text = byId("draft-text", HTMLTextAreaElement);
  #note = byId("draft-note", HTMLElement);
  #place = byId("draft-place", HTMLButtonElement);
  #at = 0;

  /**
   * @param {Contract} contract
   * @param {() => Known} known
   * @param {(value: object) => string} send why it cannot be sent; nothing, when it is
   */
  constructor(contract, known, send) {
    this.contract = contract;
    this.known = known;
    this.send = send;
    for (const message of this.#asked()) this.#messages.append(option(message.name, message.name));
    this.#messages.addEventListener("change", () => this.#choose());
    this.#examples.addEventListener("change", () => this.#fill());
    this.#text.addEventListener("input", () => this.#check());
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.#submit();
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    byId("draft-tidy", HTMLButtonElement).addEventListener("click", () => this.#tidy());
    this.#place.addEventListener("click", () => {
      this.#text.focus();
      this.#text.setSelectionRange(this.#at, this.#at + 1);
    });
    this.#choose();
  }

  /**
   * Shows a frame, of whatever kind.
   * @param {string} text
   */
  show(text) {
    const { value } = read(text);
    const message = this.#asked().find(({ name }) => name === dict(value).action);
    if (message) {
      this.#messages.value = message.name;
      this.#list(message);
      const same = examplesOf(message).findIndex((example) => pretty(example.payload) === pretty(value));
      this.#examples.value = same < 0 ? "" : String(same);
      if (same >= 0) return this.#fill();
    }
    this.#text.value = text;
    this.#check();
  }

  focus() {
    this.#text.focus();
  }

  #asked() {
    return this.contract.messages.filter(({ isAsked }) => isAsked);
  }

  #chosen() {
    return this.#asked().find(({ name }) => name === this.#messages.value);
  }

  #choose() {
    const message = this.#chosen();
    if (!message) return;
    this.#list(message);
    this.#fill();
  }

  /** @param {Message} message */
  #list(message) {
    const options = examplesOf(message).map((example, index) => option(String(index), asName(example.summary)));
    const own = option("", "Your own");
    own.hidden = true;
    this.#examples.replaceChildren(...options, own);
  }

  #fill() {
    const message = this.#chosen();
    const example = message && examplesOf(message)[Number(this.#examples.value)];
    if (!example || this.#examples.value === "") return;
    const [frame, isAdapted] = this.#adapted(structuredClone(example.payload));
    this.#text.value = pretty(frame);
    this.#check();
    if (isAdapted) this.#say("ok", "With what was last heard here, instead of what the example has.");
  }

  /**
   * An example with the job, the ids and the session of this panel, where it has them: others would bring nothing.
   * @param {any} frame
   * @returns {[any, boolean]}
   */
  #adapted(frame) {
    const { jobId, ids, session } = this.known();
    const payload = dict(frame.payload);
    const before = JSON.stringify(payload);
    if (payload.job_id && jobId) payload.job_id = jobId;
    if (payload.ids && ids.length > 0) payload.ids = ids;
    if (payload.session && session) Object.assign(payload, session);
    if (payload.have && jobId) payload.have = { [jobId]: [1, 0] };
    return [frame, JSON.stringify(payload) !== before];
  }

  #tidy() {
    const { value, fault } = read(this.#text.value);
    if (!fault) this.#text.value = pretty(value);
    this.#check();
  }

  /** Says what is wrong; answers what can be sent. */
  #check() {
    const { value, fault } = read(this.#text.value);
    this.#text.setAttribute("aria-invalid", String(fault !== null));
    if (fault) {
      this.#at = fault.at;
      this.#say("wrong", `Line ${fault.line}, column ${fault.column}: ${fault.words}.`);
      this.#place.hidden = fault.at >= this.#text.value.length;
      return undefined;
    }
    if (typeof value !== "object" || value === null) {
      this.#say("wrong", "Only an object can be sent from here.");
      return undefined;
    }
    const wrong = complaints(this.contract, value);
    if (wrong.length > 0) {
      this.#say("doubt", `${wrong.slice(0, SHOWN).join(" ")} It can be sent all the same, to see the error.`);
    } else this.#say("ok", "The schema has nothing against it.");
    return value;
  }

  /**
   * @param {"ok" | "doubt" | "wrong"} kind
   * @param {string} words
   */
  #say(kind, words) {
    this.#note.dataset.kind = kind;
    if (this.#note.textContent !== words) this.#note.textContent = words;
    this.#place.hidden = true;
  }

  #submit() {
    const value = this.#check();
    if (!value) return this.#text.focus();
    const why = this.send(value);
    if (why) this.#say("wrong", why);
  }
}

/** @param {Message} message */
function examplesOf(message) {
  return list(message.body.examples).map(dict);
}

/**
 * @param {string} value
 * @param {string} label
 */
function option(value, label) {
  const made = element("option", "", label);
  made.value = value;
  return made;
}
