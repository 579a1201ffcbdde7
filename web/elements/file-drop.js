// @ts-check
// <file-drop>: pictures by drop anywhere on the page, by paste, by choosing, by camera, by address.

import { addressesIn } from "../darkroom/addresses.js";
import { droppedFiles } from "./dropped-files.js";
import { icons } from "./icons.js";
import { stylesheet } from "./stylesheet.js";
import { instance, part, template } from "./template.js";

const buttons = `
  <div class="drop-buttons">
    <button type="button" class="button primary choose">${icons.add}<span data-text="drop.choose"></span></button>
    <button type="button" class="button camera">${icons.camera}<span data-text="drop.camera"></span></button>
    <button type="button" class="button by-url">${icons.link}<span data-text="drop.byUrl"></span></button>
  </div>`;

// The low bar is an area of its own, not the large one squeezed: nothing that is seen moves when they change places.
const markup = template(`
  <section class="drop-area drop-large" data-label="drop.label">
    <svg class="drop-art" viewBox="0 0 240 150" aria-hidden="true" focusable="false">
      <path class="art-beam" d="M104 24 58 132h124L136 24z"/>
      <path class="art-cord" d="M120 0v10"/>
      <path class="art-lamp" d="M102 24c0-20 36-20 36 0z"/>
      <rect class="art-paper" x="72" y="62" width="96" height="66" rx="3"/>
      <circle class="art-sun" cx="143" cy="83" r="8"/>
      <path class="art-hill" d="m78 122 28-36 18 22 11-13 27 27z"/>
      <path class="art-tray" d="M42 116h14l8 20h112l8-20h14l-12 32H54z"/>
    </svg>
    <h1 class="drop-title"><span data-text="drop.title"></span> <span data-text="drop.titleThen"></span></h1>
    <p class="drop-hint" data-text="drop.hint"></p>
    ${buttons}
  </section>
  <section class="drop-area drop-low" data-label="drop.label">
    <h1 class="drop-title-short" data-text="drop.titleShort"></h1>
    <p class="drop-hint" data-text="drop.hintShort"></p>
    ${buttons}
  </section>
  <input class="from-files" type="file" accept="image/*" multiple hidden>
  <input class="from-camera" type="file" accept="image/*" capture="environment" hidden>
  <div class="drop-veil" aria-hidden="true"><p data-text="drop.release"></p></div>`);

/** Dispatches `files-chosen` with {files: File[]} and `urls-chosen` with {urls: string[]}. The attribute `compact` makes it a low bar. */
export class FileDrop extends HTMLElement {
  /** @type {AbortController | null} */
  #listening = null;

  connectedCallback() {
    if (!this.firstElementChild) this.append(instance(markup));
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    this.#listenToButtons(signal);
    document.addEventListener("dragover", (event) => this.#dragged(event), { signal });
    document.addEventListener("dragleave", (event) => this.#left(event), { signal });
    document.addEventListener("drop", (event) => this.#dropped(event), { signal });
    document.addEventListener("paste", (event) => this.#pasted(event), { signal });
  }

  disconnectedCallback() {
    this.#listening?.abort();
  }

  /** @param {AbortSignal} signal */
  #listenToButtons(signal) {
    for (const one of this.querySelectorAll(".by-url")) {
      one.addEventListener("click", () => this.#askForUrls(), { signal });
    }
    for (const [button, field] of [
      [".choose", ".from-files"],
      [".camera", ".from-camera"],
    ]) {
      const input = /** @type {HTMLInputElement} */ (part(this, field));
      for (const one of this.querySelectorAll(button)) {
        one.addEventListener("click", () => input.click(), { signal });
      }
      input.addEventListener("change", () => this.#picked(input), { signal });
    }
  }

  /** The dialog comes with its first use. */
  async #askForUrls() {
    await Promise.all([import("./url-dialog.js"), stylesheet("url-dialog")]);
    const shown = /** @type {import("./url-dialog.js").UrlDialog | null} */ (this.querySelector("url-dialog"));
    const dialog = shown ?? document.createElement("url-dialog");
    if (!shown) this.append(dialog);
    /** @type {import("./url-dialog.js").UrlDialog} */ (dialog).open();
  }

  /** @param {HTMLInputElement} input */
  #picked(input) {
    this.#announce(Array.from(input.files ?? []));
    input.value = ""; // so that the same file can be chosen again
  }

  /** @param {DragEvent} event */
  #dragged(event) {
    if (!event.dataTransfer || !isWelcome(event.dataTransfer)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    this.toggleAttribute("over", true);
  }

  /** @param {DragEvent} event */
  #left(event) {
    if (event.relatedTarget === null) this.removeAttribute("over"); // out of the window
  }

  /** @param {DragEvent} event */
  async #dropped(event) {
    if (!event.dataTransfer || !isWelcome(event.dataTransfer)) return;
    event.preventDefault();
    this.removeAttribute("over");
    const address = event.dataTransfer.getData("text/uri-list"); // a picture of another page
    if (!event.dataTransfer.types.includes("Files")) return this.#announceUrls(address);
    this.#announce(await droppedFiles(event.dataTransfer));
  }

  /** @param {ClipboardEvent} event */
  #pasted(event) {
    const files = Array.from(event.clipboardData?.files ?? []);
    if (files.length) event.preventDefault();
    this.#announce(files);
    const isTyping = event.target instanceof Element && event.target.closest("input, textarea");
    if (!files.length && !isTyping) this.#announceUrls(event.clipboardData?.getData("text/plain") ?? "");
  }

  /** @param {string} words */
  #announceUrls(words) {
    const urls = addressesIn(words);
    if (urls.length) this.dispatchEvent(new CustomEvent("urls-chosen", { bubbles: true, detail: { urls } }));
  }

  /** @param {File[]} files */
  #announce(files) {
    if (!files.length) return;
    this.dispatchEvent(new CustomEvent("files-chosen", { bubbles: true, detail: { files } }));
  }
}

/** Files, or a picture of another page by its address. @param {DataTransfer} transfer */
function isWelcome({ types }) {
  return types.includes("Files") || types.includes("text/uri-list");
}

customElements.define("file-drop", FileDrop);
