// @ts-check
// <crowd-panel>: buttons to send many, the counts of what became of them, and what happened.

import { instance, part, template } from "../elements/template.js";
import { text } from "../texts.js";

/** @typedef {import("./crowd.js").Crowd} Crowd */

const COUNTS = Object.freeze(/** @type {const} */ (["sent", "waiting", "working", "done", "failed", "refused", "retried"]));
const SIZES = Object.freeze([20, 100, 300]);

const markup = template(`
  <article class="panel crowd">
    <p class="crowd-lead" data-text="crowd.lead"></p>
    <div class="crowd-buttons">
      ${SIZES.map((count) => `<button type="button" class="button crowd-send" data-count="${count}"></button>`).join("")}
      <button type="button" class="button quiet crowd-stop" data-text="crowd.stop" hidden></button>
    </div>
    <dl class="crowd-counts">
      ${COUNTS.map((name) => `<div data-count-of="${name}"><dt data-text="crowd.${name}"></dt><dd>0</dd></div>`).join("")}
    </dl>
    <p class="crowd-rate"></p>
    <p class="crowd-note" data-text="crowd.refusedNote"></p>
    <p class="crowd-closed" data-text="crowd.closed" hidden></p>
    <p class="crowd-unseen" hidden></p>
    <h2 class="crowd-log-title" data-text="crowd.log"></h2>
    <ul class="crowd-log"></ul>
  </article>`);

/** Dispatches `crowd-wanted` with {count} and `crowd-stopped`. */
export class CrowdPanel extends HTMLElement {
  /** @type {AbortController | null} */
  #listening = null;

  connectedCallback() {
    if (!this.firstElementChild) {
      this.append(instance(markup));
      for (const button of this.querySelectorAll(".crowd-send")) {
        button.textContent = text("crowd.send", { count: String(/** @type {HTMLElement} */ (button).dataset.count) });
      }
    }
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    for (const button of this.querySelectorAll(".crowd-send")) {
      const count = Number(/** @type {HTMLElement} */ (button).dataset.count);
      button.addEventListener("click", () => this.#say("crowd-wanted", { count }), { signal });
    }
    part(this, ".crowd-stop").addEventListener("click", () => this.#say("crowd-stopped", {}), { signal });
  }

  disconnectedCallback() {
    this.#listening?.abort();
  }

  /** @param {boolean} isSending */
  set isSending(isSending) {
    for (const button of this.querySelectorAll(".crowd-send")) /** @type {HTMLButtonElement} */ (button).disabled = isSending;
    part(this, ".crowd-stop").hidden = !isSending;
  }

  /** The service keeps its lanes to itself. */
  showClosed() {
    part(this, ".crowd-closed").hidden = false;
  }

  /** @param {Crowd} crowd */
  show({ counts, rate, unseen, lines, lanes }) {
    for (const name of COUNTS) {
      part(this, `[data-count-of=${name}] dd`).textContent = String(counts[name]);
      part(this, `[data-count-of=${name}]`).toggleAttribute("data-any", counts[name] > 0);
    }
    const done = counts.sent ? (counts.done + counts.failed) / counts.sent : 0;
    part(this, "[data-count-of=sent]").style.setProperty("--done", String(done));
    const fast = text("crowd.rate", { rate: rate.toFixed(1) });
    part(this, ".crowd-rate").textContent = lanes.size ? `${text("crowd.lanes", { count: lanes.size })} · ${fast}` : "";
    part(this, ".crowd-unseen").hidden = unseen === 0;
    part(this, ".crowd-unseen").textContent = text("crowd.unseen", { count: unseen });
    part(this, ".crowd-log").replaceChildren(...lines.map(({ kind, values }) => line(kind, text(`crowd.log.${kind}`, values))));
  }

  /** @param {string} name @param {object} detail */
  #say(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  }
}

/** @param {string} kind @param {string} words */
function line(kind, words) {
  const item = document.createElement("li");
  item.dataset.kind = kind;
  item.textContent = words;
  return item;
}

customElements.define("crowd-panel", CrowdPanel);
