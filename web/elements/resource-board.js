// @ts-check
// <resource-board>: disk, Redis and records beside their bounds.

import "./bound-bar.js";
import { formatCount, formatDuration } from "../control/figures.js";
import { formatBytes } from "../format.js";
import { text } from "../texts.js";
import { instance, part, template } from "./template.js";

const markup = template(`
  <h2 data-text="resources.title"></h2>
  <bound-bar class="of-redis"></bound-bar>
  <bound-bar class="of-disk"></bound-bar>
  <bound-bar class="of-records"></bound-bar>`);

const KINDS = /** @type {const} */ ({ disk: "storage.disk", s3: "storage.s3", gcs: "storage.gcs", azure: "storage.azure" });

export class ResourceBoard extends HTMLElement {
  connectedCallback() {
    if (!this.firstElementChild) this.append(instance(markup));
  }

  /** @param {any} system a `system` message */
  set system({ redis, storage, records }) {
    const isSilent = redis.latencyMs === null;
    this.#bound(".of-redis", {
      name: text("resources.redis"),
      value: redis.maxBytes
        ? text("bound.of", { used: formatBytes(redis.usedBytes), limit: formatBytes(redis.maxBytes) })
        : formatBytes(redis.usedBytes),
      share: redis.maxBytes ? redis.usedBytes / redis.maxBytes : null,
      note: isSilent ? text("resources.redisSilent") : text("resources.redisNote", { time: formatDuration(redis.latencyMs) }),
    });
    const kind = KINDS[/** @type {keyof typeof KINDS} */ (storage.kind)] ?? "storage.disk";
    this.#bound(".of-disk", {
      name: text("resources.disk"),
      value: storage.freeBytes === null ? "–" : text("resources.free", { bytes: formatBytes(storage.freeBytes) }),
      // There is no bound from above: the bar fills as the least that must stay free comes near.
      share: storage.freeBytes ? Math.min(1, storage.minFreeBytes / storage.freeBytes) : null,
      note: text("resources.diskNote", { kind: text(kind), bytes: formatBytes(storage.minFreeBytes) }),
    });
    const hasRecords = records.limit !== null;
    this.#bound(".of-records", {
      name: text("resources.records"),
      value: hasRecords
        ? text("bound.of", { used: formatCount(records.waiting), limit: formatCount(records.limit) })
        : text("resources.recordsOff"),
      share: hasRecords ? records.waiting / records.limit : null,
      note: hasRecords ? text(records.isWritten ? "resources.recordsNote" : "resources.recordsAway") : "",
    });
  }

  /** @param {string} selector @param {Parameters<typeof Object.assign>[1]} bound */
  #bound(selector, bound) {
    /** @type {import("./bound-bar.js").BoundBar} */ (part(this, selector)).bound = bound;
  }
}

customElements.define("resource-board", ResourceBoard);
