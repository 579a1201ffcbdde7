// @ts-check
// The line of pictures that wait to be sent: a few at a time, with patience when the server is busy or away.
// What a sending does to its picture it tells the tray. No DOM.

import { Problem } from "../client.js";
import { isSame, requestOf } from "./options.js";
import { paused, failed, uploading, waiting } from "./picture.js";

const UPLOADS_AT_ONCE = 3;
const BUSY_WAIT_SECONDS = 5; // when a 429 says no Retry-After
const UNREACHABLE_ATTEMPTS = 20;
const LONGEST_WAIT_SECONDS = 15;
const MOST_URLS = 100; // in a request; each is a job that then shows by itself
const NOT_KEPT = [404, 409, 410]; // the server has not, or no longer, what a sending again would build on

/**
 * @typedef {import("./picture.js").Picture} Picture
 * @typedef {(picture: Picture) => Picture} Move
 * @typedef {object} Tray
 * @property {Map<string, Picture>} pictures
 * @property {(key: string, move: Move) => void} change
 * @property {(key: string, jobId: string) => void} taken
 */

export class Line {
  #client;
  #tray;
  /** @type {string[]} keys */
  #waiting = [];
  #sending = 0;
  #pausedUntil = 0;
  #timer = 0;
  #isHeld = false;
  /** @type {Map<string, AbortController>} under way */
  #aborts = new Map();
  /** @type {Map<string, number>} attempts in a row that nobody answered */
  #unanswered = new Map();

