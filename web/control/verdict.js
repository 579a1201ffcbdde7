// @ts-check
// What is wrong with the service, worst first, from what it says of itself. Pure: no DOM, no clock, no network.

/**
 * @typedef {import("./lately.js").Lately} Lately
 * @typedef {{level: "bad" | "warn", kind: string, values: Record<string, string | number>}} Finding
 *   `kind` names two texts: verdict.{kind} says what is wrong, verdict.{kind}.do what helps
 */

const FULL = 0.8; // of a bound: somebody should look before it is reached
const SPENT = 0.97;
const SLOW_REDIS_MS = 50;
const LONG_WAIT_S = 60;
const MANY_FAILED = 0.1; // of all that ended
const ENOUGH_ENDED = 10; // fewer say nothing
const RESTARTS_WORTH_A_LOOK = 2;

/** @param {any} system a `system` message @param {Lately} lately what changed over the last minutes @returns {Finding[]} */
export function findingsOf(system, lately) {
  const found = [
    ...redisFindings(system.redis),
    ...storageFindings(system.storage),
    ...recordFindings(system.records),
    ...nodeFindings(system.nodes, lately),
    ...queueFindings(system.queue, lately),
    ...failureFindings(system, lately),
  ];
  return found.sort((one, other) => rank(one) - rank(other));
}

/** @param {Finding} finding */
const rank = ({ level }) => (level === "bad" ? 0 : 1);

/** @param {Finding["level"]} level @param {string} kind @param {Finding["values"]} [values] @returns {Finding} */
const finding = (level, kind, values = {}) => ({ level, kind, values });

/** @param {any} redis @returns {Finding[]} */
function redisFindings({ usedBytes, maxBytes, latencyMs }) {
  if (latencyMs === null) return [finding("bad", "redisSilent")];
  const share = maxBytes ? usedBytes / maxBytes : 0;
  const percent = Math.round(share * 100);
  if (share >= SPENT) return [finding("bad", "redisFull", { percent })];
  if (share >= FULL) return [finding("warn", "redisFilling", { percent })];
  return latencyMs > SLOW_REDIS_MS ? [finding("warn", "redisSlow", { ms: Math.round(latencyMs) })] : [];
}

/** @param {any} storage @returns {Finding[]} */
function storageFindings({ freeBytes, minFreeBytes }) {
  if (freeBytes === null) return [];
  if (freeBytes < minFreeBytes) return [finding("bad", "diskFull", { bytes: freeBytes })];
  return freeBytes < 2 * minFreeBytes ? [finding("warn", "diskFilling", { bytes: freeBytes })] : [];
}

/** @param {any} records @returns {Finding[]} */
function recordFindings({ waiting, isWritten, limit }) {
  if (limit === null) return [];
  if (waiting >= limit) return [finding("bad", "recordsFull", { waiting })];
  return isWritten ? [] : [finding("warn", "recordsAway", { waiting, limit })];
}

/** @param {any[]} nodes @param {Lately} lately @returns {Finding[]} */
function nodeFindings(nodes, lately) {
  const alive = nodes.filter(({ isGone }) => !isGone);
  const isAnyLaneUp = alive.some(({ lanes }) => lanes.some((/** @type {any} */ lane) => lane.state !== "starting"));
  const gone = nodes.filter(({ isGone }) => isGone).map(({ node }) => finding("bad", "nodeGone", { node }));
  const down = isAnyLaneUp ? [] : [finding("bad", "noLanes")];
  const restarts = lately.restarts
    .filter(({ count }) => count >= RESTARTS_WORTH_A_LOOK)
    .map(({ node, lane, count, reason }) => finding("warn", "restarts", { node, lane, count, reason }));
  return [...gone, ...down, ...restarts];
}

/** @param {any} queue @param {Lately} lately @returns {Finding[]} */
function queueFindings(queue, lately) {
  const found = [];
  const waiting = queue.interactive + queue.bulk + queue.ai;
  const limit = queue.maxDepth;
  const urls = queue.fetch + queue.fetchBulk;
  if (waiting >= limit) found.push(finding("bad", "queueFull", { waiting, limit }));
  else if (waiting >= FULL * limit) found.push(finding("warn", "queueFilling", { waiting, limit }));
  if (urls >= queue.maxUrls) found.push(finding("warn", "urlsFull", { waiting: urls }));
  if (queue.oldestAgeS > LONG_WAIT_S && waiting > 0) {
    found.push(finding("warn", "longWait", { seconds: queue.oldestAgeS }));
  }
  const refused = Object.entries(lately.rejected).sort((one, other) => other[1] - one[1]);
  if (refused.length && waiting < limit) {
    const count = refused.reduce((sum, [, times]) => sum + times, 0);
    found.push(finding("warn", "refusing", { count, code: refused[0][0] }));
  }
  return found;
}

/** @param {any} system @param {Lately} lately @returns {Finding[]} */
function failureFindings({ queue, errors }, lately) {
  const found = [];
  const { failed, completed } = lately;
  const worst = Object.entries(errors).sort((one, other) => other[1] - one[1])[0];
  if (failed + completed >= ENOUGH_ENDED && failed >= MANY_FAILED * (failed + completed)) {
    const percent = Math.round((100 * failed) / (failed + completed));
    found.push(finding("warn", "failing", { failed, percent, code: worst?.[0] ?? "" }));
  }
  if (lately.givenUp > 0) found.push(finding("warn", "webhooksGivenUp", { count: lately.givenUp }));
  if (queue.quarantined) found.push(finding("warn", "quarantined", { count: queue.quarantined }));
  return found;
}
