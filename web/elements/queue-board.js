// @ts-check
// <queue-board>: what waits, class by class, beside its bounds.

import "./bound-bar.js";
import { formatCount, formatDuration } from "../control/figures.js";
import { text } from "../texts.js";
import { write } from "./keyed.js";
import { instance, part, template } from "./template.js";

const CLASSES = /** @type {const} */ (["interactive", "bulk", "ai", "fetch", "fetchBulk"]);

const row = (/** @type {string} */ name) => `
  <div class="queue-class" data-class="${name}">
    <dt><span data-text="queue.${name}"></span><small data-text="queue.${name}.about"></small></dt>
    <dd>0</dd>
  </div>`;

const markup = template(`
  <h2 data-text="queue.title"></h2>
  <bound-bar class="queue-pictures"></bound-bar>
  <dl class="queue-classes">${CLASSES.slice(0, 3).map(row).join("")}</dl>
  <bound-bar class="queue-urls"></bound-bar>
  <dl class="queue-classes">${CLASSES.slice(3).map(row).join("")}</dl>
  <dl class="facts">
    <div><dt data-text="queue.processing"></dt><dd class="queue-processing">–</dd></div>
    <div><dt data-text="queue.oldest"></dt><dd class="queue-oldest">–</dd></div>
    <div><dt data-text="queue.mean"></dt><dd class="queue-mean">–</dd></div>
    <div><dt data-text="queue.delayed"></dt><dd class="queue-delayed">–</dd></div>
    <div><dt data-text="queue.quarantined"></dt><dd class="queue-quarantined">–</dd></div>
  </dl>`);

export class QueueBoard extends HTMLElement {
  connectedCallback() {
    if (!this.firstElementChild) this.append(instance(markup));
  }

  /** @param {any} queue of a `system` message */
  set queue(queue) {
    const pictures = queue.interactive + queue.bulk + queue.ai;
    const urls = queue.fetch + queue.fetchBulk;
    this.#bound(".queue-pictures", text("queue.pictures"), pictures, queue.maxDepth);
    this.#bound(".queue-urls", text("queue.urls"), urls, queue.maxUrls);
    for (const name of CLASSES) write(this, `[data-class=${name}] dd`, formatCount(queue[name]));
    write(this, ".queue-processing", formatCount(queue.processing));
    write(this, ".queue-oldest", queue.oldestAgeS === null ? "–" : formatDuration(queue.oldestAgeS * 1000));
    write(this, ".queue-mean", queue.meanMs ? formatDuration(queue.meanMs) : "–");
    write(this, ".queue-delayed", formatCount(queue.delayed));
    write(this, ".queue-quarantined", formatCount(queue.quarantined));
  }

  /** @param {string} selector @param {string} name @param {number} count @param {number} limit */
  #bound(selector, name, count, limit) {
    const value = text("bound.of", { used: formatCount(count), limit: formatCount(limit) });
    /** @type {import("./bound-bar.js").BoundBar} */ (part(this, selector)).bound = { name, value, share: count / limit };
  }
}

customElements.define("queue-board", QueueBoard);
