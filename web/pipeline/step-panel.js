// @ts-check
// <step-panel>: one step in words, its time, what the part is for, and the real messages.

import "../elements/copy-button.js";
import { instance, part, template } from "../elements/template.js";
import { text } from "../texts.js";
import { formatMs } from "./duration.js";
import { PARTS } from "./parts.js";

/**
 * @typedef {import("./steps.js").Step} Step
 * @typedef {import("./steps.js").Hop} Hop
 */

const markup = template(`
  <article class="panel">
    <p class="panel-where"><span class="panel-part"></span><span class="panel-number"></span></p>
    <h2 class="panel-title"></h2>
    <p class="panel-text"></p>
    <p class="panel-times"><strong class="panel-taken"></strong> <span class="panel-starts"></span></p>
    <p class="panel-uncertain"></p>
    <div class="panel-messages"></div>
    <div class="panel-result"></div>
    <p class="panel-purpose"><span class="panel-purpose-text"></span> <span class="panel-others"></span></p>
  </article>`);

const parts = template(`
  <article class="panel panel-idle">
    <dl class="panel-parts">${PARTS.map(
      (name) => `<div data-part="${name}"><dt data-text="part.${name}"></dt><dd data-text="part.${name}.purpose"></dd></div>`,
    ).join("")}</dl>
  </article>`);

const message = template(`
  <details class="message">
    <summary><span class="message-name"></span><span class="message-time"></span></summary>
    <div class="message-body">
      <copy-button label="panel.copy" short="panel.copyShort"></copy-button>
      <pre class="message-text" tabindex="0"></pre>
      <p class="message-none" data-text="panel.noMessage" hidden></p>
    </div>
  </details>`);

/** Opened messages stay open from step to step. */
export class StepPanel extends HTMLElement {
  /** @type {Step | null} */
  #step = null;
  #isOpen = false;
  /** What came of it, shown with the step in which it is seen. @type {HTMLImageElement | null} */
  result = null;

  /** Before any step: what each part is for. */
  showParts() {
    this.#step = null;
    this.replaceChildren(instance(parts));
  }

  /** @param {Step} step @param {{number: number, count: number}} place */
  show(step, { number, count }) {
    if (step === this.#step) return;
    if (!this.#step) this.replaceChildren(instance(markup));
    this.#step = step;
    this.dataset.part = step.part;
    const put = (/** @type {string} */ selector, /** @type {string} */ words) => {
      part(this, selector).textContent = words;
    };
    const attempt = step.attempt && step.attempt > 1 ? ` · ${text("panel.attempt", { attempt: step.attempt })}` : "";
    put(".panel-part", text(`part.${step.part}`));
    put(".panel-number", text("panel.step", { number, count }) + attempt);
    put(".panel-title", text(`step.${step.name}`));
    put(".panel-text", text(`step.${step.name}.text`));
    put(".panel-taken", formatMs(step.durationMs));
    put(".panel-starts", text("panel.starts", { time: formatMs(step.startMs) }));
    put(".panel-purpose-text", text(`part.${step.part}.purpose`));
    put(".panel-others", text("panel.others", { names: text(`part.${step.part}.others`) }));
    const uncertainMs = Math.max(0, ...step.hops.map((hop) => hop.uncertainMs ?? 0));
    put(".panel-uncertain", uncertainMs < 0.05 ? "" : text("panel.uncertain", { time: formatMs(uncertainMs) }));
    const shown = step.name === "paint" && this.result ? [this.result] : [];
    part(this, ".panel-result").replaceChildren(...shown);
    part(this, ".panel-messages").replaceChildren(...step.hops.map((hop) => this.#message(hop)));
  }

  /** @param {Hop} hop */
  #message(hop) {
    const fragment = instance(message);
    const details = /** @type {HTMLDetailsElement} */ (part(fragment, "details"));
    const words = hop.message === null ? "" : JSON.stringify(hop.message, null, 2);
    part(fragment, ".message-name").textContent = hop.name;
    part(fragment, ".message-time").textContent = formatMs(hop.durationMs);
    part(fragment, ".message-text").textContent = words;
    part(fragment, ".message-text").hidden = part(fragment, "copy-button").hidden = !words;
    part(fragment, ".message-text").setAttribute("aria-label", hop.name);
    part(fragment, ".message-text").setAttribute("role", "region");
    part(fragment, ".message-none").hidden = Boolean(words);
    document.adoptNode(fragment);
    customElements.upgrade(fragment); // or its value would be lost when it is
    /** @type {import("../elements/copy-button.js").CopyButton} */ (part(fragment, "copy-button")).value = words;
    details.open = this.#isOpen;
    details.addEventListener("click", () => requestAnimationFrame(() => (this.#isOpen = details.open)));
    return details;
  }
}

customElements.define("step-panel", StepPanel);
