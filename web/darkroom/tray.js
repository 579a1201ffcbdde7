// @ts-check
// The pictures on the page and their way through the client: a few uploads at a time, patience when
// the server is busy, a watch for each job. No DOM.

import { Problem } from "../client.js";
import { requestOf } from "./options.js";
import { accepted, developed, failed, isSettled, newPicture, paused, sent, uploading } from "./picture.js";

const UPLOADS_AT_ONCE = 3;
const BUSY_WAIT_SECONDS = 5; // when a 429 says no Retry-After
const UNREACHABLE_ATTEMPTS = 8;
const LONGEST_WAIT_SECONDS = 15;

/** @typedef {import("./picture.js").Picture} Picture */

/** Dispatches `picture-changed` and `picture-removed`, each with the picture as detail. */
export class Tray extends EventTarget {
  /** @type {Map<string, Picture>} in order of arrival */
  pictures = new Map();

  #client;
  /** @type {string[]} keys whose upload has not begun */
  #waiting = [];
  #uploads = 0;
  #pausedUntil = 0;
  #timer = 0;
  /** @type {Map<string, AbortController>} uploads under way */
  #aborts = new Map();
  /** @type {Map<string, () => void>} watches under way */
  #stops = new Map();
  /** @type {Map<string, number>} attempts nobody answered */
  #unanswered = new Map();

  /** @param {import("../client.js").SafelightClient} client */
  constructor(client) {
    super();
    this.#client = client;
  }

  /** @param {Iterable<File>} files @param {object} options @returns {Picture[]} */
  add(files, options) {
    const added = Array.from(files, (file) => newPicture(file, options));
    for (const picture of added) this.#enqueue(picture);
    this.#pump();
    return added;
  }

  /** Once more from the start. @param {string} key @param {object} [options] a new recipe */
  again(key, options) {
    const picture = this.pictures.get(key);
    if (!picture || !isSettled(picture)) return;
    this.#unanswered.delete(key);
    this.#enqueue(sent(picture, options ?? picture.options));
    this.#pump();
  }

  /** @param {string} key */
  remove(key) {
    const picture = this.pictures.get(key);
    if (!picture) return;
    this.pictures.delete(key);
    this.#waiting = this.#waiting.filter((waiting) => waiting !== key);
    this.#aborts.get(key)?.abort();
    this.#stopWatching(key);
    this.#unanswered.delete(key);
    this.dispatchEvent(new CustomEvent("picture-removed", { detail: picture }));
  }

  clear() {
    for (const key of [...this.pictures.keys()]) this.remove(key);
  }

  /** @param {Picture} picture */
  #enqueue(picture) {
    this.#set(picture);
    this.#waiting.push(picture.key);
  }

  #pump() {
    clearTimeout(this.#timer);
    const pause_ms = this.#pausedUntil - Date.now();
    if (pause_ms > 0) {
      this.#timer = setTimeout(() => this.#pump(), pause_ms);
      return;
    }
    while (this.#uploads < UPLOADS_AT_ONCE && this.#waiting.length) {
      this.#upload(/** @type {string} */ (this.#waiting.shift()));
    }
  }

  /** @param {string} key */
  async #upload(key) {
    const picture = this.pictures.get(key);
    if (!picture) return;
    const abort = new AbortController();
    this.#uploads += 1;
    this.#aborts.set(key, abort);
    this.#set(uploading(picture, 0));
    try {
      const { jobId } = await this.#client.upload(picture.file, {
        ...requestOf(picture.options),
        signal: abort.signal,
        onUploadProgress: ({ loaded, total }) =>
          this.#change(key, (now) => uploading(now, total ? (100 * loaded) / total : 0)),
      });
      this.#change(key, accepted);
      this.#watch(key, jobId);
    } catch (error) {
      if (!abort.signal.aborted) this.#refused(key, error);
    } finally {
      this.#uploads -= 1;
      this.#aborts.delete(key);
      this.#pump();
    }
  }

  /** @param {string} key @param {unknown} error */
  #refused(key, error) {
    if (!(error instanceof Problem)) throw error;
    const unanswered = (this.#unanswered.get(key) ?? 0) + Number(error.isUnreachable);
    this.#unanswered.set(key, unanswered);
    if (error.isBusy) {
      this.#pause(key, "busy", error.retryAfterSeconds ?? BUSY_WAIT_SECONDS);
    } else if (error.isUnreachable && unanswered < UNREACHABLE_ATTEMPTS) {
      this.#pause(key, "unreachable", Math.min(2 ** unanswered, LONGEST_WAIT_SECONDS));
    } else {
      const { code, title, detail } = error;
      this.#change(key, (picture) => failed(picture, { code, title, detail }));
    }
  }

  /** @param {string} key @param {"busy" | "unreachable"} reason @param {number} seconds */
  #pause(key, reason, seconds) {
    if (!this.pictures.has(key)) return;
    const until = Date.now() + Math.max(seconds, 1) * 1000;
    this.#pausedUntil = Math.max(this.#pausedUntil, until);
    this.#waiting.unshift(key);
    this.#change(key, (picture) => paused(picture, { reason, until: this.#pausedUntil }));
  }

  /** @param {string} key @param {string} jobId */
  #watch(key, jobId) {
    if (!this.pictures.has(key)) return; // removed while its last bytes went out
    const stop = this.#client.watch(jobId, (job) => {
      this.#change(key, (picture) => developed(picture, job));
      this.#stopIfSettled(key);
    });
    this.#stops.set(key, stop);
    this.#stopIfSettled(key); // two equal files share a job, whose state may have been told at once
  }

  /** @param {string} key */
  #stopIfSettled(key) {
    const picture = this.pictures.get(key);
    if (picture && isSettled(picture)) this.#stopWatching(key);
  }

  /** @param {string} key */
  #stopWatching(key) {
    this.#stops.get(key)?.();
    this.#stops.delete(key);
  }

  /** @param {string} key @param {(picture: Picture) => Picture} move */
  #change(key, move) {
    const picture = this.pictures.get(key);
    if (picture) this.#set(move(picture));
  }

  /** @param {Picture} picture */
  #set(picture) {
    this.pictures.set(picture.key, picture);
    this.dispatchEvent(new CustomEvent("picture-changed", { detail: picture }));
  }
}
