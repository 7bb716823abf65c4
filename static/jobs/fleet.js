// Who does the work: the workers with what they run, and the gateways with who is connected to them.

import { button, element } from "../dom.js";
import { showAge } from "./feed.js";
import { Keyed, write } from "./keyed.js";
import { many, timeOfDay } from "./words.js";

/** @typedef {import("./api.js").Overview} Overview */
/** @typedef {import("./api.js").Worker} Worker */
/** @typedef {import("./api.js").Gateway} Gateway */

/** A process that was last heard of longer ago than this is said to be silent. */
const SILENT = 10_000;
/** So many are shown until somebody asks for all. */
const SHOWN = 24;

export class Fleet {
  root = element("div", "fleet");
  #workers;
  #gateways;

  /** @param {() => number} now on the server's clock */
  constructor(now) {
    const none = element("p", "empty", "No worker is there, so nothing is run. Start one with ");
    none.append(element("code", "", "cargo run -- worker"), ".");
    this.#workers = new Group(
      "workers",
      "Workers",
      none,
      (/** @type {Worker} */ worker) => new WorkerCard(worker, now),
    );
    const alone = element("p", "empty", "No gateway is known.");
    this.#gateways = new Group(
      "gateways",
      "Gateways",
      alone,
      (/** @type {Gateway} */ each) => new GatewayCard(each, now),
    );
    this.root.append(this.#workers.root, this.#gateways.root);
  }

  /** @param {Overview} overview */
  show(overview) {
    this.#workers.show(overview.workers);
    this.#gateways.show(overview.gateways);
  }
}

/**
 * The processes of one kind.
 * @template {Worker | Gateway} P
 */
class Group {
  root = element("section");
  #count = element("small");
  #list = element("ul", "cards");
  #all = button("small", "", () => {
    this.#isWhole = true;
    this.show(this.#processes);
  });
  #isWhole = false;
  /** @type {P[]} */
  #processes = [];
  /** @type {Keyed<P>} */
  #cards;

  /**
   * @param {string} id
   * @param {string} name
   * @param {HTMLElement} empty
   * @param {(process: P) => import("./keyed.js").Part<P>} make
   */
  constructor(id, name, empty, make) {
    this.empty = empty;
    this.root.id = id;
    this.root.setAttribute("aria-labelledby", `${id}-title`);
    const title = element("h2", "", `${name} `);
    title.id = `${id}-title`;
    title.append(this.#count);
    this.#cards = new Keyed(this.#list, (process) => process.id, make);
    // Before the feed has said so, nobody is missing.
    empty.hidden = true;
    this.#all.hidden = true;
    this.root.append(title, empty, this.#list, this.#all);
  }

  /** @param {P[]} processes */
  show(processes) {
    this.#processes = processes;
    this.empty.hidden = processes.length > 0;
    write(this.#count, processes.length > 0 ? String(processes.length) : "");
    const sorted = [...processes].sort(
      (a, b) => a.host.localeCompare(b.host) || a.pid - b.pid || (a.id < b.id ? -1 : 1),
    );
    this.#cards.show(this.#isWhole ? sorted : sorted.slice(0, SHOWN));
    this.#all.hidden = this.#isWhole || sorted.length <= SHOWN;
    write(this.#all, `Show all ${sorted.length}`);
  }
}

/** What is the same of every process: where it is, since when, and whether it is heard of. */
class Card {
  root = element("li", "card");
  #silence = element("p", "silence");
  #silent = element("span");

  /**
   * @param {Worker | Gateway} process
   * @param {() => number} now
   */
  constructor(process, now) {
    this.now = now;
    const name = element("h3", "", process.host);
    const facts = element("p", "facts");
    const up = element("span");
    showAge(up, process.started_at, now());
    up.title = `since ${timeOfDay(Date.parse(process.started_at))}`;
    facts.append(`pid ${process.pid} · version ${process.version} · up `, up);
    this.#silence.append("Last heard of ", this.#silent, " ago");
    this.root.append(name, facts, this.#silence);
  }

  /** @param {Worker | Gateway} process */
  heard(process) {
    const isSilent = this.now() - Date.parse(process.beat_at) > SILENT;
    this.#silence.hidden = !isSilent;
    this.root.classList.toggle("silent", isSilent);
    showAge(this.#silent, process.beat_at, this.now());
  }
}

class WorkerCard extends Card {
  #slots = element("span", "slots");
  #meter = element("meter");
  #queues = element("p", "facts");
  #jobs = element("ul", "longest");
  #paused = element("ul", "circuits");
  /** @type {Keyed<Worker["jobs"][number]>} */
  #rows;
  /** @type {Keyed<Worker["circuits"][number]>} */
  #circuits;

  /**
   * @param {Worker} worker
   * @param {() => number} now
   */
  constructor(worker, now) {
    super(worker, now);
    this.#meter.setAttribute("aria-label", "Slots in use");
    this.#meter.min = 0;
    this.#jobs.setAttribute("aria-label", "The jobs that it runs longest");
    this.#rows = new Keyed(
      this.#jobs,
      (job) => `${job.id} ${job.started_at}`,
      (job) => {
        const root = element("li");
        const link = element("a", "", job.task);
        link.href = `#/jobs/${job.id}`;
        const age = element("span", "age");
        showAge(age, job.started_at, now());
        root.append(link, age);
        return { root, update: () => {} };
      },
    );
    this.#paused.setAttribute("aria-label", "Tasks whose functions do not answer");
    this.#circuits = new Keyed(
      this.#paused,
      (circuit) => circuit.task,
      () => {
        const root = element("li");
        return { root, update: (circuit) => write(root, paused(circuit, this.now())) };
      },
    );
    const load = element("p", "load");
    load.append(this.#meter, this.#slots);
    this.root.append(this.#queues, this.#paused, load, this.#jobs);
    this.update(worker);
  }

  /** @param {Worker} worker */
  update(worker) {
    this.heard(worker);
    write(this.#queues, `takes from ${worker.queues.join(", ") || "no queue"}`);
    this.#meter.max = Math.max(1, worker.concurrency);
    this.#meter.value = worker.running;
    write(this.#slots, `${worker.running} of ${many(worker.concurrency, "slot")} in use`);
    this.#rows.show(worker.jobs);
    this.#jobs.hidden = worker.jobs.length === 0;
    this.#circuits.show(worker.circuits);
    this.#paused.hidden = worker.circuits.length === 0;
  }
}

/**
 * @param {Worker["circuits"][number]} circuit
 * @param {number} now
 */
function paused(circuit, now) {
  const until = Date.parse(circuit.until);
  const after = `after ${many(circuit.failures, "failure")}`;
  return until > now
    ? `${circuit.task}: paused until ${timeOfDay(until)} ${after}`
    : `${circuit.task}: paused ${after}; the next job tries it`;
}

class GatewayCard extends Card {
  #sockets = element("p", "load");

  /**
   * @param {Gateway} gateway
   * @param {() => number} now
   */
  constructor(gateway, now) {
    super(gateway, now);
    const listen = element("p", "facts", "listens at ");
    listen.append(element("code", "", gateway.listen));
    this.root.append(listen, this.#sockets);
  }

  /** @param {Gateway} gateway */
  update(gateway) {
    this.heard(gateway);
    write(this.#sockets, `${many(gateway.sockets, "socket")}, ${many(gateway.sessions, "session")}`);
  }
}
