// @ts-check
// Many jobs at once as a model without DOM: where each is, told by the moves of the service.

import { Service } from "./service.js";

const MOST_JOBS = 400; // that are shown; others are only counted
const MOST_LINES = 6;

/**
 * @typedef {"sending" | "queue" | "lane" | "done" | "failed" | "refused"} Place
 *
 * @typedef {object} Dot one picture on the map
 * @property {string} id of its job; of its request, while it has none
 * @property {Place} place
 * @property {string | null} lane its key, while it is there
 * @property {boolean} isOurs
 * @property {boolean} isShared another job does its work, or has done it
 * @property {number} retries
 *
 * @typedef {{sent: number, waiting: number, working: number, done: number, shared: number, failed: number, refused: number, retried: number}} Counts
 * @typedef {{jobId: string, from: string | null, to: string, queue?: string, node: string | null, lane: string | null, errorCode: string | null, blame?: string | null}} Move
 * @typedef {{kind: "died" | "lost" | "refetched" | "givenBack" | "lane" | "laneGone" | "refused" | "failed", values: Record<string, string | number>}} Line
 */

/** Dispatches `dot-moved` with a dot, `dot-gone` with one, `changed`, and `happened` with a line. */
export class Crowd extends EventTarget {
  /** @type {Map<string, Dot>} */
  dots = new Map();
  service = new Service();
  /** @type {Counts} */
  counts = nothing();
  /** Moves that were not told one by one. */
  unseen = 0;
  /** @type {Line[]} newest first */
  lines = [];
  /** Jobs of ours that have ended. @type {Set<string>} */
  #ended = new Set();
  /** Jobs that ended before we heard that they are ours. @type {Map<string, Dot>} */
  #strangers = new Map();

  /** Begin to count anew; what is under way stays. */
  begin() {
    this.counts = nothing();
    this.unseen = 0;
    this.lines = [];
    this.#ended.clear();
    this.#changed();
  }

  /** @param {string} id of the request */
  sending(id) {
    this.counts.sent += 1;
    this.#put(ours(id, "sending"));
  }

  /** @param {string} id of the request @param {string} jobId that it became */
  accepted(id, jobId) {
    this.#drop(id);
    const known = this.dots.get(jobId);
    const past = this.#strangers.get(jobId);
    if (known) {
      known.isOurs = true;
      this.#count(known.place, 1);
      this.counts.retried += known.retries;
    } else if (past) {
      this.#strangers.delete(jobId);
      this.counts.retried += past.retries;
      this.#ended.add(jobId);
      this.#countEnd(past);
    } else if (!this.#ended.has(jobId)) {
      this.#put(ours(jobId, "queue"));
      this.#count("queue", 1);
    }
    this.#changed();
  }

  /** The service has no room: it is sent again by whoever sends. @param {string} id @param {number} seconds */
  refused(id, seconds) {
    this.counts.refused += 1;
    const dot = this.dots.get(id);
    if (dot) this.#move(dot, "refused", null);
    this.dots.delete(id);
    this.#happened("refused", { seconds });
    this.#changed();
  }

  /** After its wait. @param {string} id */
  sendingAgain(id) {
    this.#put(ours(id, "sending"));
  }

  /** It will not be sent any more. @param {string} id @param {string} code why not */
  gaveUp(id, code) {
    const dot = this.dots.get(id);
    if (dot) this.#move(dot, "failed", null);
    this.dots.delete(id);
    this.counts.failed += 1;
    this.#happened("failed", { code });
    this.#changed();
  }

  /** @param {{moves: Move[], dropped: number}} message */
  hearMoves({ moves, dropped }) {
    this.unseen += dropped;
    for (const move of moves) this.#hearMove(move);
    this.#changed();
  }

  /** @param {any} system */
  hearSystem(system) {
    for (const { kind, values } of this.service.hear(system)) this.#happened(kind, values);
    this.#changed();
  }

