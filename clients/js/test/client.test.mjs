// The client against a running gateway and a worker whose tasks misbehave, with the network cut under it.
//
// RINGBACK_ADDRESS says where the gateway is, and RINGBACK_SMALL where there is one with `--max-frame 2048`; `ws` comes from the tests of the contract.

import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { createRequire } from "node:module";
import { test } from "node:test";

import { JobError, connect } from "../ringback.js";
import { Network } from "./proxy.mjs";

const require = createRequire(new URL("../../../tests/contract/package.json", import.meta.url));
const { WebSocket } = require("ws");

// Node 18 has it under another name.
globalThis.crypto ??= webcrypto;

const ADDRESS = process.env.RINGBACK_ADDRESS ?? "127.0.0.1:8000";

/** A store as a page has it. */
class Store {
  #kept = new Map();
  getItem(key) {
    return this.#kept.get(key) ?? null;
  }
  setItem(key, value) {
    this.#kept.set(key, value);
  }
}

/** A client over a network of its own, for as long as the test takes. */
async function on(context, options = {}) {
  const network = await Network.to(ADDRESS);
  const client = connect({ url: network.url, WebSocket, store: new Store(), retryFirst: 5, retryMost: 50, ...options });
  context.after(() => {
    client.close();
    network.close();
  });
  return { network, client };
}

async function api(path, body) {
  const options = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(`http://${ADDRESS}${path}`, options);
  return answer.json();
}

async function eventsOf(job) {
  const events = [];
  for await (const event of job) events.push(event);
  return events;
}

