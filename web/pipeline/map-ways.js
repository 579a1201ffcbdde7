// @ts-check
// Where on the map something is, and how long a part was at work: pure functions.

/**
 * @typedef {import("./parts.js").PartName} PartName
 * @typedef {import("./steps.js").Step} Step
 * @typedef {{x: number, y: number}} Point
 */

/** How long a part has been at work until now. @param {PartName} name @param {Step[]} steps @param {number} index @param {number} share */
export function timeIn(name, steps, index, share) {
  let spent = 0;
  for (const [place, step] of steps.slice(0, index + 1).entries()) {
    if (step.part === name) spent += place < index ? step.durationMs : step.durationMs * share;
  }
  return spent;
}

/** @param {Point[]} way @param {number} at 0 to 1 @returns {Point} */
export function pointOn(way, at) {
  const whole = at * (way.length - 1);
  const leg = Math.min(way.length - 2, Math.floor(whole));
  if (leg < 0) return way[0];
  const [from, to] = [way[leg], way[leg + 1]];
  const share = whole - leg;
  return { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share };
}

/** Slow at both ends. @param {number} at */
export function smooth(at) {
  return at * at * (3 - 2 * at);
}
