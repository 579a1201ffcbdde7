// @ts-check
// How the whole service stands, as the topic `system` tells: its lanes, its bounds, who listens. No DOM.

/**
 * @typedef {object} LaneShown
 * @property {string} key
 * @property {string} name
 * @property {"idle" | "working" | "starting" | "gone"} state
 */

export class Service {
  /** @type {Map<string, LaneShown>} */
  lanes = new Map();
  /** Pictures a second that it completes. */
  rate = 0;
  /** Pictures that wait, of everybody; null: nothing was told yet. @type {number | null} */
  waiting = null;
  /** How many may wait before 429. */
  maxDepth = 0;
  /** Browsers that listen. */
  sockets = 0;
  /** Ends of jobs that are not in the history yet. */
  toRecord = 0;
  #hasLanes = false;

  /** @param {any} system @returns {{kind: "lane" | "laneGone", values: {lane: string}}[]} what is new of its lanes */
  hear(system) {
    const { interactive = 0, bulk = 0, ai = 0, maxDepth = 0 } = system.queue ?? {};
    this.rate = system.throughput?.completedPerS ?? 0;
    this.waiting = interactive + bulk + ai;
    this.maxDepth = maxDepth;
    this.sockets = system.sockets ?? 0;
    this.toRecord = system.records?.waiting ?? 0;
    return this.#hearLanes(system.nodes ?? []);
  }

  /** The key of a lane, which is known from now on. @param {string | null} node @param {string | null} name */
  lane(node, name) {
    if (!node || !name) return null;
    const key = `${node} ${name}`;
    if (!this.lanes.has(key)) this.lanes.set(key, { key, name, state: "working" });
    return key;
  }

  /** @param {any[]} nodes */
  #hearLanes(nodes) {
    /** @type {{kind: "lane" | "laneGone", values: {lane: string}}[]} */
    const news = [];
    const seen = new Set();
    for (const { node, lanes } of nodes) {
      for (const { name, state } of lanes) {
        const isNew = !this.lanes.has(`${node} ${name}`);
        const key = String(this.lane(node, name));
        seen.add(key);
        this.lanes.set(key, { key, name, state });
        if (isNew && this.#hasLanes) news.push({ kind: "lane", values: { lane: name } });
      }
    }
    for (const { key, name } of [...this.lanes.values()].filter((lane) => !seen.has(lane.key))) {
      this.lanes.delete(key);
      news.push({ kind: "laneGone", values: { lane: name } });
    }
    this.#hasLanes = true;
    return news;
  }
}
