// @ts-check
// Which way across the map each step takes. Data only.

/** @typedef {import("./parts.js").PartName} PartName */

/** @type {Readonly<Record<import("./steps.js").StepName, readonly PartName[]>>} */
export const WAYS = Object.freeze({
  ask: ["browser"],
  agree: ["browser", "api", "browser"],
  send: ["browser", "api"],
  order: ["browser", "api", "queue"],
  fetch: ["api"],
  body: ["api"],
  spool: ["api", "storage"],
  probe: ["storage", "workers"],
  check: ["workers", "storage", "api"],
  original: ["api", "storage"],
  admit: ["api", "queue"],
  accepted: ["api", "browser"],
  shared: ["queue"],
  wait: ["queue"],
  died: ["workers", "queue"],
  back: ["workers", "queue"],
  claim: ["queue", "workers"],
  handover: ["workers"],
  decode: ["workers"],
  process: ["workers"],
  encode: ["workers"],
  fault: ["workers"],
  answer: ["workers"],
  results: ["workers", "storage"],
  settle: ["workers", "queue"],
  notify: ["queue", "notification", "browser"],
  record: ["queue", "database"],
  webhook: ["queue", "notification"],
  deliver: ["storage", "api", "browser"],
  paint: ["browser"],
});

/** Steps that are told of another part than the one at which they end. @type {Partial<Record<string, PartName>>} */
const TOLD_OF = Object.freeze({
  agree: "api",
  accepted: "api",
  died: "workers",
  back: "workers",
  notify: "notification",
  deliver: "api",
});

/** Steps in which a message travels, not the picture. */
export const MESSAGES = Object.freeze(
  new Set(["agree", "order", "check", "admit", "accepted", "shared", "died", "back", "settle", "notify", "record", "webhook"]),
);

/** @param {string} name @param {readonly PartName[]} way @returns {PartName} */
export function partOf(name, way) {
  return TOLD_OF[name] ?? way[way.length - 1];
}
