// @ts-check
// What has changed over the last minutes: restarts, refusals, how much waited. Bounded, without DOM.

const KEPT = 300; // messages, which come once a second
const RECENT_MS = 60_000;
const ENDS_STEPS = 30; // of the history: five minutes

/** @typedef {{at: number, restarts: Map<string, any>, rejected: Record<string, number>, waiting: number, givenUp: number}} Sample */

export class Lately {
  /** @type {Sample[]} */
  #samples = [];
  #history = { completed: [0], failed: [0] };

  /** @param {any} system a `system` message */
  note(system) {
    const restarts = new Map();
    for (const { node, lanes } of system.nodes) {
      for (const lane of lanes) restarts.set(`${node} ${lane.name}`, { ...lane, node });
    }
    const { interactive, bulk, ai, fetch, fetchBulk } = system.queue;
    const waiting = interactive + bulk + ai + fetch + fetchBulk;
    this.#samples.push({ at: Date.parse(system.at), restarts, rejected: system.rejected, waiting, givenUp: system.webhooks.givenUp });
    if (this.#samples.length > KEPT) this.#samples.shift();
    this.#history = system.history;
  }

  /** How much waited, oldest first. */
  get waiting() {
    return this.#samples.map(({ waiting }) => waiting);
  }

  /** Lanes whose child was replaced since the oldest message that is kept, but not as planned. */
  get restarts() {
    const [first] = this.#samples;
    const last = this.#samples.at(-1);
    if (!first || !last) return [];
    return [...last.restarts].flatMap(([key, lane]) => {
      const before = this.#firstOf(key) ?? lane;
      const grown = Object.entries(lane.restartReasons)
        .filter(([reason]) => !PLANNED.has(reason))
        .map(([reason, times]) => ({ reason, count: times - (before.restartReasons[reason] ?? 0) }))
        .filter(({ count }) => count > 0);
      const count = grown.reduce((sum, one) => sum + one.count, 0);
      return count ? [{ node: lane.node, lane: lane.name, count, reason: grown[0].reason }] : [];
    });
  }

  /** Refusals of the last minute by code. @returns {Record<string, number>} */
  get rejected() {
    const last = this.#samples.at(-1);
    if (!last) return {};
    const before = this.#samples.find(({ at }) => at >= last.at - RECENT_MS) ?? last;
    const grown = Object.entries(last.rejected).map(([code, times]) => [code, times - (before.rejected[code] ?? 0)]);
    return Object.fromEntries(grown.filter(([, times]) => Number(times) > 0));
  }

  /** Webhooks that were given up since the oldest message that is kept. */
  get givenUp() {
    return (this.#samples.at(-1)?.givenUp ?? 0) - (this.#samples[0]?.givenUp ?? 0);
  }

  /** Jobs that ended well in the last five minutes. */
  get completed() {
    return sum(this.#history.completed.slice(-ENDS_STEPS));
  }

  /** Jobs that failed in the last five minutes. */
  get failed() {
    return sum(this.#history.failed.slice(-ENDS_STEPS));
  }

  /** @param {string} key of a lane */
  #firstOf(key) {
    for (const { restarts } of this.#samples) {
      const lane = restarts.get(key);
      if (lane) return lane;
    }
    return null;
  }
}

/** Children that have done enough, grown too large or did not heed a cancellation are replaced: so it should be. */
const PLANNED = new Set(["max tasks", "max rss", "cancelled", "closed"]);

/** @param {number[]} values */
const sum = (values) => values.reduce((total, value) => total + value, 0);
