// @ts-check
// <url-dialog>: addresses of pictures, a line each.

import { addressesIn } from "../darkroom/addresses.js";
import { text } from "../texts.js";
import { instance, part, template } from "./template.js";

const markup = template(`
  <dialog class="url-dialog" aria-labelledby="url-title" aria-describedby="url-about">
    <form method="dialog">
      <h2 id="url-title" data-text="url.title"></h2>
      <p id="url-about" data-text="url.about"></p>
      <textarea name="urls" rows="6" spellcheck="false" autocomplete="off" data-label="url.label" data-placeholder="url.example"></textarea>
      <div class="url-buttons">
        <span class="url-count" role="status"></span>
        <button type="button" class="button quiet url-cancel" data-text="url.cancel"></button>
        <button type="submit" class="button primary" value="add" data-text="url.add"></button>
      </div>
    </form>
  </dialog>`);

/** Dispatches `urls-chosen` with {urls: string[]}. */
export class UrlDialog extends HTMLElement {
  connectedCallback() {
    if (this.firstElementChild) return;
    this.append(instance(markup));
    const dialog = this.#dialog;
    part(this, ".url-cancel").addEventListener("click", () => dialog.close());
    this.#field.addEventListener("input", () => this.#count());
    dialog.addEventListener("close", () => this.#closed());
  }

  open() {
    this.#field.value = "";
    this.#count();
    this.#dialog.returnValue = "";
    this.#dialog.showModal();
    this.#field.focus();
  }

  /** @returns {HTMLDialogElement} */
  get #dialog() {
    return part(this, "dialog");
  }

  /** @returns {HTMLTextAreaElement} */
  get #field() {
    return part(this, "textarea");
  }

  #count() {
    const count = addressesIn(this.#field.value).length;
    part(this, ".url-count").textContent = this.#field.value ? text("url.count", { count }) : "";
    /** @type {HTMLButtonElement} */ (part(this, "[value=add]")).disabled = count === 0;
  }

  #closed() {
    const urls = addressesIn(this.#field.value);
    if (this.#dialog.returnValue !== "add" || !urls.length) return;
    this.dispatchEvent(new CustomEvent("urls-chosen", { bubbles: true, detail: { urls } }));
  }
}

customElements.define("url-dialog", UrlDialog);
