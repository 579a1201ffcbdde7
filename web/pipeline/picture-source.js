// @ts-check
// <picture-source>: drawn pictures or one of your own, and the way it goes in.

import { icons } from "../elements/icons.js";
import { instance, part, template } from "../elements/template.js";
import { text } from "../texts.js";
import { SAMPLES, drawSample } from "./samples.js";

const markup = template(`
  <div class="source">
    <span class="source-lead" data-text="source.lead"></span>
    <div class="source-pictures">
      ${SAMPLES.map(
        (name) => `<button type="button" class="source-picture" data-sample="${name}">
          <canvas width="160" height="107" aria-hidden="true"></canvas><span data-text="source.${name}"></span>
        </button>`,
      ).join("")}
      <button type="button" class="source-picture source-own">${icons.add}<span data-text="source.own"></span></button>
      <input class="source-file" type="file" accept="image/*" hidden>
    </div>
    <fieldset class="choices source-way"><legend class="visually-hidden" data-text="source.way"></legend>
      <label><input type="radio" name="way" value="plain" checked><span data-text="source.plain"></span></label>
      <label><input type="radio" name="way" value="presigned"><span data-text="source.presigned"></span></label>
    </fieldset>
    <button type="button" class="button source-again" data-title="source.againTitle" disabled>${icons.retry}<span data-text="source.again"></span></button>
  </div>`);

/** Dispatches `sample-chosen` with {name}, `file-chosen` with {file}, `again-chosen`. */
export class PictureSource extends HTMLElement {
  /** @type {AbortController | null} */
  #listening = null;

  connectedCallback() {
    if (!this.firstElementChild) this.#build();
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    for (const button of this.querySelectorAll("[data-sample]")) {
      const name = /** @type {HTMLElement} */ (button).dataset.sample;
      button.addEventListener("click", () => this.#say("sample-chosen", { name }), { signal });
    }
    const input = /** @type {HTMLInputElement} */ (part(this, ".source-file"));
    part(this, ".source-own").addEventListener("click", () => input.click(), { signal });
    input.addEventListener("change", () => this.#picked(input), { signal });
    part(this, ".source-again").addEventListener("click", () => this.#say("again-chosen", {}), { signal });
  }

  disconnectedCallback() {
    this.#listening?.abort();
  }

  get isPresigned() {
    return /** @type {HTMLInputElement} */ (part(this, "[value=presigned]")).checked;
  }

  /** @param {{isBusy: boolean, canRepeat: boolean}} state isBusy: one picture is on its way */
  show({ isBusy, canRepeat }) {
    for (const button of this.querySelectorAll("button")) button.disabled = isBusy;
    /** @type {HTMLButtonElement} */ (part(this, ".source-again")).disabled = isBusy || !canRepeat;
  }

  #build() {
    this.append(instance(markup));
    for (const name of SAMPLES) {
      const button = part(this, `[data-sample=${name}]`);
      drawSample(name, /** @type {HTMLCanvasElement} */ (part(button, "canvas")));
      button.setAttribute("aria-label", text("source.send", { name: text(`source.${name}`) }));
    }
  }

  /** @param {HTMLInputElement} input */
  #picked(input) {
    const [file] = input.files ?? [];
    input.value = ""; // so that the same file can be chosen again
    if (file) this.#say("file-chosen", { file });
  }

  /** @param {string} name @param {object} detail */
  #say(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  }
}

customElements.define("picture-source", PictureSource);
