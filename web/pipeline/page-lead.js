// @ts-check
// <page-lead>: what the page is for, and whether one picture or many are watched.

import { instance, part, template } from "../elements/template.js";
import { text } from "../texts.js";

const markup = template(`
  <header class="lead">
    <div><h1 data-text="pipeline.title"></h1><p class="lead-text" data-text="pipeline.lead"></p></div>
    <fieldset class="choices lead-mode"><legend class="visually-hidden" data-text="pipeline.mode"></legend>
      <label><input type="radio" name="mode" value="one" checked><span data-text="pipeline.one"></span></label>
      <label><input type="radio" name="mode" value="many"><span data-text="pipeline.many"></span></label>
    </fieldset>
  </header>`);

/** Dispatches `mode-changed` with {isMany}. */
export class PageLead extends HTMLElement {
  /** @type {AbortController | null} */
  #listening = null;

  connectedCallback() {
    if (!this.firstElementChild) this.append(instance(markup));
    this.#listening = new AbortController();
    this.addEventListener("change", () => this.#changed(), { signal: this.#listening.signal });
  }

  disconnectedCallback() {
    this.#listening?.abort();
  }

  #changed() {
    const isMany = this.querySelector("[value=many]:checked") !== null;
    part(this, ".lead-text").textContent = text(isMany ? "pipeline.leadMany" : "pipeline.lead");
    this.dispatchEvent(new CustomEvent("mode-changed", { bubbles: true, detail: { isMany } }));
  }
}

customElements.define("page-lead", PageLead);
