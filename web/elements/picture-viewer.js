// @ts-check
// <picture-viewer>: one comparison, as large as the window allows.

import "./before-after.js";
import { icons } from "./icons.js";
import { instance, part, template } from "./template.js";

const markup = template(`
  <dialog class="viewer" aria-labelledby="viewer-name">
    <header>
      <h2 id="viewer-name"></h2>
      <p class="viewer-note"></p>
      <form method="dialog"><button class="button icon-only" data-label="viewer.close" data-title="viewer.close">${icons.close}</button></form>
    </header>
    <before-after></before-after>
  </dialog>`);

export class PictureViewer extends HTMLElement {
  connectedCallback() {
    if (!this.firstElementChild) this.append(instance(markup));
  }

  /** @param {import("./before-after.js").Comparison} comparison @param {string} note */
  open(comparison, note) {
    part(this, "h2").textContent = comparison.name;
    part(this, ".viewer-note").textContent = note;
    /** @type {import("./before-after.js").BeforeAfter} */ (part(this, "before-after")).comparison =
      comparison;
    /** @type {HTMLDialogElement} */ (part(this, "dialog")).showModal();
    part(this, ".split").focus();
  }
}

customElements.define("picture-viewer", PictureViewer);
