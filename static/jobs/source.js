// Server-sent events with a token, which a browser's `EventSource` cannot send: as much of that as `Stream` needs.

import { authorization, signIn } from "../token.js";

export class TokenSource extends EventTarget {
  #stop = new AbortController();

  /** @param {string} path */
  constructor(path) {
    super();
    void this.#read(path);
  }

  close() {
    this.#stop.abort();
  }

  /** @param {string} path */
  async #read(path) {
    try {
      const headers = { accept: "text/event-stream", ...authorization() };
      const answer = await fetch(path, { headers, signal: this.#stop.signal });
      if (answer.status === 401) await signIn("The token has ended; get a fresh one");
      if (answer.status === 403) this.#refuse(await answer.json());
      if (!answer.ok || !answer.body) throw new Error(`the stream was answered with status ${answer.status}`);
      this.dispatchEvent(new Event("open"));
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        text += value.replaceAll("\r\n", "\n");
        const events = text.split("\n\n");
        text = events.pop() ?? "";
        for (const event of events) this.#hear(event);
      }
    } catch {
      // Whatever it was, whoever listens opens another.
    }
    if (!this.#stop.signal.aborted) this.dispatchEvent(new Event("error"));
  }

  /** @param {{errors?: {msg: string}[], detail?: string}} problem */
  #refuse({ errors, detail }) {
    this.dispatchEvent(new MessageEvent("refused", { data: errors?.[0]?.msg ?? detail ?? "" }));
  }

  /** @param {string} text an event: lines of fields, or comments */
  #hear(text) {
    let name = "message";
    /** @type {string[]} */
    const data = [];
    for (const line of text.split("\n")) {
      const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
      if (field === "event") name = value;
      if (field === "data") data.push(value);
    }
    if (data.length > 0) this.dispatchEvent(new MessageEvent(name, { data: data.join("\n") }));
  }
}
