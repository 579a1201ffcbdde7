// @ts-check
// The parts of the service as the map shows them, and the ways between them. Data only.

/**
 * @typedef {"browser" | "api" | "storage" | "queue" | "workers" | "notification" | "database"} PartName
 */

export const PARTS = Object.freeze(
  /** @type {const} */ (["browser", "api", "storage", "notification", "queue", "workers", "database"]),
);

/** Which parts are joined; what travels takes the shortest way along these. */
export const LINKS = Object.freeze(
  /** @type {ReadonlyArray<readonly [PartName, PartName]>} */ ([
    ["browser", "api"],
    ["api", "storage"],
    ["api", "queue"],
    ["queue", "workers"],
    ["workers", "storage"],
    ["queue", "notification"],
    ["notification", "browser"],
    ["queue", "database"],
  ]),
);

/** The server's words for who is at work, as parts of the map. @type {Readonly<Record<string, PartName>>} */
export const PART_OF = Object.freeze({
  browser: "browser",
  api: "api",
  spool: "storage",
  storage: "storage",
  redis: "queue",
  queue: "queue",
  lane: "workers",
  worker: "workers",
  database: "database",
  notification: "notification",
});
