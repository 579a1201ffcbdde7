// @ts-check
// One picture's way, from the click to the painted result: sends it, notes every moment, fetches the trace.

import { bestClock, clockFrom, nowMs, requestTimes } from "./clock.js";
import { text } from "../texts.js";
import { merged, stepsOf } from "./steps.js";

const CLOCKS_ASKED = 3;
const TRACE_LOOKS = 12; // until the row of the history is written
const TRACE_PAUSE_MS = 150;

/**
 * @typedef {import("./steps.js").Step} Step
 * @typedef {import("./steps.js").Hop} Hop
 * @typedef {import("../client.js").Job} Job
 *
 * @typedef {object} Told
 * @property {Step[]} steps
 * @property {Hop[]} hops
 * @property {number} totalMs
 * @property {import("./clock.js").Clock} clock
 * @property {Job} job as it ended
 * @property {HTMLImageElement | null} image the result, decoded
 */

/** Dispatches `stage-changed` with {stage, percent} while the picture is on its way. */
export class Journey extends EventTarget {
  #client;
  #screen;

  /** @param {import("../client.js").SafelightClient} client @param {Element} screen where the result is painted first */
  constructor(client, screen) {
    super();
    this.#client = client;
    this.#screen = screen;
  }

  /**
   * @param {File} file
   * @param {{options: object, isPresigned: boolean, signal?: AbortSignal}} settings
   * @returns {Promise<Told>}
   */
  async travel(file, { options, isPresigned, signal }) {
    const asked = nowMs();
    /** @type {Record<string, unknown>} */
    const messages = { ask: { name: file.name, bytes: file.size, type: file.type, options } };
    const { jobId, times } = await this.#send(file, { options, isPresigned, signal, messages, asked });
    const job = await this.#end(jobId, signal);
    messages.event = job;
    const told = nowMs();
    const { image, got } = await this.#picture(job, messages);
    const { trace, clock } = await this.#trace(jobId, signal);
    const hops = merged({ asked, ...times, told, ...got }, trace, clock, messages);
    const totalMs = Math.max(...hops.map((hop) => hop.startMs + hop.durationMs));
    return { steps: stepsOf(hops), hops, totalMs, clock, job, image };
  }

  /**
   * @param {File} file
   * @param {{options: object, isPresigned: boolean, signal?: AbortSignal, messages: Record<string, unknown>, asked: number}} settings
   */
  async #send(file, { options, isPresigned, signal, messages, asked }) {
    const onUploadProgress = (/** @type {{loaded: number, total: number}} */ { loaded, total }) =>
      this.#show("uploading", (100 * loaded) / total);
    let path = "/upload";
    const settings = { options, signal, onUploadProgress };
    const answer = isPresigned
      ? await this.#client.sendDirectly(file, { ...settings, onAgreed: (agreed) => {
          path = agreed.url;
          messages.agree = { request: "POST /uploads", answer: { ...agreed, url: unsigned(agreed.url) } };
        } })
      : await this.#client.upload(file, settings);
    const answered = nowMs();
    messages.send = { request: `${isPresigned ? "PUT" : "POST"} ${unsigned(path)}`, bytes: file.size };
    messages.accepted = answer;
    const agreement = isPresigned ? requestTimes(this.#client.absolute("/uploads"), asked) : null;
    const upload = requestTimes(this.#client.absolute(path), asked);
    return {
      jobId: answer.jobId,
      times: {
        agreeing: agreement?.sent ?? null,
        agreed: agreement?.done ?? null,
        sent: upload?.sent ?? asked,
        answered: upload?.done ?? answered,
      },
    };
  }

  /** @param {string} jobId @param {AbortSignal} [signal] @returns {Promise<Job>} */
  #end(jobId, signal) {
    return new Promise((resolve, reject) => {
      const stop = this.#client.watch(jobId, (job) => {
        this.#show(job.stage ?? job.status, job.progress ?? 0);
        if (job.status === "queued" || job.status === "processing") return;
        queueMicrotask(() => stop()); // the first call may come before watch() has returned
        resolve(job);
      });
      signal?.addEventListener("abort", () => {
        stop();
        reject(signal.reason);
      }, { once: true });
    });
  }

  /** @param {Job} job @param {Record<string, unknown>} messages */
  async #picture(job, messages) {
    const nothing = { getting: null, firstByte: null, gotten: null, painted: null };
    if (job.status !== "completed" || !job.url) return { image: null, got: nothing };
    const since = nowMs();
    const image = new Image();
    image.src = this.#client.absolute(job.url);
    try {
      await image.decode();
    } catch {
      return { image: null, got: nothing }; // it is not for everybody's eyes, or gone again: the steps tell the rest
    }
    image.alt = text("source.result");
    this.#screen.replaceChildren(image);
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    const painted = nowMs();
    const times = requestTimes(image.src, since);
    messages.get = { request: `GET ${unsigned(job.url)}`, variant: job.variants?.[0] ?? null };
    messages.paint = { width: image.naturalWidth, height: image.naturalHeight };
    if (!times) return { image, got: { ...nothing, getting: since, firstByte: since, gotten: painted, painted } };
    return { image, got: { getting: times.sent, firstByte: times.firstByte, gotten: times.done, painted } };
  }

  /** Asked for a few times: for the clock, and because the history is written a moment later. @param {string} jobId @param {AbortSignal} [signal] */
  async #trace(jobId, signal) {
    const path = `/job/${encodeURIComponent(jobId)}/trace`;
    /** @type {import("./clock.js").Clock[]} */
    const clocks = [];
    for (let look = 1; ; look += 1) {
      const since = nowMs();
      const trace = await this.#client.getJson(path, { signal });
      const until = nowMs();
      const times = requestTimes(this.#client.absolute(path), since);
      clocks.push(clockFrom(times?.sent ?? since, times?.firstByte ?? until, trace.nowMs));
      const isWhole = trace.hops.some((/** @type {Hop} */ hop) => hop.name === "record");
      if ((isWhole && look >= CLOCKS_ASKED) || look >= TRACE_LOOKS) return { trace, clock: bestClock(clocks) };
      if (!isWhole) await new Promise((resolve) => setTimeout(resolve, TRACE_PAUSE_MS));
    }
  }

  /** @param {string} stage @param {number} percent */
  #show(stage, percent) {
    this.dispatchEvent(new CustomEvent("stage-changed", { detail: { stage, percent } }));
  }
}

/** An address without what makes it valid. @param {string} url */
function unsigned(url) {
  return url.replace(/([?&](?:signature|keyId|X-Amz-Signature|X-Amz-Credential)=)[^&]*/g, "$1…");
}