  /** @param {import("../client.js").SafelightClient} client @param {Tray} tray */
  constructor(client, tray) {
    this.#client = client;
    this.#tray = tray;
    globalThis.addEventListener?.("online", () => this.#hurry());
  }

  /** Whether nothing more begins, by the visitor's wish. */
  get isHeld() {
    return this.#isHeld;
  }

  /** @param {Iterable<string>} keys @param {{first?: boolean}} [settings] */
  add(keys, { first = false } = {}) {
    if (first) this.#waiting.unshift(...keys);
    else this.#waiting.push(...keys);
    this.#pump();
  }

  /** Stop waiting or sending; says whether there was anything to stop. @param {string} key */
  leave(key) {
    const waited = this.#waiting.includes(key);
    if (waited) this.#waiting = this.#waiting.filter((other) => other !== key);
    this.#unanswered.delete(key);
    const abort = this.#aborts.get(key);
    if (!abort) return waited;
    abort.abort();
    // Those that went in the same request begin again, without it.
    const others = [...this.#aborts].filter(([other, theirs]) => theirs === abort && other !== key);
    for (const [other] of others) this.#tray.change(other, waiting);
    this.#waiting.unshift(...others.map(([other]) => other));
    return true;
  }

  /** Everything stands still until `resume`; what is under way waits in front. */
  hold() {
    this.#isHeld = true;
    const keys = [...this.#aborts.keys()];
    for (const key of keys) {
      this.#aborts.get(key)?.abort();
      this.#tray.change(key, waiting);
    }
    this.#waiting.unshift(...keys);
  }

  resume() {
    this.#isHeld = false;
    this.#pump();
  }

  /** The network is back: not every wait has to end first. */
  #hurry() {
    this.#pausedUntil = 0;
    this.#pump();
  }

  #pump() {
    clearTimeout(this.#timer);
    if (this.#isHeld) return;
    const pause_ms = this.#pausedUntil - Date.now();
    if (pause_ms > 0) {
      this.#timer = setTimeout(() => this.#pump(), pause_ms);
      return;
    }
    while (this.#sending < UPLOADS_AT_ONCE && this.#waiting.length) {
      const group = this.#next();
      if (group.length) this.#send(group);
    }
  }

  /** The next picture, with those behind it that can go in the same request. @returns {Picture[]} */
  #next() {
    const picture = this.#tray.pictures.get(/** @type {string} */ (this.#waiting.shift()));
    if (!picture || !picture.url || picture.earlier.length) return picture ? [picture] : [];
    const group = [picture];
    while (group.length < MOST_URLS) {
      const other = this.#tray.pictures.get(this.#waiting[0]);
      if (!other?.url || other.earlier.length || !isSame(other.options, picture.options)) break;
      group.push(other);
      this.#waiting.shift();
    }
    return group;
  }

  /** @param {Picture[]} group */
  async #send(group) {
    const abort = new AbortController();
    const keys = group.map(({ key }) => key);
    this.#sending += 1;
    for (const key of keys) {
      this.#aborts.set(key, abort);
      this.#tray.change(key, (picture) => uploading(picture));
    }
    try {
      if (group[0].earlier.length && (await this.#sendAgain(group[0], abort.signal))) return;
      if (group[0].file) await this.#sendFile(group[0], abort.signal);
      else await this.#sendUrls(group, abort.signal);
    } catch (error) {
      if (!abort.signal.aborted) this.#refused(keys, error);
    } finally {
      this.#sending -= 1;
      for (const key of keys) if (this.#aborts.get(key) === abort) this.#aborts.delete(key);
      this.#pump();
    }
  }

  /** Without its bytes: the server may still have them. Says whether it had. @param {Picture} picture @param {AbortSignal} signal */
  async #sendAgain({ key, earlier, options, idempotencyKey }, signal) {
    const settings = { ...requestOf(options), idempotencyKey, signal };
    try {
      const { jobId } = await this.#client.processAgain(String(earlier.at(-1)), settings);
      this.#tray.taken(key, jobId);
      return true;
    } catch (error) {
      if (error instanceof Problem && NOT_KEPT.includes(error.status)) return false;
      throw error;
    }
  }

  /** @param {Picture} picture @param {AbortSignal} signal */
  async #sendFile({ key, file, options, idempotencyKey, uploadPercent }, signal) {
    const { jobId } = await this.#client.send(/** @type {File} */ (file), {
      ...requestOf(options),
      idempotencyKey,
      signal,
      hasBroken: this.#unanswered.has(key) && uploadPercent > 0,
      onWay: (way) => this.#tray.change(key, (picture) => uploading(picture, { way })),
      onUploadProgress: ({ loaded, total }) => {
        if (signal.aborted) return;
        if (this.#unanswered.has(key)) this.#unanswered.set(key, 1); // it goes on: patience begins anew
        this.#tray.change(key, (picture) => uploading(picture, { uploadPercent: total ? (100 * loaded) / total : 0 }));
      },
    });
    this.#tray.taken(key, jobId);
  }

  /** @param {Picture[]} group @param {AbortSignal} signal */
  async #sendUrls(group, signal) {
    const [first, last] = [group[0], group[group.length - 1]];
    const urls = group.map(({ url }) => String(url));
    const taken = await this.#client.processUrls(urls, {
      ...requestOf(first.options),
      // The same group has the same name; one that a picture has left has another.
      idempotencyKey: `${first.idempotencyKey}-${last.idempotencyKey}-${group.length}`,
      signal,
    });
    taken.forEach(({ jobId, problem }, i) => {
      if (problem) this.#tray.change(group[i].key, (picture) => failed(picture, problem));
      else this.#tray.taken(group[i].key, jobId);
    });
  }

  /** @param {string[]} keys @param {unknown} error */
  #refused(keys, error) {
    if (!(error instanceof Problem)) throw error;
    const isLate = error.code === "idempotency_in_progress"; // the answer to the first try is still made
    const unanswered = 1 + Math.max(0, ...keys.map((key) => this.#unanswered.get(key) ?? 0));
    if (error.isBusy || isLate) {
      this.#pause(keys, "busy", error.retryAfterSeconds ?? BUSY_WAIT_SECONDS);
    } else if (isBroken(error) && unanswered < UNREACHABLE_ATTEMPTS) {
      for (const key of keys) this.#unanswered.set(key, unanswered);
      this.#pause(keys, "unreachable", Math.min(2 ** unanswered, LONGEST_WAIT_SECONDS));
    } else {
      for (const key of keys) this.#tray.change(key, (picture) => failed(picture, error));
    }
  }

  /** @param {string[]} keys @param {"busy" | "unreachable"} reason @param {number} seconds */
  #pause(keys, reason, seconds) {
    const stay = keys.filter((key) => this.#tray.pictures.has(key));
    const until = Date.now() + Math.max(seconds, 1) * 1000;
    this.#pausedUntil = Math.max(this.#pausedUntil, until);
    this.#waiting.unshift(...stay);
    for (const key of stay) this.#tray.change(key, (picture) => paused(picture, { reason, until: this.#pausedUntil }));
  }
}

/** Nobody answered, or another request for the same resumable upload was in the way. @param {Problem} error */
function isBroken({ isUnreachable, status, code }) {
  return isUnreachable || status === 423 || code === "upload_interrupted" || code === "wrong_offset" || code === "cut_short";
}
