// @ts-check
// <crowd-panel>: buttons to send many, the counts of what became of them, and what happened.

import "../elements/copy-button.js";
import { instance, part, template } from "../elements/template.js";
import { text } from "../texts.js";

/** @typedef {import("./crowd.js").Crowd} Crowd */

const COUNTS = Object.freeze(/** @type {const} */ (["sent", "waiting", "working", "done", "shared", "refused", "retried", "failed"]));
const LEGEND = Object.freeze(/** @type {const} */ (["own", "other", "again", "refused"]));
const SIZES = Object.freeze([20, 100, 300]);
const FULL_COMMAND = "SAFELIGHT_QUEUE__MAX_DEPTH=4 make serve";

const markup = template(`
  <article class="panel crowd">
    <div class="crowd-buttons">
      ${SIZES.map((count) => `<button type="button" class="button crowd-send" data-count="${count}"></button>`).join("")}
      <label class="crowd-same"><input type="checkbox"><span data-text="crowd.same"></span></label>
      <button type="button" class="button quiet crowd-stop" data-text="crowd.stop" hidden></button>
    </div>
    <dl class="crowd-counts">
      ${COUNTS.map((name) => `<div data-count-of="${name}"><dt data-text="crowd.${name}"></dt><dd>0</dd></div>`).join("")}
    </dl>
    <ul class="crowd-legend" data-label="crowd.legend">
      ${LEGEND.map((name) => `<li><i data-colour="${name}"></i><span data-text="crowd.legend.${name}"></span></li>`).join("")}
    </ul>
    <p class="crowd-closed" data-text="crowd.closed" hidden></p>
    <p class="crowd-unseen" hidden></p>
    <h2 class="crowd-log-title" data-text="crowd.log"></h2>
    <ul class="crowd-log"></ul>
    <details class="crowd-trials"><summary data-text="trials.title"></summary>
      <p data-text="trials.same"></p>
      <div class="crowd-victim" hidden><p data-text="trials.kill"></p>
        <p class="crowd-command"><code></code><copy-button label="trials.copy" short="panel.copyShort"></copy-button></p></div>
      <p data-text="trials.full"></p>
      <p class="crowd-command crowd-full"><code></code><copy-button label="trials.copy" short="panel.copyShort"></copy-button></p>
    </details>
  </article>`);

/** Dispatches `crowd-wanted` with {count, isOnePicture}, `crowd-stopped`, and `trials-opened`: it wants a `victim`. */
export class CrowdPanel extends HTMLElement {
  /** @type {AbortController | null} */
  #listening = null;

  connectedCallback() {
    if (!this.firstElementChild) {
      this.append(instance(markup));
      for (const button of this.querySelectorAll(".crowd-send")) {
        button.textContent = text("crowd.send", { count: String(/** @type {HTMLElement} */ (button).dataset.count) });
      }
      this.#showCommand(part(this, ".crowd-full"), FULL_COMMAND);
    }
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    for (const button of this.querySelectorAll(".crowd-send")) {
      const count = Number(/** @type {HTMLElement} */ (button).dataset.count);
      const wanted = () => this.#say("crowd-wanted", { count, isOnePicture: this.#isOnePicture });
      button.addEventListener("click", wanted, { signal });
    }
    const trials = /** @type {HTMLDetailsElement} */ (part(this, ".crowd-trials"));
    trials.addEventListener("toggle", () => trials.open && this.#say("trials-opened", {}), { signal });
    part(this, ".crowd-stop").addEventListener("click", () => this.#say("crowd-stopped", {}), { signal });
  }

  disconnectedCallback() {
    this.#listening?.abort();
  }

  get #isOnePicture() {
    return /** @type {HTMLInputElement} */ (part(this, ".crowd-same input")).checked;
  }

  /** The process of a worker; null where that is not told. @param {number | null} pid */
  set victim(pid) {
    part(this, ".crowd-victim").hidden = pid === null;
    this.#showCommand(part(this, ".crowd-victim"), `kill -9 ${pid}`);
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
  show({ counts, unseen, lines }) {
    for (const name of COUNTS) {
      part(this, `[data-count-of=${name}] dd`).textContent = String(counts[name]);
      part(this, `[data-count-of=${name}]`).toggleAttribute("data-any", counts[name] > 0);
    }
    const done = counts.sent ? (counts.done + counts.failed) / counts.sent : 0;
    part(this, "[data-count-of=sent]").style.setProperty("--done", String(done));
    part(this, ".crowd-unseen").hidden = unseen === 0;
    part(this, ".crowd-unseen").textContent = text("crowd.unseen", { count: unseen });
    const told = lines.map(({ kind, values }) => line(kind, text(`crowd.log.${kind}`, values)));
    part(this, ".crowd-log").replaceChildren(...(told.length ? told : [line("none", text("crowd.log.none"))]));
  }

  /** @param {HTMLElement} place @param {string} command */
  #showCommand(place, command) {
    part(place, "code").textContent = command;
    /** @type {import("../elements/copy-button.js").CopyButton} */ (part(place, "copy-button")).value = command;
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
