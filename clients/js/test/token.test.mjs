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

test("what a job has said is read with the token as well", async (context) => {
  const { client } = on(context, RINGBACK_LONG);
  const job = client.submit("default", "mine");
  await job;
  const [found] = await client.jobs([await job.id]);
  assert.equal(found.input, "mine");
});