  /** @param {Move} move */
  #hearMove(move) {
    if (move.to === "expired") return; // it had ended long before
    const lane = this.service.lane(move.node, move.lane);
    const dot = this.dots.get(move.jobId) ?? this.#newcomer(move.jobId);
    if (!dot) return;
    if (move.to === "queued") return this.#back(dot, move);
    if (move.to === "processing") {
      dot.isShared = move.node === null;
      return dot.isShared ? undefined : this.#shift(dot, "lane", lane); // it waits for the one that does the work
    }
    dot.isShared ||= move.from !== "processing" && move.to === "completed";
    const place = move.to === "completed" ? "done" : "failed";
    if (place === "failed" && dot.isOurs) this.#happened("failed", { code: move.errorCode ?? move.to });
    this.#end(dot, place);
  }

  /** In the line for the first time, after it was fetched, or again: then somebody is told to blame. @param {Dot} dot @param {Move} move */
  #back(dot, move) {
    if (move.blame && !dot.isShared) {
      dot.retries += 1;
      if (dot.isOurs) this.counts.retried += 1;
      this.#happened(whyBack(move), { lane: move.lane ?? this.service.lanes.get(dot.lane ?? "")?.name ?? "–" });
    }
    this.#shift(dot, "queue", null);
  }

  /** @param {string} jobId @returns {Dot | null} */
  #newcomer(jobId) {
    if (this.#ended.has(jobId) || this.#strangers.has(jobId)) return null;
    if (this.dots.size >= MOST_JOBS) {
      this.unseen += 1;
      return null;
    }
    /** @type {Dot} */
    const dot = { ...ours(jobId, "sending"), isOurs: false };
    this.dots.set(jobId, dot);
    return dot;
  }

  /** @param {Dot} dot @param {Place} place @param {string | null} lane */
  #shift(dot, place, lane) {
    if (dot.isOurs) {
      this.#count(dot.place, -1);
      this.#count(place, 1);
    }
    this.#move(dot, place, lane);
  }

  /** @param {Dot} dot @param {Place} place */
  #end(dot, place) {
    if (dot.isOurs) this.#count(dot.place, -1);
    this.#move(dot, place, null);
    this.dots.delete(dot.id);
    if (!dot.isOurs) {
      this.#strangers.set(dot.id, dot);
      if (this.#strangers.size > MOST_JOBS) this.#strangers.delete(this.#strangers.keys().next().value ?? "");
      return;
    }
    this.#ended.add(dot.id);
    this.#countEnd(dot);
  }

  /** @param {Dot} dot of ours */
  #countEnd({ place, isShared }) {
    this.#count(place, 1);
    if (isShared && place === "done") this.counts.shared += 1;
  }

  /** @param {Place} place @param {number} by */
  #count(place, by) {
    if (place === "queue") this.counts.waiting += by;
    if (place === "lane") this.counts.working += by;
    if (place === "done") this.counts.done += by;
    if (place === "failed") this.counts.failed += by;
  }

  /** @param {Dot} dot */
  #put(dot) {
    this.dots.set(dot.id, dot);
    this.#move(dot, dot.place, dot.lane);
    this.#changed();
  }

  /** @param {Dot} dot @param {Place} place @param {string | null} lane */
  #move(dot, place, lane) {
    dot.place = place;
    dot.lane = lane;
    this.dispatchEvent(new CustomEvent("dot-moved", { detail: dot }));
  }

  /** @param {string} id */
  #drop(id) {
    const dot = this.dots.get(id);
    if (!dot) return;
    this.dots.delete(id);
    this.dispatchEvent(new CustomEvent("dot-gone", { detail: dot }));
  }

  /** @param {Line["kind"]} kind @param {Record<string, string | number>} values */
  #happened(kind, values) {
    this.lines = [{ kind, values }, ...this.lines].slice(0, MOST_LINES);
  }

  #changed() {
    this.dispatchEvent(new Event("changed"));
  }
}

/** @param {string} id @param {Place} place @returns {Dot} */
function ours(id, place) {
  return { id, place, lane: null, isOurs: true, isShared: false, retries: 0 };
}

/** Only a worker that had begun has died on a picture. @param {Move} move @returns {Line["kind"]} */
function whyBack({ blame, queue }) {
  if (blame === "loss") return "lost";
  if (blame === "none") return "givenBack";
  return queue?.startsWith("fetch") ? "refetched" : "died";
}

/** @returns {Counts} */
function nothing() {
  return { sent: 0, waiting: 0, working: 0, done: 0, shared: 0, failed: 0, refused: 0, retried: 0 };
}
