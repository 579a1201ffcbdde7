// @ts-check
// Safelight from a browser: send pictures, watch their jobs over one WebSocket, fetch what came of them.
//
//   const client = new SafelightClient();
//   const { jobId } = await client.upload(file, { options: { format: "webp", quality: 80 } });
//   const stop = client.watch(jobId, (job) => console.log(job.stage, job.progress, job.url));
//
// Everything that fails rejects with a Problem (client/problem.js). docs/client.md has the rest.

import { Access } from "./client/access.js";
import { presign, sendDirectly } from "./client/direct.js";
import { UploadMemory } from "./client/memory.js";
import { Problem } from "./client/problem.js";
import { Requests, parsed } from "./client/requests.js";
import { TusUploads } from "./client/tus.js";
import { Watches } from "./client/watches.js";
import { isBucketUnreachable, isNetworkSlow, wayFor } from "./client/ways.js";
import { wishFields, wishText } from "./client/wish.js";

export { Problem };

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
 * @property {"queued" | "fetching" | "decoding" | "processing" | "enhancing" | "upscaling" | "encoding" | "storing" | null} [stage]
 * @property {number} [progress] percent
 * @property {number | null} [queuePosition]
 * @property {number | null} [etaSeconds]
 * @property {string} [name]
 * @property {{bytes: number, format: string, width: number, height: number}} [original]
 * @property {string} [url]
 * @property {string} [html] a `<picture>` for a page of one's own, where several files were made
 * @property {Variant[]} [variants]
 * @property {boolean} [cached] another job had made its result before
 * @property {Record<string, "ai" | "classic">} [engines]
 * @property {{code: string, title: string, detail: string} | null} [error]
 *
 * @typedef {object} UploadAnswer
 * @property {"processing" | "completed"} status
 * @property {string} jobId
 * @property {string} imageId
 *
 * @typedef {{jobId: string, problem: null} | {jobId: null, problem: Problem}} Taken what became of one of several URLs
 *
 * @typedef {object} Network
 * @property {string} name
 * @property {"enhance" | "upscale"} step
 * @property {number} scale
 * @property {number | null} secondsPerMegapixel
 *
 * @typedef {object} Offer what GET /config says
 * @property {boolean} keyNeeded
 * @property {{name: string, scopes: string[]} | null} key the one in use
 * @property {boolean} directUploads
 * @property {number} maxUploadBytes
 * @property {number} maxFiles
 * @property {number} maxUrls
 * @property {number} maxWatched
 * @property {number} maxZipEntries
 * @property {string[]} watermarks
 * @property {string[]} fonts
 *
 * @typedef {object} SendSettings
 * @property {object} [options] what to do with it: docs/recipe.md
 * @property {string} [preset] or a recipe by its name
 * @property {string} [idempotencyKey] sent again with the same, it is done once
 * @property {AbortSignal} [signal]
 * @property {(progress: import("./client/requests.js").UploadProgress) => void} [onUploadProgress]
 *
 * @typedef {(job: Job) => void} JobListener
 *
 * @typedef {object} SystemListeners
 * @property {(system: any) => void} [onSystem] the whole service, about once a second
 * @property {(moves: {moves: any[], dropped: number}) => void} [onMoves] what jobs did since the last
 * @property {(problem: Problem) => void} [onProblem] why there is nothing to hear: scope_missing, say
 */

/** Dispatches `connection-changed` (`connection` then tells the state) and `key-changed`. */
export class SafelightClient extends EventTarget {
  #access;
  #requests;
  #watches;
  #memory = new UploadMemory();
  #tus;
  /** @type {Promise<Offer> | null} */
  #offer = null;
  #isBucketUnreachable = false;

