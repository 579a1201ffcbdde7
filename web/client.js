// @ts-check
// Safelight from a browser: send pictures, watch their jobs over one WebSocket, ask for their status.
//
//   const client = new SafelightClient();
//   const { jobId } = await client.upload(file, { options: { format: "webp", quality: 80 } });
//   const stop = client.watch(jobId, (job) => console.log(job.stage, job.progress, job.url));
//
// Everything that fails rejects with a Problem (client/problem.js).

import { Connection } from "./client/connection.js";
import { Problem, parseObject, problemFrom } from "./client/problem.js";

export { Problem };

const SILENCE_MS = 20_000; // while jobs are watched, longer silence is checked
const ANSWER_LIMIT_MS = 8_000;
const REFRESHED_AT_ONCE = 20; // while no WebSocket can be had, so many jobs are asked for by GET

/**
 * @typedef {object} Variant
 * @property {string} name
 * @property {string} url
 * @property {string} format
 * @property {number} width
 * @property {number} height
 * @property {number} bytes
 *
 * @typedef {object} Job the public picture of a job, or of a batch (then `counts` and `total`)
 * @property {string} jobId
 * @property {number} revision
 * @property {"queued" | "processing" | "completed" | "failed" | "cancelled" | "expired"} status
 * @property {"queued" | "decoding" | "processing" | "encoding" | "storing" | null} [stage]
 * @property {number} [progress]
 * @property {number | null} [queuePosition]
 * @property {number | null} [etaSeconds]
 * @property {{bytes: number, format: string, width: number, height: number}} [original]
 * @property {string} [url]
 * @property {Variant[]} [variants]
 * @property {{code: string, title: string, detail: string} | null} [error]
 *
 * @typedef {object} UploadAnswer
 * @property {"processing" | "completed"} status
 * @property {string} jobId
 * @property {string} imageId
 *
 * @typedef {(job: Job) => void} JobListener
 */

/** Dispatches `connection-changed`; `connection` then tells the state. */
export class SafelightClient extends EventTarget {
  #base;
  #connection;
  /** @type {Map<string, {job: Job | null, listeners: Set<JobListener>}>} */
  #watched = new Map();
  #watchdog = 0;

