// @ts-check
// <copy-button label="copy.url" short="copy.urlShort" icon="link">: copies its `value` and says so for a moment.

import { text } from "../texts.js";
import { copyText } from "./clipboard.js";
import { icons } from "./icons.js";
import { instance, part, template } from "./template.js";

const SHOWN_MS = 2000;

const markup = template(`
  <button type="button" class="button quiet">
    <span class="copy-icon"></span><span class="copy-done">${icons.check}</span><span class="copy-label"></span>
  </button>`);

/** @typedef {import("../texts.js").TextKey} TextKey */

/** Dispatches `text-copied` with {copied: boolean}. */
export class CopyButton extends HTMLElement {
  /** What to copy; a function is asked at the moment of the click. @type {string | (() => string)} */
  value = "";
  #timer = 0;
  /** @type {AbortController | null} */
  #listening = null;

  connectedCallback() {
    if (!this.firstElementChild) this.#fill();
    this.#listening = new AbortController();
    part(this, "button").addEventListener("click", () => this.#copy(), {
      signal: this.#listening.signal,
    });
  }

  disconnectedCallback() {
    this.#listening?.abort();
    clearTimeout(this.#timer);
  }

  #fill() {
    const fragment = instance(markup);
    const name = /** @type {keyof typeof icons} */ (this.getAttribute("icon") ?? "copy");
    part(fragment, ".copy-icon").append(template(icons[name]).content);
    const label = /** @type {TextKey} */ (this.getAttribute("label"));
    const short = /** @type {TextKey | null} */ (this.getAttribute("short"));
    part(fragment, ".copy-label").textContent = text(short ?? label);
    const button = part(fragment, "button");
    button.title = text(label);
    button.setAttribute("aria-label", button.title);
    this.append(fragment);
  }

  async #copy() {
    const copied = await copyText(typeof this.value === "string" ? this.value : this.value());
    this.dispatchEvent(new CustomEvent("text-copied", { bubbles: true, detail: { copied } }));
    if (!copied) return;
    this.toggleAttribute("copied", true);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.removeAttribute("copied"), SHOWN_MS);
  }
}

customElements.define("copy-button", CopyButton);