  /** @param {{base?: string, key?: string}} [settings] where the service answers, if not this page's origin; an API key */
  constructor({ base = location.origin, key } = {}) {
    super();
    this.#access = new Access(key);
    this.#requests = new Requests(base, this.#access);
    this.#tus = new TusUploads(this.#requests, this.#memory);
    this.#watches = new Watches(this.absolute("/ws").replace(/^http/, "ws"), {
      protocols: () => this.#access.protocols(),
      status: (jobId) => this.status(jobId),
    });
    this.#watches.addEventListener("connection-changed", () =>
      this.dispatchEvent(new Event("connection-changed")),
    );
    this.#watches.addEventListener("attempt-failed", () => this.#seeWhetherKeyIsWanted());
    this.#access.addEventListener("key-changed", () => {
      this.#offer = null;
      this.#watches.connection.renew();
      this.dispatchEvent(new Event("key-changed"));
    });
  }

  /** @returns {{state: import("./client/connection.js").ConnectionState, retryAt: number | null}} */
  get connection() {
    const { state, retryAt } = this.#watches.connection;
    return { state, retryAt };
  }

  /** Open the WebSocket before the first watch does. */
  connect() {
    this.#watches.connection.open();
  }

  /** Close the WebSocket; watches stay and go on after the next `connect`. */
  close() {
    this.#watches.connection.close();
  }

  /** Who is asked for an API key when the service wants one (401). @param {import("./client/access.js").AskForKey | null} ask */
  set askForKey(ask) {
    this.#access.ask = ask;
  }

  /** Ask for a key again when the next request is refused, though nobody gave one before: the visitor wants something. */
  reconsiderKey() {
    this.#access.reconsider();
  }

  /** Whether requests carry an API key. */
  get hasKey() {
    return this.#access.key !== "";
  }

  /** @param {string} key empty to forget it @param {{remember?: boolean}} [settings] beyond this tab */
  useKey(key, settings) {
    this.#access.use(key, settings);
  }

  /** A path of the service as a whole URL. @param {string} path */
  absolute(path) {
    return this.#requests.absolute(path);
  }

  /** What GET of this path answers, with the API key. @param {string} path @param {{signal?: AbortSignal}} [settings] @returns {Promise<any>} */
  getJson(path, settings) {
    return this.#requests.json(path, settings);
  }

  /** What GET of this path answers, as a file, with the API key. @param {string} path @returns {Promise<Blob>} */
  async getBlob(path) {
    return (await this.#requests.fetch(path)).blob();
  }

  /** POST without a body, with the API key. @param {string} path @returns {Promise<any>} */
  post(path) {
    return this.#requests.json(path, { method: "POST" });
  }

  /** What the service offers: limits, names of watermarks, what the key may do. Asked for once. @returns {Promise<Offer>} */
  offer() {
    this.#offer ??= this.getJson("/config").catch((error) => {
      this.#offer = null;
      throw error;
    });
    return /** @type {Promise<Offer>} */ (this.#offer);
  }

  /**
   * Send one picture by the way that fits it and the network: in one request, resumable, or into the bucket.
   * Resolves as soon as the server has taken it. After a failure call it again with `hasBroken`: it then goes
   * on where it was.
   * @param {File} file
   * @param {SendSettings & {hasBroken?: boolean, onWay?: (way: import("./client/ways.js").Way) => void}} [settings]
   * @returns {Promise<{jobId: string}>}
   */
  async send(file, { hasBroken = false, onWay, ...settings } = {}) {
    const hasBucket = !this.#isBucketUnreachable && (await this.#hasBucket());
    const isResumable = this.#tus.takes(file, settings);
    const way = wayFor(file, { hasBucket, hasBroken, isResumable, isSlow: isNetworkSlow() });
    onWay?.(way);
    if (way === "resumable") return this.sendResumable(file, settings);
    if (way === "plain") return this.upload(file, settings);
    try {
      return await this.sendDirectly(file, settings);
    } catch (error) {
      if (!isBucketUnreachable(error)) throw error;
      this.#isBucketUnreachable = true; // from here on through the service
      return this.send(file, { ...settings, hasBroken, onWay });
    }
  }

  /**
   * Send one picture in one request; resolves as soon as the server has taken it, before it is developed.
   * @param {File} file
   * @param {SendSettings} [settings]
   * @returns {Promise<UploadAnswer>}
   */
  async upload(file, { options, preset, idempotencyKey, signal, onUploadProgress } = {}) {
    const form = new FormData();
    form.append(...wishText({ options, preset })); // first, so that it can be refused before the bytes
    form.append("file", file, file.name);
    const headers = { Prefer: "respond-async", ...once(idempotencyKey) };
    const answer = await this.#requests.send("/upload", { headers, body: form, signal, onUploadProgress });
    const told = parsed(answer);
    if ("jobId" in told) return told;
    throw new Problem({ type: "/problems/not_the_service" }, { status: answer.status }); // a proxy's page, say
  }

  /** By tus: called again with the same file and wish it sends the rest. @param {File} file @param {SendSettings} [settings] */
  sendResumable(file, settings = {}) {
    return this.#tus.send(file, settings);
  }

  /** Give up a resumable upload, and let the server do so. @param {File} file @param {import("./client/wish.js").Wish} wish */
  abandon(file, wish) {
    return this.#tus.abandon(file, wish);
  }

  /** Resumable uploads that this browser began and did not finish. */
  unfinished() {
    return this.#memory.all();
  }

  /** Into the bucket, past the service. @param {File} file @param {SendSettings & import("./client/direct.js").Agreeing} [settings] */
  sendDirectly(file, settings = {}) {
    return sendDirectly(this.#requests, file, settings);
  }

  /** A URL that somebody else may PUT this picture to. @param {File} file @param {SendSettings} [settings] */
  presign(file, { options, preset, signal } = {}) {
    return presign(this.#requests, file, { options, preset, signal });
  }

  /**
   * Let the service fetch pictures. Resolves with what became of each, in their order; rejects where none was taken
   * for a reason that is not in its URL.
   * @param {string[]} imageUrls at most `maxUrls` of the offer
   * @param {SendSettings} [settings]
   * @returns {Promise<Taken[]>}
   */
  async processUrls(imageUrls, settings = {}) {
    if (imageUrls.length === 1) {
      const { jobId } = await this.#process({ imageUrl: imageUrls[0] }, settings);
      return [{ jobId, problem: null }];
    }
    const { images, refused } = await this.#process({ imageUrls }, settings);
    const problems = new Map(refused.map((/** @type {any} */ one) => [one.index, new Problem(one.problem)]));
    const ids = images.map((/** @type {any} */ one) => one.imageId);
    return imageUrls.map((_, index) => {
      const problem = problems.get(index);
      return problem ? { jobId: null, problem } : { jobId: ids.shift(), problem: null };
    });
  }

  /** Once more, from the picture as the service keeps it. @param {string} imageId @param {SendSettings} [settings] @returns {Promise<UploadAnswer>} */
  processAgain(imageId, settings = {}) {
    return this.#process({ imageId }, settings);
  }

  /** Stop the work on a job or batch; one that has ended already is no problem. @param {string} jobId @returns {Promise<Job>} */
  async cancel(jobId) {
    try {
      return await this.#requests.json(`/job/${encodeURIComponent(jobId)}`, { method: "DELETE" });
    } catch (error) {
      if (error instanceof Problem && error.code === "already_ended") return this.status(jobId);
      throw error;
    }
  }

  /** Queue a failed job again. @param {string} jobId @returns {Promise<Job>} */
  retry(jobId) {
    return this.#requests.json(`/job/${encodeURIComponent(jobId)}/retry`, { method: "POST" });
  }

  /**
   * Delete a picture, as it came and all that was made of it; one that is gone already is no problem.
   * @param {string} imageId
   * @param {{isLeaving?: boolean}} [settings] isLeaving: the page is being closed
   */
  async remove(imageId, { isLeaving = false } = {}) {
    try {
      await this.#requests.fetch(`/image/${encodeURIComponent(imageId)}`, { method: "DELETE", keepalive: isLeaving });
    } catch (error) {
      if (!(error instanceof Problem) || ![404, 410].includes(error.status)) throw error;
    }
  }

  /** The results of these pictures as one ZIP. @param {string[]} imageIds at most `maxZipEntries` of the offer @param {{signal?: AbortSignal}} [settings] */
  async zip(imageIds, { signal } = {}) {
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ imageIds });
    const answer = await this.#requests.fetch("/zip", { method: "POST", headers, body, signal });
    return answer.blob();
  }

  /**
   * Hear every change of a job, the present state first. A job the server does not know is told as failed.
   * @param {string} jobId a job's or a batch's
   * @param {JobListener} listener
   * @returns {() => void} stops it
   */
  watch(jobId, listener) {
    return this.#watches.watchJob(jobId, listener);
  }

  /**
   * Hear how the whole service does; needs the scope `admin` where keys are set up.
   * @param {SystemListeners} listeners
   * @returns {() => void} stops it
   */
  watchSystem(listeners) {
    return this.#watches.watchSystem(listeners);
  }

  /**
   * @param {string} jobId
   * @param {{signal?: AbortSignal}} [settings]
   * @returns {Promise<Job>}
   */
  status(jobId, settings) {
    return this.getJson(`/status/${encodeURIComponent(jobId)}`, settings);
  }

  /** The JSON Schema of what `options` may say. @returns {Promise<any>} */
  recipeSchema() {
    return this.getJson("/schema/recipe");
  }

  /** The recipes that have a name. @returns {Promise<{presets: Record<string, object>, presetsOnly: boolean}>} */
  presets() {
    return this.getJson("/presets");
  }

  /** Which neural networks there are, and how long they take here. @returns {Promise<{available: boolean, models: Network[]}>} */
  networks() {
    return this.getJson("/ai");
  }

  async #hasBucket() {
    return this.offer().then(
      ({ directUploads }) => directUploads,
      () => false, // the upload itself will tell what is wrong
    );
  }

  /** @param {object} source @param {SendSettings} settings @returns {Promise<any>} */
  #process(source, { options, preset, idempotencyKey, signal }) {
    const headers = { Prefer: "respond-async", ...once(idempotencyKey) };
    const wish = wishFields({ options, preset });
    return this.#requests.postJson("/process", { ...source, ...wish }, { headers, signal });
  }

  /** No WebSocket can be had: because it wants a key? The browser does not tell, so the server is asked. */
  async #seeWhetherKeyIsWanted() {
    const { key } = this.#access;
    if (!this.#access.ask) return;
    try {
      const { keyNeeded, key: known } = await this.getJson("/config");
      if (keyNeeded && !known) await this.#access.renew(key, new Problem({ type: "/problems/key_missing" }));
    } catch {
      // The server is away, or the key is wrong and was asked for: the socket is tried again anyway.
    }
  }
}

/** @param {string} [idempotencyKey] @returns {Record<string, string>} */
function once(idempotencyKey) {
  return idempotencyKey ? { "Idempotency-Key": `"${idempotencyKey}"` } : {};
}
