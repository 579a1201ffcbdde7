// @ts-check
// <before-after>: two pictures over each other and a line between them to move.

import { formatBytes, formatPercent } from "../format.js";
import { text } from "../texts.js";
import { icons } from "./icons.js";
import { instance, part, template } from "./template.js";

const markup = template(`
  <div class="layer layer-before"><img class="before" alt="" decoding="async" draggable="false"></div>
  <div class="layer layer-after"><img class="after" alt="" decoding="async" draggable="false" loading="lazy"></div>
  <input class="split" type="range" min="0" max="100" step="1" value="50" data-label="compare.label">
  <span class="split-line" aria-hidden="true"><span class="split-grip">${icons.grip}</span></span>
  <span class="side side-before" aria-hidden="true"></span>
  <span class="side side-after" aria-hidden="true"></span>`);

/**
 * @typedef {object} Comparison
 * @property {string} name
 * @property {{url: string, bytes: number} | null} before null where this browser has not got it
 * @property {{url: string, bytes: number}} after
 */

export class BeforeAfter extends HTMLElement {
  /** @type {AbortController | null} */
  #listening = null;

  connectedCallback() {
    if (!this.firstElementChild) this.append(instance(markup));
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    this.#split.addEventListener("input", () => this.#show(), { signal });
    const before = part(this, ".before");
    before.addEventListener("error", () => this.toggleAttribute("only-after", true), { signal });
    const after = /** @type {HTMLImageElement} */ (part(this, ".after"));
    // Only when it can be drawn: until then the original stands alone, instead of beside nothing.
    const reveal = () => this.toggleAttribute("loaded", true);
    after.addEventListener("load", () => after.decode().then(reveal, reveal), { signal });
    this.#show();
  }

  disconnectedCallback() {
    this.#listening?.abort();
  }

  /** @param {Comparison} comparison */
  set comparison({ name, before, after }) {
    this.toggleAttribute("only-after", !before);
    if (before) show(this, ".before", before.url, text("compare.beforeAlt", { name }));
    show(this, ".after", after.url, text("compare.afterAlt", { name }));
    const beforeBytes = before ? formatBytes(before.bytes) : "";
    part(this, ".side-before").textContent = text("compare.before", { bytes: beforeBytes });
    part(this, ".side-after").textContent = text("compare.after", { bytes: formatBytes(after.bytes) });
  }

  /** How much of the original is shown, from its left side on. @param {number} percent 0 to 100 */
  set splitPercent(percent) {
    this.#split.value = String(percent);
    this.#show();
  }

  get splitPercent() {
    return Number(this.#split.value);
  }

  /** @returns {HTMLInputElement} */
  get #split() {
    return part(this, ".split");
  }

  #show() {
    const split = this.#split;
    this.style.setProperty("--split", `${split.value}%`);
    split.setAttribute(
      "aria-valuetext",
      text("compare.value", { percent: formatPercent(Number(split.value)) }),
    );
  }
}

/** @param {ParentNode} root @param {string} selector @param {string} url @param {string} alt */
function show(root, selector, url, alt) {
  const image = /** @type {HTMLImageElement} */ (part(root, selector));
  if (image.getAttribute("src") !== url) image.src = url;
  image.alt = alt;
}

customElements.define("before-after", BeforeAfter);
