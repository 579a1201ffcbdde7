// @ts-check
// The state of the service in words: the headline's lines, and what the small drawings show.

import { formatBytes } from "../format.js";
import { text } from "../texts.js";
import { formatCount, formatDuration, formatRate } from "./figures.js";

/**
 * @typedef {import("../texts.js").TextKey} TextKey
 * @typedef {import("../elements/control-headline.js").Line} Line
 * @typedef {import("./verdict.js").Finding} Finding
 */

/** @param {Finding[]} findings @returns {Line[]} */
export function linesOf(findings) {
  if (!findings.length) return [{ level: "good", state: text("verdict.good"), help: text("verdict.good.do") }];
  return findings.map(({ level, kind, values }) => ({
    level,
    state: text(/** @type {TextKey} */ (`verdict.${kind}`), readable(values)),
    help: text(/** @type {TextKey} */ (`verdict.${kind}.do`), readable(values)),
  }));
}

/** Numbers as people read them, under the names that the texts use. @param {Finding["values"]} values */
function readable(values) {
  /** @type {Record<string, string | number>} */
  const told = { ...values };
  for (const name of ["waiting", "limit"]) {
    if (name in values) told[name] = formatCount(Number(values[name]));
  }
  if ("bytes" in values) told.bytes = formatBytes(Number(values.bytes));
  if ("seconds" in values) told.age = formatDuration(Number(values.seconds) * 1000);
  return told;
}

/** @param {any} system */
export function factsOf(system) {
  const alive = system.nodes.filter((/** @type {any} */ node) => !node.isGone);
  const lanes = alive.reduce((/** @type {number} */ sum, /** @type {any} */ node) => sum + node.lanes.length, 0);
  return [
    text("control.nodes", { count: alive.length }),
    text("control.lanes", { count: lanes }),
    text("control.sockets", { count: system.sockets }),
  ].join(" · ");
}

/** Minutes of the history as text. @param {any} history */
export function minutesOf({ stepS, completed }) {
  return Math.round((stepS * completed.length) / 60);
}

/** @param {any} system */
export function throughputWords({ history, throughput }) {
  const most = Math.max(...history.completed.map((/** @type {number} */ done, /** @type {number} */ index) => done + history.failed[index]));
  return text("figure.doneWords", {
    minutes: minutesOf(history),
    now: formatRate(throughput.completedPerS),
    most: formatRate(most / history.stepS),
    failed: formatCount(history.failed.reduce((/** @type {number} */ sum, /** @type {number} */ one) => sum + one, 0)),
  });
}

/** @param {any} system */
export function latencyWords({ history, latencyMs }) {
  const known = history.p95Ms.filter((/** @type {number | null} */ one) => one !== null);
  if (!known.length) return text("figure.latencyNone", { minutes: minutesOf(history) });
  return text("figure.latencyWords", {
    minutes: minutesOf(history),
    now: formatDuration(latencyMs.p95),
    least: formatDuration(Math.min(...known)),
    most: formatDuration(Math.max(...known)),
  });
}

/** @param {number[]} waiting */
export function waitingWords(waiting) {
  return text("figure.waitingWords", {
    now: formatCount(waiting.at(-1) ?? 0),
    most: formatCount(Math.max(0, ...waiting)),
  });
}