/** Until this is so, looking again and again. */
async function until(what, isSo) {
  const giveUp = Date.now() + 30_000;
  while (!(await isSo())) {
    assert.ok(Date.now() < giveUp, `waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("a job is a promise for its result and an iterator of what happens to it", async (context) => {
  const { client } = await on(context);
  const job = client.submit("count", "");
  assert.equal(await job, "1");
  const id = await job.id;
  assert.deepEqual(await eventsOf(job), [
    { type: "queued", job_id: id },
    { type: "result", job_id: id, result: "1" },
  ]);
  // A result that is more than a text is what it is.
  assert.equal(await client.submit("story", "3"), 3);
});

test("what fails, is refused or is cancelled says why", async (context) => {
  const { client } = await on(context);
  const failed = client.submit("fail", "");
  await assert.rejects(failed, (error) => error instanceof JobError && error.code === "task_failed" && error.attempts === 1);
  const [, last] = await eventsOf(failed);
  assert.equal(last.type, "failed");
  const refused = client.submit("count", "", { priority: 99_999 });
  await assert.rejects(refused, (error) => error.code === "less_than_equal" && error.errors[0].loc[2] === "priority");
  await assert.rejects(refused.id, JobError);
  await assert.rejects(client.submit("count", "x".repeat(70_000)), (error) => error.code === "too_large");
  await assert.rejects(client.submit("count", "\ud83d"), (error) => error.code === "json_invalid");
  await assert.rejects(client.submit("count", null, { input: 10n }), (error) => error.code === "invalid");
  const held = client.submit("hold", "60");
  await held.cancel();
  await assert.rejects(held, (error) => error.code === "cancelled" && error.jobId !== undefined);
  await assert.rejects(client.cancel(await held.id), (error) => error.code === "conflict");
  await assert.rejects(client.cancel("01976f2c-8a40-7b3e-9d51-2f8c6a7e40b1"), (error) => error.code === "not_found");
});

test("a job that has failed or was cancelled is given another chance, whatever happens to the network", async (context) => {
  const { client, network } = await on(context);
  const failed = client.submit("fail", "");
  await assert.rejects(failed, JobError);
  const retried = client.retry(await failed.id);
  network.cut();
  await assert.rejects(retried, (error) => error.code === "task_failed");
  assert.notEqual(await retried.id, await failed.id);
  assert.equal(await client.retry(await failed.id).id, await retried.id);
  const later = client.submit("count", "", { delay: 3_600 });
  const due = client.retry(await later.id);
  assert.equal(await due, "1");
  assert.equal(await later, "1");
  await assert.rejects(client.retry(await later.id), (error) => error.code === "conflict");
});

test("a retry whose answer is lost is told of its job, although that is over", async (context) => {
  const { client, network } = await on(context);
  const later = client.submit("count", "", { delay: 3_600 });
  const id = await later.id;
  network.isDeaf = true;
  const due = client.retry(id);
  await until("it is over", async () => (await api(`/api/v1/jobs/${id}`)).state === "succeeded");
  network.isDeaf = false;
  network.cut();
  assert.deepEqual(await Promise.all([due, later]), ["1", "1"]);
  assert.equal(await due.id, id);
  await assert.rejects(client.retry(id), (error) => error.code === "conflict");
});

test("a retry outlives its session", async (context) => {
  const { client, network } = await on(context);
  const first = client.submit("hold", "1.5");
  await first.cancel();
  await assert.rejects(first, (error) => error.code === "cancelled");
  const again = client.retry(await first.id);
  assert.notEqual(await again.id, await first.id);
  client.memory.session = { session: "6a0f4f0e-52c1-4d0c-9a35-8f1b7d2e90c3", token: "none" };
  network.cut();
  assert.equal(await again, "held");
});

test("a key that is given twice is one job, and both hear of it", async (context) => {
  const { client } = await on(context);
  const idempotency_key = "k".repeat(200);
  const jobs = [client.submit("hold", "0.2", { idempotency_key }), client.submit("hold", "0.2", { idempotency_key })];
  assert.deepEqual(await Promise.all(jobs), ["held", "held"]);
  assert.equal(await jobs[0].id, await jobs[1].id);
  const again = client.submit("hold", "0.2", { idempotency_key });
  assert.equal(await again, "held");
  await assert.rejects(client.submit("hold", "0.3", { idempotency_key }), (error) => error.code === "conflict");
});

test("a text comes piece by piece, each once and in its order, whatever happens to the network", async (context) => {
  const { client, network } = await on(context);
  const job = client.submit("story", "150", { stream: true });
  const pieces = [];
  for await (const event of job) {
    if (event.type !== "chunk") continue;
    pieces.push(event.text);
    if (pieces.length % 30 === 0) network.cut();
  }
  assert.deepEqual(pieces, Array.from({ length: 150 }, (_, piece) => `${piece + 1} `));
  assert.ok(network.cuts >= 4, `${network.cuts} cuts`);
});

test("of many jobs each has one result, whatever happens to the network", async (context) => {
  const { client, network } = await on(context);
  const jobs = Array.from({ length: 300 }, (_, number) => client.submit("hold", `${(number % 10) / 100}`));
  // Before the first answer, amid the answers, and amid the results.
  let heard = 0;
  client.onState((state) => state.name === "connected" && network.cuts < 2 && network.cut());
  client.onMessage(() => (heard += 1) % 60 === 0 && network.cut());
  const results = await Promise.all(jobs);
  assert.ok(results.every((result) => result === "held"));
  const ids = await Promise.all(jobs.map((job) => job.id));
  assert.equal(new Set(ids).size, 300);
  for (const job of jobs) {
    const events = await eventsOf(job);
    assert.deepEqual(events.map((event) => event.type), ["queued", "result"]);
  }
  assert.ok(network.cuts > 5, `${network.cuts} cuts`);
  // Nothing was stored twice: each of the newest jobs is one of ours.
  const { jobs: newest } = await api(`/api/v1/jobs?task=hold&limit=300`);
  assert.deepEqual(new Set(newest.map((job) => job.id)), new Set(ids));
});

test("an outcome that comes before the answer to its submission is not lost", async (context) => {
  const { client, network } = await on(context);
  await until("it is connected", () => client.state.name === "connected");
  network.isDeaf = true;
  const content = `${Math.random()}`;
  const job = client.submit("count", content);
  await until("the job is over", async () => {
    const { jobs } = await api("/api/v1/jobs?task=count&state=succeeded&limit=5");
    return jobs.some((job) => job.input === content);
  });
  network.isDeaf = false;
  network.cut();
  assert.equal(await job, "1");
  assert.deepEqual((await eventsOf(job)).map((event) => event.type), ["queued", "result"]);
});

test("a text that is told before the answer to its submission is not lost", async (context) => {
  const { client, network } = await on(context);
  await until("it is connected", () => client.state.name === "connected");
  network.isDeaf = true;
  const job = client.submit("story", "30", { stream: true });
  await new Promise((resolve) => setTimeout(resolve, 300));
  network.isDeaf = false;
  network.cut();
  const pieces = [];
  for await (const event of job) if (event.type === "chunk") pieces.push(event.text);
  assert.deepEqual(pieces, Array.from({ length: 30 }, (_, piece) => `${piece + 1} `));
});

test("a session that is gone is begun anew, and every job is still heard of", async (context) => {
  const store = new Store();
  const { client, network } = await on(context, { store });
  const states = [];
  client.onState((state) => states.push(state.name));
  const job = client.submit("hold", "1.5");
  await job.id;
  // Nobody knows this session.
  client.memory.session = { session: "6a0f4f0e-52c1-4d0c-9a35-8f1b7d2e90c3", token: "none" };
  network.cut();
  // And once more, as soon as there is a new one.
  await until("it is begun anew", () => states.filter((name) => name === "connected").length === 2);
  network.cut();
  assert.equal(await job, "held");
});

test("notices come once, also those that were missed", async (context) => {
  const { client, network } = await on(context);
  const notices = [];
  client.onNotice((text) => notices.push(text));
  await until("it is connected", () => client.state.name === "connected");
  const mine = `${Math.random()}`;
  for (let number = 0; number < 20; number += 1) {
    if (number % 4 === 1) network.cut();
    if (number === 10) network.down();
    if (number === 15) network.up();
    await api("/api/v1/notices", { content: `${mine} ${number}` });
  }
  const ofMine = () => notices.filter((text) => text.startsWith(mine));
  await until("all notices have come", () => ofMine().length >= 20);
  assert.deepEqual(ofMine(), Array.from({ length: 20 }, (_, number) => `${mine} ${number}`));
});

test("while the network is down nothing is lost and it is said", async (context) => {
  const { client, network } = await on(context);
  const states = [];
  client.onState((state) => states.push(state.name));
  await until("it is connected", () => client.state.name === "connected");
  network.down();
  await until("it is noticed", () => client.state.name === "reconnecting");
  const job = client.submit("count", "");
  const cancelled = client.submit("hold", "60");
  const cancel = cancelled.cancel();
  assert.ok(client.state.why !== "");
  network.up();
  assert.equal(await job, "1");
  await cancel;
  await assert.rejects(cancelled, (error) => error.code === "cancelled");
  assert.deepEqual([...new Set(states)], ["connecting", "connected", "reconnecting"]);
});

test("the next page of the same store goes on where the last one was, and hears nothing twice", async (context) => {
  const store = new Store();
  const { client: first } = await on(context, { store });
  const heard = [];
  first.onMessage((message) => message.id && heard.push(message.id));
  await first.submit("count", "");
  const later = first.submit("hold", "0.5");
  const id = await later.id;
  first.close();
  await assert.rejects(later, (error) => error.code === "closed");
  await assert.rejects(first.submit("count", ""), (error) => error.code === "closed");
  const { client: second } = await on(context, { store });
  second.onMessage((message) => message.id && heard.push(message.id));
  await until("the result has come", () => heard.includes(id));
  assert.equal(await second.submit("count", ""), "1");
  assert.equal(new Set(heard).size, heard.length);
});

test("what arrives is acknowledged, so that the server may forget it", async (context) => {
  const store = new Store();
  const { client } = await on(context, { store });
  await Promise.all(Array.from({ length: 50 }, () => client.submit("count", "")));
  await new Promise((resolve) => setTimeout(resolve, 300));
  client.close();
  // Another client of this session, which remembers nothing, is sent nothing again.
  const kept = JSON.parse(store.getItem("ringback"));
  store.setItem("ringback", JSON.stringify({ ...kept, seen: [] }));
  const { client: other } = await on(context, { store });
  const again = [];
  other.onMessage((message) => message.action === "job_result" && again.push(message));
  const id = await other.submit("count", "").id;
  await until("the new result has come", () => again.some((message) => message.job_id === id));
  assert.equal(again.length, 1);
});

test("what a session was told of is kept in its order, for the next page as well", async (context) => {
  const store = new Store();
  const { client } = await on(context, { store });
  const lengths = [];
  client.onTold((told) => lengths.push(told.length));
  const one = await client.submit("count", "").id;
  const notice = `${Math.random()}`;
  await api("/api/v1/notices", { content: notice });
  await until("the notice is told", () => client.told.some((told) => told.text === notice));
  const two = client.submit("hold", "0.3");
  await two;
  const failed = client.submit("fail", "");
  await assert.rejects(failed);
  const again = client.retry(await failed.id);
  await assert.rejects(again);
  const ids = [one, await two.id, await failed.id, await again.id];
  const jobs = (told) => told.filter(({ type }) => type === "job").map(({ id }) => id);
  assert.deepEqual(jobs(client.told), ids);
  assert.ok(client.told.findIndex(({ type }) => type === "notice") > 0);
  // It has grown one by one, whatever else was heard.
  assert.deepEqual(lengths, [...lengths].sort((a, b) => a - b));
  assert.equal(lengths[0], 0);
  client.close();
  const { client: next } = await on(context, { store });
  assert.deepEqual(jobs(next.told), ids);
  const [told] = next.told.filter(({ text }) => text === notice);
  assert.ok(Math.abs(Date.now() - told.at) < 60_000 && told.type === "notice" && told.id.startsWith("notice-"));
});

test("what is forgotten does not come back, and its jobs go on", async (context) => {
  const store = new Store();
  const { client, network } = await on(context, { store });
  const job = client.submit("hold", "0.5");
  const id = await job.id;
  client.forgetTold();
  assert.deepEqual(client.told, []);
  // It is pending with the next socket, and its end is heard.
  network.cut();
  assert.equal(await job, "held");
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.deepEqual(client.told.filter((told) => told.id === id), []);
  const after = await client.submit("count", "").id;
  assert.ok(client.told.some((told) => told.id === after));
  client.close();
  const { client: next } = await on(context, { store });
  const ids = next.told.map((told) => told.id);
  assert.ok(ids.includes(after) && !ids.includes(id), `${ids}`);
});

test("a job whose answer nobody has heard is told of by its end", async (context) => {
  const store = new Store();
  const { client, network } = await on(context, { store });
  await until("it is connected", () => client.state.name === "connected");
  network.isDeaf = true;
  const content = `${Math.random()}`;
  client.submit("hold", "0.5", { idempotency_key: content }).catch(() => {});
  await until("the job is stored", async () => {
    const { jobs } = await api("/api/v1/jobs?task=hold&state=ready,running&limit=5");
    return jobs.length > 0;
  });
  client.close();
  const { client: next } = await on(context, { store });
  await until("its job is told of", () => next.told.length === 1);
  const [record] = await next.jobs([next.told[0].id]);
  assert.equal(record.task, "hold");
  // Asked for again under the same name, it is the same job.
  const again = next.submit("hold", "0.5", { idempotency_key: content });
  assert.equal(await again.id, record.id);
  assert.equal(await again, "held");
});

test("of what was told the latest is kept", async (context) => {
  const { client } = await on(context);
  const jobs = Array.from({ length: 230 }, () => client.submit("count", ""));
  await Promise.all(jobs);
  const told = client.told.filter(({ type }) => type === "job").map(({ id }) => id);
  assert.equal(client.told.length, 200);
  assert.equal(new Set(told).size, told.length);
  assert.ok(told.includes(await jobs[229].id) && !told.includes(await jobs[0].id));
});

test("jobs are looked up by their ids, in their order", async (context) => {
  const { client } = await on(context);
  const ids = await Promise.all(Array.from({ length: 130 }, (_, number) => client.submit("count", `${number}`).id));
  const unknown = "01976f2c-8a40-7b3e-9d51-2f8c6a7e40b1";
  const records = await client.jobs([...ids.slice(0, 50), unknown, ...ids.slice(50)]);
  assert.deepEqual(records.map(({ id }) => id), ids);
  assert.deepEqual(records.map(({ input }) => input), ids.map((_, number) => `${number}`));
  assert.deepEqual(await client.jobs([]), []);
  await assert.rejects(client.jobs(["no id"]), (error) => error instanceof JobError && error.code !== "unavailable");
});

test("the text so far is read, from its beginning or from a place in it", async (context) => {
  const { client, network } = await on(context);
  const job = client.submit("story", "600", { stream: true });
  const id = await job.id;
  let heard = 0;
  for await (const event of job) if (event.type === "chunk" && ++heard === 20) break;
  const read = async (after) => {
    const pieces = [];
    for await (const chunk of client.chunks(id, after)) pieces.push(chunk);
    return pieces;
  };
  const soFar = await read();
  assert.ok(soFar.length >= 20 && soFar.length < 600, `${soFar.length}`);
  await job;
  const pieces = await read();
  assert.deepEqual(pieces.map(({ text }) => text), Array.from({ length: 600 }, (_, piece) => `${piece + 1} `));
  assert.deepEqual([pieces[0].attempt, pieces[0].seq], [1, 1]);
  assert.deepEqual((await read([1, 597])).map(({ seq }) => seq), [598, 599, 600]);
  network.down();
  await assert.rejects(read(), (error) => error.code === "unavailable");
  network.up();
});

test("the frames are heard as they cross the wire, and a message of one's own is sent", async (context) => {
  const { client, network } = await on(context);
  const frames = [];
  client.onFrame((way, text) => frames.push([way, text]));
  assert.equal(client.send({ action: "ping" }), false);
  await until("it is connected", () => client.state.name === "connected");
  assert.deepEqual(frames.map(([way]) => way), ["note", "out", "in"]);
  const heard = [];
  client.onMessage((message, job) => heard.push([message, job]));
  assert.ok(client.send({ action: "ping", ref: "mine" }));
  await until("there is a pong", () => frames.some(([way, text]) => way === "in" && text.includes('"pong"')));
  assert.ok(client.send({ action: "nonsense" }));
  await until("the error is heard", () => heard.some(([message]) => message.action === "error"));
  assert.ok(client.send({ action: "submit_jobs", payload: { jobs: [{ task_type: "count", content: "" }] }, ref: "many" }));
  await until("the job is told of", () => client.told.length === 1);
  const job = client.submit("count", "");
  await job;
  const answers = heard.filter(([message, answered]) => message.action === "job_queued" && answered === job);
  assert.equal(answers.length, 1);
  assert.ok(heard.every(([message, answered]) => answered === undefined || message.ref !== undefined));
  network.cut();
  await until("it is noted", () => frames.some(([way, text]) => way === "note" && text.startsWith("connection lost")));
});

test("a store that has no room for what was told keeps the session", async (context) => {
  class SmallStore extends Store {
    setItem(key, value) {
      if (JSON.parse(value).told?.length > 0) throw new Error("it is full");
      super.setItem(key, value);
    }
  }
  const store = new SmallStore();
  const { client } = await on(context, { store });
  const later = client.submit("hold", "0.5");
  const id = await later.id;
  assert.equal(client.told.length, 1);
  later.catch(() => {});
  client.close();
  const { client: next } = await on(context, { store });
  const heard = [];
  next.onMessage((message) => heard.push(message.job_id));
  await until("the result has come", () => heard.includes(id));
  assert.deepEqual(next.told, [{ type: "job", id }]);
});

test("a store that has little room keeps the latest of what was told", async (context) => {
  class SmallStore extends Store {
    setItem(key, value) {
      if (JSON.parse(value).told?.length > 2) throw new Error("it is full");
      super.setItem(key, value);
    }
  }
  const store = new SmallStore();
  const { client } = await on(context, { store });
  for (let count = 0; count < 5; count += 1) await client.submit("count", "");
  const ids = client.told.map(({ id }) => id);
  assert.equal(ids.length, 5);
  client.close();
  const { client: next } = await on(context, { store });
  assert.deepEqual(next.told.map(({ id }) => id), ids.slice(3));
});

test("what cuts the connection whenever it is sent is given up, and everything else goes on", async (context) => {
  const { client } = await on(context);
  const huge = client.submit("count", "x".repeat(6_000_000));
  const small = client.submit("count", "");
  await assert.rejects(huge, (error) => error instanceof JobError && error.code === "too_large");
  assert.equal(await small, "1");
  assert.equal(await client.submit("count", ""), "1");
});

const small = process.env.RINGBACK_SMALL;
test("what a gateway that takes but small frames closes on is given up, and everything else goes on", { skip: !small }, async () => {
  const client = connect({ url: `ws://${small}/ws/system/`, WebSocket, store: new Store(), retryFirst: 5, retryMost: 50 });
  try {
    await until("it is connected", () => client.state.name === "connected");
    // Fewer characters than bytes, and both below the usual limit.
    const large = client.submit("count", "\u2603".repeat(15_000));
    const other = client.submit("count", "");
    await assert.rejects(large, (error) => error instanceof JobError && error.code === "too_large" && /bytes/.test(error.message));
    assert.equal(await other, "1");
  } finally {
    client.close();
  }
});