  /** @param {{base?: string}} [settings] where the service answers; this page's own origin if not said */
  constructor({ base = location.origin } = {}) {
    super();
    this.#base = base;
    this.#connection = new Connection(this.absolute("/ws").replace(/^http/, "ws"));
    this.#connection.addEventListener("state-changed", () => this.#connectionChanged());
    this.#connection.addEventListener("attempt-failed", () => this.#refreshWatched());
    this.#connection.addEventListener("message", (event) =>
      this.#heard(/** @type {CustomEvent} */ (event).detail),
    );
  }

  /** @returns {{state: import("./client/connection.js").ConnectionState, retryAt: number | null}} */
  get connection() {
    return { state: this.#connection.state, retryAt: this.#connection.retryAt };
  }

  /** Open the WebSocket before the first watch does. */
  connect() {
    this.#connection.open();
  }

  /** Close the WebSocket; watches stay and go on after the next `connect`. */
  close() {
    this.#connection.close();
  }

  /** A path of the service as a whole URL. @param {string} path */
  absolute(path) {
    return new URL(path, this.#base).href;
  }

  /**
   * Send one picture; resolves as soon as the server has taken it, before it is developed.
   * @param {File} file
   * @param {{options?: object, preset?: string, signal?: AbortSignal,
   *   onUploadProgress?: (progress: {loaded: number, total: number}) => void}} [settings]
   * @returns {Promise<UploadAnswer>}
   */
  upload(file, { options = {}, preset, signal, onUploadProgress } = {}) {
    const form = new FormData();
    // First, so that it can be refused before the bytes.
    if (preset) form.append("preset", preset);
    else form.append("options", JSON.stringify(options));
    form.append("file", file, file.name);
    return this.#post("/upload", form, { signal, onUploadProgress });
  }

  /**
   * Hear every change of a job, the present state first. A job the server does not know is told as failed.
   * @param {string} jobId a job's or a batch's
   * @param {JobListener} listener
   * @returns {() => void} stops it
   */
  watch(jobId, listener) {
    const known = this.#watched.get(jobId);
    const watched = known ?? { job: null, listeners: new Set() };
    watched.listeners.add(listener);
    this.#watched.set(jobId, watched);
    if (!known) this.#connection.send({ type: "subscribe", jobId });
    else if (known.job) listener(known.job);
    this.connect();
    return () => this.#unwatch(jobId, listener);
  }

  /**
   * @param {string} jobId
   * @param {{signal?: AbortSignal}} [settings]
   * @returns {Promise<Job>}
   */
  status(jobId, { signal } = {}) {
    return this.#get(`/status/${encodeURIComponent(jobId)}`, signal);
  }

  /** The JSON Schema of what `options` may say. @returns {Promise<any>} */
  recipeSchema() {
    return this.#get("/schema/recipe");
  }

  /** The recipes that have a name. @returns {Promise<{presets: Record<string, object>, presetsOnly: boolean}>} */
  presets() {
    return this.#get("/presets");
  }

  /** @param {string} jobId @param {JobListener} listener */
  #unwatch(jobId, listener) {
    const watched = this.#watched.get(jobId);
    if (!watched?.listeners.delete(listener) || watched.listeners.size) return;
    this.#watched.delete(jobId);
    this.#connection.send({ type: "unsubscribe", jobId });
  }

  #connectionChanged() {
    if (this.#connection.state === "open") {
      for (const jobId of this.#watched.keys()) this.#connection.send({ type: "subscribe", jobId });
    }
    this.#rearm();
    this.dispatchEvent(new Event("connection-changed"));
  }

  /** @param {any} message */
  #heard(message) {
    this.#rearm();
    if (message.type !== "error") this.#tell(message);
    else if (this.#watched.has(message.jobId)) this.#doubt(message.jobId);
  }

  /** @param {Job} job */
  #tell(job) {
    const watched = this.#watched.get(job.jobId);
    if (!watched) return;
    if (watched.job && job.revision <= watched.job.revision) return; // an older one, late
    watched.job = job;
    for (const listener of [...watched.listeners]) listener(job);
  }

  /** The socket does not know the job, or cannot be had: ask over HTTP. @param {string} jobId */
  async #doubt(jobId) {
    try {
      this.#tell(await this.status(jobId));
    } catch (error) {
      if (error instanceof Problem && error.status === 404) this.#tell(lostJob(jobId, error));
      // Anything else passes: the next reconnect asks again.
    }
  }

  #refreshWatched() {
    for (const jobId of [...this.#watched.keys()].slice(0, REFRESHED_AT_ONCE)) this.#doubt(jobId);
  }

  /** A half-open TCP connection says nothing for ever: after a silence, ask something. */
  #rearm() {
    clearTimeout(this.#watchdog);
    if (this.#connection.state !== "open") return;
    this.#watchdog = setTimeout(() => this.#checkSilence(), SILENCE_MS);
  }

  #checkSilence() {
    const [jobId] = this.#watched.keys();
    if (!jobId) return this.#rearm();
    this.#connection.send({ type: "subscribe", jobId });
    this.#watchdog = setTimeout(() => this.#connection.renew(), ANSWER_LIMIT_MS);
  }

  /** @param {string} path @param {AbortSignal} [signal] */
  async #get(path, signal) {
    const answer = await fetch(this.absolute(path), { signal }).catch((error) => {
      if (signal?.aborted) throw error;
      throw new Problem({ type: "/problems/unreachable" });
    });
    if (answer.ok) return answer.json();
    throw problemFrom(answer.status, await answer.text(), answer.headers.get("Retry-After"));
  }

  /**
   * XMLHttpRequest, because fetch tells nothing about an upload under way.
   * @param {string} path
   * @param {FormData} form
   * @param {{signal?: AbortSignal, onUploadProgress?: (progress: {loaded: number, total: number}) => void}} settings
   * @returns {Promise<any>}
   */
  #post(path, form, { signal, onUploadProgress }) {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const request = new XMLHttpRequest();
      request.open("POST", this.absolute(path));
      request.setRequestHeader("Prefer", "respond-async");
      request.upload.onprogress = ({ loaded, total }) => onUploadProgress?.({ loaded, total });
      request.onerror = () => reject(new Problem({ type: "/problems/unreachable" }));
      request.onabort = () => reject(signal?.reason);
      request.onload = () => {
        const { status, responseText: body } = request;
        const answer = status >= 200 && status < 300 ? parseObject(body) : {};
        if ("jobId" in answer) resolve(answer);
        else reject(problemFrom(status, body, request.getResponseHeader("Retry-After")));
      };
      signal?.addEventListener("abort", () => request.abort(), { once: true });
      request.send(form);
    });
  }
}

/** @param {string} jobId @param {Problem} problem @returns {Job} */
function lostJob(jobId, problem) {
  const { code, title, detail } = problem;
  return { jobId, revision: Infinity, status: "failed", error: { code, title, detail } };
}
