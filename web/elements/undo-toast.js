// @ts-check
// <undo-toast>: says what was done and lets it be undone for a while; then it is final.

import { text } from "../texts.js";

const SHOWN_MS = 8000;

/** @typedef {{label: import("../texts.js").TextKey, run: () => void}} Action */

export class UndoToast extends HTMLElement {
  #timer = 0;
  /** @type {((settings: {isLeaving: boolean}) => void) | null} */
  #onEnd = null;
  /** @type {AbortController | null} */
  #listening = null;
  #words = document.createElement("span");

  connectedCallback() {
    this.#words.setAttribute("role", "status");
    if (!this.firstElementChild) this.append(this.#words);
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    for (const event of ["pointerenter", "focusin"]) {
      this.addEventListener(event, () => clearTimeout(this.#timer), { signal });
    }
    for (const event of ["pointerleave", "focusout"]) {
      this.addEventListener(event, () => this.#wait(), { signal });
    }
    addEventListener("pagehide", () => this.#end({ isLeaving: true }), { signal });
    this.hidden = true;
  }

  disconnectedCallback() {
    this.#listening?.abort();
    this.#end({ isLeaving: true });
  }

  /** @param {string} words @param {Action[]} actions each ends it @param {(settings: {isLeaving: boolean}) => void} [onEnd] unless an action was taken */
  offer(words, actions, onEnd) {
    this.#end({ isLeaving: false }); // the one before
    this.#onEnd = onEnd ?? null;
    this.hidden = false;
    this.#words.textContent = words;
    this.append(...actions.map((action) => this.#button(action)));
    this.#wait();
  }

  /** @param {Action} action */
  #button({ label, run }) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button";
    button.textContent = text(label);
    button.addEventListener("click", () => {
      this.#onEnd = null;
      this.#end({ isLeaving: false });
      run();
    });
    return button;
  }

  #wait() {
    clearTimeout(this.#timer);
    if (!this.hidden) this.#timer = setTimeout(() => this.#end({ isLeaving: false }), SHOWN_MS);
  }

  /** @param {{isLeaving: boolean}} settings */
  #end(settings) {
    clearTimeout(this.#timer);
    const onEnd = this.#onEnd;
    this.#onEnd = null;
    this.hidden = true;
    this.#words.textContent = "";
    this.replaceChildren(this.#words);
    onEnd?.(settings);
  }
}

customElements.define("undo-toast", UndoToast);
