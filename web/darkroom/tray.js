// @ts-check
// The pictures on the page, what a visitor may do with each, and a watch for each job. No DOM.

import { Line } from "./line.js";
import { isSame, requestOf } from "./options.js";
import { accepted, developed, failed, held, isSettled, isUnsent, newPicture, sent, waiting } from "./picture.js";

/** @typedef {import("./picture.js").Picture} Picture */

/** Dispatches `picture-changed`, `picture-removed` and `picture-restored` (then with its place), each with the picture as detail. */
export class Tray extends EventTarget {
  /** @type {Map<string, Picture>} in order of arrival */
  pictures = new Map();

  #client;
  #line;
  /** @type {Map<string, () => void>} watches under way */
  #stops = new Map();

  /** @param {import("../client.js").SafelightClient} client */
  constructor(client) {
    super();
    this.#client = client;
    this.#line = new Line(client, {
      pictures: this.pictures,
      change: (key, move) => this.#change(key, move),
      taken: (key, jobId) => this.#taken(key, jobId),
    });
  }

  /** Whether uploads stand still by the visitor's wish. */
  get isHeld() {
    return this.#line.isHeld;
  }

  /** @param {Iterable<File>} files @param {object} options @returns {Picture[]} */
  add(files, options) {
    return this.#add(Array.from(files, (file) => newPicture({ file }, options)));
  }

  /** The server fetches these. @param {Iterable<string>} urls @param {object} options @returns {Picture[]} */
  addUrls(urls, options) {
    return this.#add(Array.from(urls, (url) => newPicture({ url }, options)));
  }

  /** Once more from the start. @param {string} key @param {object} [options] a new recipe */
  async again(key, options) {
    const picture = this.pictures.get(key);
    if (!picture || !isSettled(picture)) return;
    const isSameWish = !options || isSame(options, picture.options);
    if (isSameWish && picture.jobId && picture.job?.status === "failed" && (await this.#retried(picture))) return;
    if (this.pictures.get(key) !== picture) return; // removed, or begun again, meanwhile
    this.#set(sent(picture, options ?? picture.options));
    this.#line.add([key]);
  }

  /** The way of one picture ends here; it may begin again. @param {string} key */
  async cancel(key) {
    const picture = this.pictures.get(key);
    if (!picture || isSettled(picture)) return;
    if (isUnsent(picture)) {
      this.#line.leave(key);
      this.#change(key, (now) => failed(now, { code: "cancelled", title: "", detail: "" }));
      await this.#abandon(picture);
    } else if (picture.jobId) {
      await this.#client.cancel(picture.jobId); // its watch tells the end
    }
  }

  /** Its upload stands still until `resume`. @param {string} key */
  hold(key) {
    const picture = this.pictures.get(key);
    if (!picture || !isUnsent(picture)) return;
    this.#line.leave(key);
    this.#change(key, held);
  }

  /** @param {string} key */
  resume(key) {
    if (this.pictures.get(key)?.phase !== "held") return;
    this.#change(key, waiting);
    this.#line.add([key], { first: true });
  }

  holdAll() {
    this.#line.hold();
  }

  resumeAll() {
    this.#line.resume();
  }

  /** Off the page, whatever they are at; `restore` brings them back. @param {Iterable<string>} keys @returns {Picture[]} */
  remove(keys) {
    const removed = [];
    for (const key of keys) {
      const picture = this.pictures.get(key);
      if (!picture) continue;
      removed.push(picture);
      this.pictures.delete(key);
      this.#line.leave(key);
      this.#stopWatching(key);
      this.dispatchEvent(new CustomEvent("picture-removed", { detail: picture }));
    }
    return removed;
  }

  /** Back to where they were among the others. @param {Picture[]} removed */
  restore(removed) {
    const all = [...this.pictures.values(), ...removed].sort((one, other) => place(one) - place(other));
    this.pictures.clear();
    for (const picture of all) this.pictures.set(picture.key, picture);
    for (const picture of removed) {
      const before = all[all.indexOf(picture) + 1]?.key ?? null;
      this.dispatchEvent(new CustomEvent("picture-restored", { detail: { picture, before } }));
      if (picture.phase === "developing" && picture.jobId) this.#watch(picture.key, picture.jobId);
      else if (isUnsent(picture) && picture.phase !== "held") this.#wait(picture);
    }
  }

  /** Delete what the server has of removed pictures. @param {Picture[]} removed @param {{isLeaving?: boolean}} [settings] */
  async discard(removed, settings) {
    for (const picture of removed) {
      await Promise.all([
        ...[...picture.earlier, picture.jobId].map((jobId) => jobId && this.#client.remove(jobId, settings)),
        isUnsent(picture) && this.#abandon(picture),
      ]);
    }
  }

  /** @param {Picture[]} added */
  #add(added) {
    for (const picture of added) this.#set(picture);
    this.#line.add(added.map(({ key }) => key));
    return added;
  }

  /** @param {Picture} picture */
  #wait(picture) {
    this.#set(waiting(picture));
    this.#line.add([picture.key]);
  }

  /** The same job once more, where the server can. @param {Picture} picture */
  async #retried({ key, jobId }) {
    const job = await this.#client.retry(String(jobId)).catch(() => null); // sending it again will tell why not
    if (!job || !this.pictures.has(key)) return Boolean(job);
    this.#change(key, (picture) => developed({ ...picture, fault: null }, job));
    this.#watch(key, String(jobId));
    return true;
  }

  /** @param {Picture} picture */
  async #abandon({ file, options, way }) {
    if (file && way === "resumable") await this.#client.abandon(file, requestOf(options)).catch(() => undefined); // it expires
  }

  /** @param {string} key @param {string} jobId */
  #taken(key, jobId) {
    if (!this.pictures.has(key)) return; // removed while its last bytes went out
    this.#change(key, (picture) => accepted(picture, jobId));
    this.#watch(key, jobId);
  }

  /** @param {string} key @param {string} jobId */
  #watch(key, jobId) {
    const stop = this.#client.watch(jobId, (job) => {
      this.#change(key, (picture) => developed(picture, job));
      this.#stopIfSettled(key);
    });
    this.#stops.set(key, stop);
    this.#stopIfSettled(key); // its state may have been known and told at once
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

/** In order of arrival. @param {Picture} picture */
function place({ key }) {
  return Number(key.split("-").at(-1));
}
