// @ts-check
// <picture-viewer>: one comparison, as large as the window allows, and larger; on to the next and back.

import "./before-after.js";
import { formatPercent } from "../format.js";
import { icons } from "./icons.js";
import { instance, part, template } from "./template.js";
import { Zoom } from "./zoom.js";

const STEP = 1.5;
const PAN_PX = 80;

const markup = template(`
  <dialog class="viewer" aria-labelledby="viewer-name">
    <header>
      <h2 id="viewer-name"></h2>
      <p class="viewer-note"></p>
      <div class="viewer-zoom">
        <button type="button" class="button icon-only zoom-out" data-label="viewer.smaller" data-title="viewer.smaller">${icons.minus}</button>
        <output class="zoom-value" aria-live="off"></output>
        <button type="button" class="button icon-only zoom-in" data-label="viewer.larger" data-title="viewer.larger">${icons.add}</button>
        <button type="button" class="button zoom-natural" data-title="viewer.naturalTitle" data-text="viewer.natural"></button>
        <button type="button" class="button zoom-fit" data-title="viewer.fitTitle" data-text="viewer.fit"></button>
      </div>
      <button type="button" class="button icon-only viewer-previous" data-label="viewer.previous" data-title="viewer.previous">${icons.previous}</button>
      <button type="button" class="button icon-only viewer-next" data-label="viewer.next" data-title="viewer.next">${icons.next}</button>
      <form method="dialog"><button class="button icon-only" data-label="viewer.close" data-title="viewer.close">${icons.close}</button></form>
    </header>
    <before-after></before-after>
  </dialog>`);

/** Dispatches `picture-turn` with {by: -1 | 1}: the page then opens the next or the one before. */
export class PictureViewer extends HTMLElement {
  /** @type {Zoom | null} */
  #zoom = null;
  /** @type {AbortController | null} */
  #listening = null;

  connectedCallback() {
    if (!this.firstElementChild) this.append(instance(markup));
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const zoom = new Zoom(part(this, "before-after"), () => this.#showScale(), signal);
    this.#zoom = zoom;
    /** @type {[string, () => void][]} */
    const buttons = [
      [".zoom-in", () => zoom.to(zoom.scale * STEP)],
      [".zoom-out", () => zoom.to(zoom.scale / STEP)],
      [".zoom-fit", () => zoom.to(1)],
      [".zoom-natural", () => zoom.to(zoom.natural)],
      [".viewer-previous", () => this.#turn(-1)],
      [".viewer-next", () => this.#turn(1)],
    ];
    for (const [selector, act] of buttons) part(this, selector).addEventListener("click", act, { signal });
    part(this, "dialog").addEventListener("keydown", (event) => this.#key(event), { signal });
    part(this, ".after").addEventListener("load", () => this.#showScale(), { signal });
  }

  disconnectedCallback() {
    this.#listening?.abort();
  }

  /** @param {import("./before-after.js").Comparison} comparison @param {string} note @param {{isOnly: boolean}} settings */
  open(comparison, note, { isOnly }) {
    part(this, "h2").textContent = comparison.name;
    part(this, ".viewer-note").textContent = note;
    part(this, ".viewer-previous").hidden = isOnly;
    part(this, ".viewer-next").hidden = isOnly;
    /** @type {import("./before-after.js").BeforeAfter} */ (part(this, "before-after")).comparison =
      comparison;
    const dialog = /** @type {HTMLDialogElement} */ (part(this, "dialog"));
    if (!dialog.open) {
      dialog.showModal();
      part(this, ".split").focus();
    }
    this.#zoom?.to(1);
  }

  #showScale() {
    const zoom = this.#zoom;
    if (zoom) part(this, ".zoom-value").textContent = formatPercent((100 * zoom.scale) / zoom.natural);
  }

  /** @param {number} by */
  #turn(by) {
    this.dispatchEvent(new CustomEvent("picture-turn", { bubbles: true, detail: { by } }));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const zoom = /** @type {Zoom} */ (this.#zoom);
    /** @type {Record<string, () => void>} */
    const plain = {
      "+": () => zoom.to(zoom.scale * STEP),
      "=": () => zoom.to(zoom.scale * STEP),
      "-": () => zoom.to(zoom.scale / STEP),
      "0": () => zoom.to(1),
      "1": () => zoom.to(zoom.natural),
      "PageUp": () => this.#turn(-1),
      "PageDown": () => this.#turn(1),
    };
    /** @type {Record<string, () => void>} */
    const shifted = {
      ArrowLeft: () => zoom.pan(PAN_PX, 0),
      ArrowRight: () => zoom.pan(-PAN_PX, 0),
      ArrowUp: () => zoom.pan(0, PAN_PX),
      ArrowDown: () => zoom.pan(0, -PAN_PX),
    };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = plain[event.key] ?? (event.shiftKey ? shifted[event.key] : undefined);
    if (!act) return;
    event.preventDefault();
    act();
  }
}

customElements.define("picture-viewer", PictureViewer);
