// @ts-check
// <hop-waterfall>: every hop as a bar, to scale; a click goes to its step.

import { instance, part, template } from "../elements/template.js";
import { formatMs } from "./duration.js";
import { PART_OF } from "./parts.js";

/**
 * @typedef {import("./steps.js").Step} Step
 * @typedef {import("./steps.js").Hop} Hop
 */

const TICKS = 4;

const head = template(`
  <div class="waterfall-head"><h2 data-text="pipeline.waterfall"></h2><p data-text="pipeline.waterfallNote"></p></div>`);

const row = template(`
  <li><button type="button" class="hop">
    <span class="hop-name"></span>
    <span class="hop-lane"><span class="hop-bar"></span></span>
    <span class="hop-time"></span>
  </button></li>`);

/** Dispatches `hop-chosen` with {step: its number from 0}. */
export class HopWaterfall extends HTMLElement {
  /** @type {HTMLElement[]} by step */
  #rows = [];
  /** @type {number[]} the step of each row */
  #steps = [];
  /** @type {AbortController | null} */
  #listening = null;

  connectedCallback() {
    this.#listening = new AbortController();
    this.addEventListener("click", (event) => this.#clicked(event), { signal: this.#listening.signal });
  }

  disconnectedCallback() {
    this.#listening?.abort();
  }

  /** @param {Step[]} steps @param {number} totalMs */
  fill(steps, totalMs) {
    const list = document.createElement("ol");
    list.className = "hops";
    this.#rows = [];
    this.#steps = [];
    for (const [index, step] of steps.entries()) {
      for (const hop of step.hops) {
        const item = bar(hop, totalMs);
        this.#rows.push(item);
        this.#steps.push(index);
        list.append(item);
      }
    }
    this.replaceChildren(instance(head), scale(totalMs), list);
  }

  /** @param {number} index of the step that is shown @param {number} share of it */
  show(index, share) {
    this.#rows.forEach((item, place) => {
      const step = this.#steps[place];
      item.dataset.state = step < index || (step === index && share >= 1) ? "past" : step === index ? "now" : "";
      const button = part(item, "button");
      if (step === index) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
    });
  }

  /** @param {Event} event */
  #clicked(event) {
    const item = /** @type {Element} */ (event.target).closest("li");
    const place = item ? this.#rows.indexOf(/** @type {HTMLElement} */ (item)) : -1;
    if (place < 0) return;
    this.dispatchEvent(new CustomEvent("hop-chosen", { bubbles: true, detail: { step: this.#steps[place] } }));
  }
}

/** Times above the bars. @param {number} totalMs */
function scale(totalMs) {
  const line = document.createElement("div");
  line.className = "hop-scale";
  line.setAttribute("aria-hidden", "true");
  for (let tick = 0; tick < TICKS; tick += 1) {
    const mark = document.createElement("span");
    mark.textContent = tick ? formatMs((totalMs * tick) / TICKS) : "0";
    line.append(mark);
  }
  return line;
}

/** @param {Hop} hop @param {number} totalMs */
function bar(hop, totalMs) {
  const fragment = instance(row);
  const item = /** @type {HTMLElement} */ (part(fragment, "li"));
  item.dataset.part = PART_OF[hop.part] ?? "api";
  const attempt = hop.attempt && hop.attempt > 1 ? ` (${hop.attempt})` : "";
  part(fragment, ".hop-name").textContent = hop.name + attempt;
  part(fragment, ".hop-time").textContent = formatMs(hop.durationMs);
  const drawn = part(fragment, ".hop-bar");
  drawn.style.setProperty("--from", String(hop.startMs / totalMs));
  drawn.style.setProperty("--share", String(hop.durationMs / totalMs));
  return item;
}

customElements.define("hop-waterfall", HopWaterfall);
