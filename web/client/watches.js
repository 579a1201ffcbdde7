// @ts-check
// Everything that is watched, over one WebSocket: jobs by id, and the whole system.

import { Connection } from "./connection.js";
import { Problem } from "./problem.js";

const SILENCE_MS = 20_000; // while anything is watched, longer silence is checked
const ANSWER_LIMIT_MS = 8_000;
const REFRESHED_AT_ONCE = 20; // while no WebSocket can be had, so many jobs are asked for by GET
const MOST_SUBSCRIBED = 1000; // half of what a server lets a socket watch; the others' turn comes as jobs end

/**
 * @typedef {import("../client.js").Job} Job
 * @typedef {import("../client.js").JobListener} JobListener
 * @typedef {import("../client.js").SystemListeners} SystemListeners
 */

/** Dispatches `connection-changed` and `attempt-failed`. */
export class Watches extends EventTarget {
  connection;
  #status;
  /** @type {Map<string, {job: Job | null, listeners: Set<JobListener>}>} */
  #jobs = new Map();
  /** Whose events the server was asked for over this socket. @type {Set<string>} */
  #subscribed = new Set();
  /** @type {Set<SystemListeners>} */
  #system = new Set();
  #watchdog = 0;

  /**
   * @param {string} url ws: or wss:
   * @param {{protocols: () => string[], status: (jobId: string) => Promise<Job>}} client
   */
  constructor(url, { protocols, status }) {
    super();
    this.#status = status;
    this.connection = new Connection(url, protocols);
    this.connection.addEventListener("state-changed", () => this.#connectionChanged());
    this.connection.addEventListener("attempt-failed", () => this.#attemptFailed());
    this.connection.addEventListener("message", (event) =>
      this.#heard(/** @type {CustomEvent} */ (event).detail),
    );
  }

  /** @param {string} jobId @param {JobListener} listener */
  watchJob(jobId, listener) {
    const known = this.#jobs.get(jobId);
    const watched = known ?? { job: null, listeners: new Set() };
    watched.listeners.add(listener);
    this.#jobs.set(jobId, watched);
    if (!known) this.#subscribe(jobId);
    else if (known.job) listener(known.job);
    this.connection.open();
    return () => this.#unwatchJob(jobId, listener);
  }

  /** @param {SystemListeners} listeners */
  watchSystem(listeners) {
    const own = { ...listeners }; // the same object given twice is two watches
    this.#system.add(own);
    if (this.#system.size === 1) this.connection.send(SUBSCRIBE_SYSTEM);
    this.connection.open();
    return () => {
      if (!this.#system.delete(own) || this.#system.size) return;
      this.connection.send({ type: "unsubscribe", topic: "system" });
    };
  }

  /** @param {string} jobId @param {JobListener} listener */
  #unwatchJob(jobId, listener) {
    const watched = this.#jobs.get(jobId);
    if (!watched?.listeners.delete(listener) || watched.listeners.size) return;
    this.#jobs.delete(jobId);
    if (!this.#subscribed.delete(jobId)) return;
    this.connection.send({ type: "unsubscribe", jobId });
    for (const next of this.#jobs.keys()) {
      if (!this.#subscribed.has(next)) return this.#subscribe(next);
    }
  }

  /** @param {string} jobId */
  #subscribe(jobId) {
    if (this.#subscribed.size >= MOST_SUBSCRIBED) return;
    if (this.connection.send({ type: "subscribe", jobId })) this.#subscribed.add(jobId);
  }

  #connectionChanged() {
    this.#subscribed.clear();
    if (this.connection.state === "open") {
      if (this.#system.size) this.connection.send(SUBSCRIBE_SYSTEM);
      for (const jobId of this.#jobs.keys()) this.#subscribe(jobId);
    }
    this.#rearm();
    this.dispatchEvent(new Event("connection-changed"));
  }

  /** @param {any} message */
  #heard(message) {
    this.#rearm();
    if (message.type === "system") this.#tellSystem("onSystem", message);
    else if (message.type === "moves") this.#tellSystem("onMoves", message);
    else if (message.type !== "error") this.#tell(message);
    else if (message.topic === "system") this.#tellSystem("onProblem", new Problem(message.problem));
    else if (this.#jobs.has(message.jobId)) this.#doubt(message.jobId);
  }

  /** @param {keyof SystemListeners} name @param {any} message */
  #tellSystem(name, message) {
    for (const listeners of [...this.#system]) listeners[name]?.(message);
  }

  /** @param {Job} job */
  #tell(job) {
    const watched = this.#jobs.get(job.jobId);
    if (!watched) return;
    if (watched.job && job.revision <= watched.job.revision) return; // an older one, late
    watched.job = job;
    for (const listener of [...watched.listeners]) listener(job);
  }

  /** The socket does not know the job, or cannot be had: ask over HTTP. @param {string} jobId */
  async #doubt(jobId) {
    try {
      this.#tell(await this.#status(jobId));
    } catch (error) {
      if (error instanceof Problem && error.status === 404) this.#tell(lostJob(jobId, error));
      // Anything else passes: the next reconnect asks again.
    }
  }

  #attemptFailed() {
    for (const jobId of [...this.#jobs.keys()].slice(0, REFRESHED_AT_ONCE)) this.#doubt(jobId);
    this.dispatchEvent(new Event("attempt-failed"));
  }

  /** A half-open TCP connection says nothing for ever: after a silence, ask something. */
  #rearm() {
    clearTimeout(this.#watchdog);
    if (this.connection.state !== "open") return;
    this.#watchdog = setTimeout(() => this.#checkSilence(), SILENCE_MS);
  }

  #checkSilence() {
    const [jobId] = this.#jobs.keys();
    if (!jobId && !this.#system.size) return this.#rearm();
    this.connection.send(jobId ? { type: "subscribe", jobId } : SUBSCRIBE_SYSTEM);
    this.#watchdog = setTimeout(() => this.connection.renew(), ANSWER_LIMIT_MS);
  }
}

const SUBSCRIBE_SYSTEM = Object.freeze({ type: "subscribe", topic: "system" });

/** @param {string} jobId @param {Problem} problem @returns {Job} */
function lostJob(jobId, problem) {
  const { code, title, detail } = problem;
  return { jobId, revision: Infinity, status: "failed", error: { code, title, detail } };
}
