// @ts-check
// Many jobs at once as a model without DOM: where each is, told by the moves of the service.

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
 * @property {number} retries
 *
 * @typedef {object} LaneShown
 * @property {string} key
 * @property {string} name
 * @property {"idle" | "working" | "starting" | "gone"} state
 *
 * @typedef {{sent: number, waiting: number, working: number, done: number, failed: number, refused: number, retried: number}} Counts
 * @typedef {{jobId: string, from: string | null, to: string, node: string | null, lane: string | null, errorCode: string | null}} Move
 * @typedef {{kind: "died" | "lane" | "laneGone" | "refused" | "failed", values: Record<string, string | number>}} Line
 */

/** Dispatches `dot-moved` with a dot, `dot-gone` with one, `changed`, and `happened` with a line. */
export class Crowd extends EventTarget {
  /** @type {Map<string, Dot>} */
  dots = new Map();
  /** @type {Map<string, LaneShown>} */
  lanes = new Map();
  /** @type {Counts} */
  counts = nothing();
  /** Moves that were not told one by one. */
  unseen = 0;
  /** Pictures a second that the service completes. */
  rate = 0;
  /** @type {Line[]} newest first */
  lines = [];
  /** Jobs of ours that have ended. @type {Set<string>} */
  #ended = new Set();
  /** Jobs that ended before we heard that they are ours, and how. @type {Map<string, {place: Place, retries: number}>} */
  #strangers = new Map();
  #hasLanes = false;

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
    this.#put({ id, place: "sending", lane: null, isOurs: true, retries: 0 });
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
      this.#end(jobId, past.place, past.retries);
    } else if (!this.#ended.has(jobId)) {
      this.#put({ id: jobId, place: "queue", lane: null, isOurs: true, retries: 0 });
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
    this.#put({ id, place: "sending", lane: null, isOurs: true, retries: 0 });
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
    this.rate = system.throughput?.completedPerS ?? 0;
    const seen = new Set();
    for (const node of system.nodes ?? []) {
      for (const lane of node.lanes) {
        const key = laneKey(node.node, lane.name);
        seen.add(key);
        if (!this.lanes.has(key) && this.#hasLanes) this.#happened("lane", { lane: lane.name });
        this.lanes.set(key, { key, name: lane.name, state: lane.state });
      }
    }
    for (const [key, lane] of this.lanes) {
      if (seen.has(key)) continue;
      this.lanes.delete(key);
      this.#happened("laneGone", { lane: lane.name });
    }
    this.#hasLanes = true;
    this.#changed();
  }

  /** @param {Move} move */
  #hearMove(move) {
    const lane = move.lane && move.node ? laneKey(move.node, move.lane) : null;
    if (lane && move.lane && !this.lanes.has(lane)) this.lanes.set(lane, { key: lane, name: move.lane, state: "working" });
    const dot = this.dots.get(move.jobId) ?? this.#newcomer(move.jobId);
    if (move.to === "processing") return dot && this.#shift(dot, "lane", lane);
    if (move.to === "queued") return dot && this.#back(dot, move);
    if (move.to === "expired" || !dot) return;
    const place = move.to === "completed" ? "done" : "failed";
    if (place === "failed" && dot.isOurs) this.#happened("failed", { code: move.errorCode ?? move.to });
    this.#end(dot.id, place, 0, dot);
  }

  /** In the line for the first time, or again because its worker died. @param {Dot} dot @param {Move} move */
  #back(dot, move) {
    if (move.from === "processing") {
      dot.retries += 1;
      if (dot.isOurs) this.counts.retried += 1;
      this.#happened("died", { lane: move.lane ?? this.lanes.get(dot.lane ?? "")?.name ?? "–" });
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
    const dot = { id: jobId, place: "sending", lane: null, isOurs: false, retries: 0 };
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

  /** @param {string} jobId @param {Place} place @param {number} retries not counted yet @param {Dot} [dot] */
  #end(jobId, place, retries, dot) {
    if (dot) {
      if (dot.isOurs) this.#count(dot.place, -1);
      this.#move(dot, place, null);
      this.dots.delete(jobId);
    }
    if (dot && !dot.isOurs) {
      this.#strangers.set(jobId, { place, retries: dot.retries });
      if (this.#strangers.size > MOST_JOBS) this.#strangers.delete(this.#strangers.keys().next().value ?? "");
      return;
    }
    this.#ended.add(jobId);
    this.counts.retried += retries;
    this.#count(place, 1);
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

/** @param {string} node @param {string} lane */
function laneKey(node, lane) {
  return `${node} ${lane}`;
}

/** @returns {Counts} */
function nothing() {
  return { sent: 0, waiting: 0, working: 0, done: 0, failed: 0, refused: 0, retried: 0 };
}
