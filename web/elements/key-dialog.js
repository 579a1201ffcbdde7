// @ts-check
// <key-dialog>: asks for an API key, for this tab or to be remembered.

import { instance, part, template } from "./template.js";
import { text } from "../texts.js";

const markup = template(`
  <dialog class="key-dialog" aria-labelledby="key-title" aria-describedby="key-about">
    <form method="dialog" autocomplete="off">
      <h2 id="key-title" data-text="key.title"></h2>
      <p id="key-about" class="key-about"></p>
      <label class="field"><span data-text="key.label"></span>
        <input name="key" type="password" autocomplete="off" spellcheck="false" autocapitalize="none" data-placeholder="key.example"></label>
      <label class="key-remember"><input type="checkbox" name="remember"><span data-text="key.remember"></span></label>
      <p class="key-note" data-text="key.note"></p>
      <div class="key-buttons">
        <button type="button" class="button quiet key-cancel" data-text="key.cancel"></button>
        <button type="submit" class="button primary" value="use" data-text="key.use"></button>
      </div>
    </form>
  </dialog>`);

/** @typedef {import("../client/access.js").GivenKey} GivenKey */

export class KeyDialog extends HTMLElement {
  /** @type {Promise<GivenKey | null> | null} */
  #asking = null;

  connectedCallback() {
    if (this.firstElementChild) return;
    this.append(instance(markup));
    part(this, ".key-cancel").addEventListener("click", () => this.#dialog.close());
  }

  /** null when it is closed without one. @param {{hasKey: boolean}} settings whether there was one that did not do */
  ask({ hasKey }) {
    this.#asking ??= this.#ask(hasKey).finally(() => (this.#asking = null));
    return this.#asking;
  }

  /** @returns {HTMLDialogElement} */
  get #dialog() {
    return part(this, "dialog");
  }

  /** @param {boolean} hasKey @returns {Promise<GivenKey | null>} */
  #ask(hasKey) {
    part(this, ".key-about").textContent = text(hasKey ? "key.other" : "key.wanted");
    /** @type {HTMLInputElement} */
    const field = part(this, "[name=key]");
    /** @type {HTMLInputElement} */
    const remember = part(this, "[name=remember]");
    field.value = "";
    const dialog = this.#dialog;
    dialog.returnValue = "";
    dialog.showModal();
    field.focus();
    return new Promise((resolve) => {
      dialog.addEventListener(
        "close",
        () => {
          const key = field.value.trim();
          field.value = "";
          const isGiven = dialog.returnValue === "use" && (key || hasKey); // emptied: forget it
          resolve(isGiven ? { key, remember: remember.checked } : null);
        },
        { once: true },
      );
    });
  }
}

customElements.define("key-dialog", KeyDialog);
