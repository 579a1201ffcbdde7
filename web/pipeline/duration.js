// @ts-check
// Times as people read them, from microseconds to seconds.

/** @param {number} ms "0.4 ms", "38 ms", "1.24 s" */
export function formatMs(ms) {
  if (ms < 9.95) return `${ms.toFixed(1)}\u202fms`;
  if (ms < 999.5) return `${Math.round(ms)}\u202fms`;
  return `${(ms / 1000).toFixed(ms < 9995 ? 2 : 1)}\u202fs`;
}
