// The system page: a conversation with the system, through the client module and nothing else.
//
// `Conversation` shows the jobs and the notices that this browser was told of, each job as one `JobCard`; `Composer` is
// the line to write on; `Badge` says how the connection is; `FrameLog` shows the frames as they cross the wire.
// Text from the server is only ever put into the page as text.

import { byId } from "../dom.js";
// @ts-expect-error: the gateway has it here.
import { connect } from "../ringback.js";
import { begin as signedIn, token, watch } from "../token.js";
import { Badge } from "./badge.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { FrameLog } from "./frames.js";

const nav = document.querySelector("header nav");
const subject = nav instanceof HTMLElement ? await signedIn(nav) : "";
// Each subject has a session of its own.
const own = subject ? { token, name: `ringback ${subject}` } : {};
/** @type {ReturnType<typeof import("../../clients/js/ringback.js").connect>} */
const ringback = connect(own);
const frames = new FrameLog();
ringback.onFrame((way, text) => frames.add(way, text));

const composer = new Composer((task, work) => conversation.submit(task, work));
const conversation = new Conversation(ringback, (...refused) => composer.write(...refused));
const badge = new Badge(ringback, (hint) => composer.setHint(hint), () => composer.focus());

const clear = byId("clear", HTMLButtonElement);

/** Which tasks there are is asked again with every connection: by then, others may be there. */
async function offer() {
  try {
    composer.offer(await ringback.tasks());
  } catch {
    // Who may not know, or cannot now, is shown what there was.
  }
}
let isConnected = false;
ringback.onState(({ name }) => {
  if (name === "connected" && !isConnected) void offer();
  isConnected = name === "connected";
});

clear.addEventListener("click", () => {
  conversation.clear();
  composer.focus();
});
conversation.onCount((count) => (clear.hidden = count === 0));
conversation.begin();
badge.begin();
watch(ringback);
