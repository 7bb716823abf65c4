// The client with tokens, against a running gateway that asks for them, and a worker.
//
// RINGBACK_ADDRESS says where it is; RINGBACK_SHORT is a token that ends within seconds, RINGBACK_LONG one that does not.

import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { createRequire } from "node:module";
import { test } from "node:test";

import { connect } from "../ringback.js";

const require = createRequire(new URL("../../../tests/contract/package.json", import.meta.url));
const { WebSocket } = require("ws");

// Node 18 has it under another name.
globalThis.crypto ??= webcrypto;

const { RINGBACK_ADDRESS, RINGBACK_SHORT, RINGBACK_LONG } = process.env;

/** A client that is asked for tokens, and all that has crossed its wire. */
function on(context, token) {
  const frames = [];
  const kept = new Map();
  const store = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value) };
  const url = `ws://${RINGBACK_ADDRESS}/ws/system/`;
  const client = connect({ url, WebSocket, store, token, retryFirst: 5, retryMost: 50 });
  client.onFrame((way, text) => frames.push(`${way} ${text}`));
  context.after(() => client.close());
  return { client, frames };
}

function becomes(client, name) {
  return new Promise((resolve) => {
    const stop = client.onState((state) => {
      if (state.name !== name) return;
      queueMicrotask(() => stop());
      resolve(state);
    });
  });
}

test("a fresh ticket is given before the token ends, and the socket stays", async (context) => {
  const tokens = [RINGBACK_SHORT];
  const { client, frames } = on(context, async () => tokens.shift() ?? RINGBACK_LONG);
  assert.equal(await client.submit("default", "first"), "✅ Processed: FIRST");
  const lost = [];
  client.onState((state) => state.name !== "connected" && lost.push(state));
  const isSaid = () => frames.some((frame) => frame.startsWith("in ") && frame.includes('"authenticated"'));
  while (!isSaid()) await new Promise((resolve) => setTimeout(resolve, 50));
  // Longer than the first one was good.
  await new Promise((resolve) => setTimeout(resolve, 6_000));
  assert.equal(await client.submit("default", "second"), "✅ Processed: SECOND");
  assert.deepEqual(lost, []);
  assert.equal(frames.filter((frame) => frame.includes('"resumed"')).length, 1);
  assert.ok(!frames.some((frame) => frame.includes(RINGBACK_LONG)), "a token does not cross the socket");
});

test("a token that is not taken is said, and another one is asked for by connectNow", async (context) => {
  let token = "nonsense";
  const { client } = on(context, () => token);
  const state = await becomes(client, "unauthorized");
  assert.match(state.why, /no signed token/);
  const job = client.submit("default", "later");
  token = RINGBACK_LONG;
  client.connectNow();
  assert.equal(await job, "✅ Processed: LATER");
});

test("an application that has no token for a while is asked again", async (context) => {
  let asked = 0;
  const { client } = on(context, async () => {
    asked += 1;
    if (asked < 3) throw new Error("the application is away");
    return RINGBACK_LONG;
  });
  assert.equal(await client.submit("default", "patience"), "✅ Processed: PATIENCE");
  assert.ok(asked >= 3);
});

test("an application that does not answer is not waited for without end", async (context) => {
  let asked = 0;
  const { client } = on(context, () => {
    asked += 1;
    return asked < 2 ? new Promise(() => {}) : RINGBACK_LONG;
  });
  // What a timer of its own waits for does not keep Node.
  const running = setInterval(() => {}, 1_000);
  context.after(() => clearInterval(running));
  const why = new Promise((resolve) => client.onState((state) => state.why && resolve(state.why)));
  assert.equal(await client.submit("default", "silence"), "✅ Processed: SILENCE");
  assert.equal(await why, "there is no token: it did not come in time");
});

test("an application that gives its user no token is not asked again by itself", async (context) => {
  let asked = 0;
  let isSignedIn = false;
  const { client } = on(context, async () => {
    asked += 1;
    if (!isSignedIn) throw Object.assign(new Error("sign in first"), { status: 401 });
    return RINGBACK_LONG;
  });
  const state = await becomes(client, "unauthorized");
  assert.equal(state.why, "there is no token: sign in first");
  // Longer than any delay of this client.
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(asked, 1);
  isSignedIn = true;
  client.connectNow();
  assert.equal(await client.submit("default", "signed in"), "✅ Processed: SIGNED IN");
});

test("what a job has said is read with the token as well", async (context) => {
  const { client } = on(context, RINGBACK_LONG);
  const job = client.submit("default", "mine");
  await job;
  const [found] = await client.jobs([await job.id]);
  assert.equal(found.input, "mine");
});
