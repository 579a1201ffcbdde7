// @ts-check
// How far the server's clock is ahead of the browser's, as far as that can be known.

/**
 * The server's `nowMs` was read somewhere between request and answer; in the middle, is the best guess,
 * and half of the time between them is how wrong it can be.
 * @typedef {{offsetMs: number, uncertainMs: number}} Clock
 */

/** @param {number} requestedMs @param {number} answeredMs @param {number} serverMs @returns {Clock} */
export function clockFrom(requestedMs, answeredMs, serverMs) {
  return {
    offsetMs: serverMs - (requestedMs + answeredMs) / 2,
    uncertainMs: (answeredMs - requestedMs) / 2,
  };
}

/** @param {Clock[]} clocks @returns {Clock} the one that is least wrong */
export function bestClock(clocks) {
  return clocks.reduce((best, one) => (one.uncertainMs < best.uncertainMs ? one : best));
}

/** The browser's time in ms since 1970, to the fraction that performance entries have. */
export function nowMs() {
  return performance.timeOrigin + performance.now();
}

/**
 * What the browser noted of a request: the newest to this address since a moment.
 * @param {string} url
 * @param {number} sinceMs
 * @returns {{sent: number, firstByte: number, done: number} | null} ms since 1970
 */
export function requestTimes(url, sinceMs) {
  const entries = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByName(url, "resource"));
  const found = entries.filter((entry) => performance.timeOrigin + entry.startTime >= sinceMs - 1).at(-1);
  if (!found) return null;
  const at = (/** @type {number} */ time) => performance.timeOrigin + time;
  return {
    sent: at(found.requestStart || found.startTime),
    firstByte: at(found.responseStart || found.responseEnd),
    done: at(found.responseEnd),
  };
}
