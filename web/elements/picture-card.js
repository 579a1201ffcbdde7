// @ts-check
// <picture-card>: one picture from its file to its result. Give it `picture`; it shows what changed.

import "./before-after.js";
import "./copy-button.js";
import { changeOf, dimensionsOf, faultText, percentOf, stageOf } from "../darkroom/caption.js";
import { resultOf } from "../darkroom/picture.js";
import { text } from "../texts.js";
import { icons } from "./icons.js";
import { instance, part, template } from "./template.js";

const markup = template(`
  <article>
    <div class="card-media">
      <span class="card-ending" aria-hidden="true" hidden></span>
      <img class="card-preview" decoding="async" loading="lazy" draggable="false">
      <div class="card-fault" hidden>
        ${icons.warning}<p class="fault-title"></p><p class="fault-detail"></p>
      </div>
      <button type="button" class="button icon-only on-picture card-enlarge" hidden>${icons.enlarge}</button>
      <button type="button" class="button icon-only on-picture card-remove">${icons.close}</button>
      <div class="card-bars"><progress class="bar-upload" max="100"></progress><progress class="bar-develop" max="100"></progress></div>
    </div>
    <h3 class="card-name"></h3>
    <p class="card-state"><span class="card-stage"></span><span class="card-percent"></span></p>
    <p class="card-dimensions"></p>
    <div class="card-actions">
      <a class="button card-download" hidden>${icons.download}<span data-text="card.download"></span></a>
      <button type="button" class="button card-again" hidden>${icons.retry}<span data-text="card.again"></span></button>
      <copy-button class="copy-url" label="copy.url" short="copy.urlShort" icon="link" hidden></copy-button>
      <copy-button class="copy-curl" label="copy.curl" short="copy.curlShort" icon="terminal"></copy-button>
    </div>
  </article>`);

/** @typedef {import("../darkroom/picture.js").Picture} Picture */

/** Dispatches `picture-again`, `picture-remove` and `picture-enlarge`, each with {key}. */
export class PictureCard extends HTMLElement {
  /** What the copy button for curl copies. @type {(picture: Picture) => string} */
  curlFor = () => "";
  /** Makes a path of the service a whole URL. @type {(path: string) => string} */
  absolute = (path) => path;

  /** @type {Picture | null} */
  #picture = null;
  #fileUrl = "";
  /** @type {AbortController | null} */
  #listening = null;

  connectedCallback() {
    if (!this.firstElementChild) this.append(instance(markup));
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    for (const [selector, event] of [
      [".card-again", "picture-again"],
      [".card-remove", "picture-remove"],
      [".card-enlarge", "picture-enlarge"],
    ]) {
      part(this, selector).addEventListener("click", () => this.#say(event), { signal });
    }
    part(this, ".card-preview").addEventListener("error", () => this.#hidePreview(), { signal });
  }

  disconnectedCallback() {
    this.#listening?.abort();
    URL.revokeObjectURL(this.#fileUrl);
  }

  get picture() {
    return this.#picture;
  }

  /** To be set while the card is in the page. */
  set picture(picture) {
    if (!picture) return;
    const isNew = this.#picture === null;
    this.#picture = picture;
    if (isNew) this.#introduce(picture);
    this.#showState(picture);
    this.#showBars(picture);
    this.#showFault(picture);
    this.#showResult(picture);
  }

  /** What the viewer needs to show this picture large. @returns {import("./before-after.js").Comparison | null} */
  get comparison() {
    const result = this.#picture && resultOf(this.#picture);
    if (!this.#picture || !result) return null;
    const { name, size } = this.#picture.file;
    return {
      name,
      before: { url: this.#fileUrl, bytes: size },
      after: { url: this.absolute(result.url), bytes: result.bytes },
    };
  }

  /** @param {Picture} picture */
  #introduce({ file }) {
    const { name } = file;
    this.#fileUrl = URL.createObjectURL(file);
    const preview = /** @type {HTMLImageElement} */ (part(this, ".card-preview"));
    preview.src = this.#fileUrl;
    preview.alt = text("card.preview", { name });
    part(this, ".card-ending").textContent = name.split(".").at(-1) ?? "";
    const heading = part(this, ".card-name");
    heading.textContent = name;
    heading.title = name;
    part(this, ".bar-upload").setAttribute("aria-label", text("card.uploadBar", { name }));
    part(this, ".bar-develop").setAttribute("aria-label", text("card.developBar", { name }));
    label(this, ".card-remove", text("card.remove", { name }));
    label(this, ".card-enlarge", text("card.enlarge", { name }));
    copyButton(this, ".copy-curl").value = () => (this.#picture ? this.curlFor(this.#picture) : "");
  }

  /** @param {Picture} picture */
  #showState(picture) {
    this.dataset.phase = picture.phase;
    const change = changeOf(picture);
    const stage = part(this, ".card-stage");
    stage.textContent = change?.bytes ?? stageOf(picture, Date.now());
    stage.title = change?.exactly ?? "";
    const percent = part(this, ".card-percent");
    percent.textContent = change?.short ?? percentOf(picture);
    percent.title = change?.long ?? "";
    percent.classList.toggle("grown", change?.isSmaller === false);
    part(this, ".card-dimensions").textContent = dimensionsOf(picture);
  }

  /** @param {Picture} picture */
  #showBars({ phase, uploadPercent, job }) {
    const developPercent = phase === "done" ? 100 : (job?.progress ?? 0);
    /** @type {HTMLProgressElement} */ (part(this, ".bar-upload")).value = uploadPercent;
    /** @type {HTMLProgressElement} */ (part(this, ".bar-develop")).value = developPercent;
    this.style.setProperty("--developed", String(developPercent / 100));
  }

  /** @param {Picture} picture */
  #showFault({ fault }) {
    part(this, ".card-fault").hidden = !fault;
    part(this, ".card-ending").hidden = Boolean(fault) || !part(this, ".card-preview").hidden;
    part(this, ".card-again").hidden = !fault;
    if (!fault) return;
    const { title, detail } = faultText(fault);
    part(this, ".fault-title").textContent = title;
    part(this, ".fault-detail").textContent = detail;
  }

  /** @param {Picture} picture */
  #showResult(picture) {
    const result = resultOf(picture);
    const url = result ? this.absolute(result.url) : "";
    part(this, ".card-enlarge").hidden = !result;
    part(this, ".copy-url").hidden = !result;
    copyButton(this, ".copy-url").value = url;
    const download = /** @type {HTMLAnchorElement} */ (part(this, ".card-download"));
    download.hidden = !result;
    if (result) {
      download.href = url;
      download.download = `${picture.file.name.replace(/\.[^.]*$/, "")}.${ending(result.format)}`;
    }
    this.#showComparison();
  }

  #showComparison() {
    const { comparison } = this;
    const shown = /** @type {import("./before-after.js").BeforeAfter | null} */ (
      this.querySelector("before-after")
    );
    if (!comparison) return shown?.remove();
    const beforeAfter = shown ?? document.createElement("before-after");
    if (!shown) part(this, ".card-preview").after(beforeAfter);
    /** @type {import("./before-after.js").BeforeAfter} */ (beforeAfter).comparison = comparison;
  }

  /** The browser cannot show this file: its ending stands for it. */
  #hidePreview() {
    part(this, ".card-preview").hidden = true;
    part(this, ".card-ending").hidden = this.#picture?.phase === "failed";
  }

  /** @param {string} event */
  #say(event) {
    const key = this.#picture?.key;
    this.dispatchEvent(new CustomEvent(event, { bubbles: true, detail: { key } }));
  }
}

/** @param {string} format */
function ending(format) {
  return format === "jpeg" ? "jpg" : format;
}

/** @param {ParentNode} root @param {string} selector @param {string} words */
function label(root, selector, words) {
  const button = part(root, selector);
  button.setAttribute("aria-label", words);
  button.title = words;
}

/** @param {ParentNode} root @param {string} selector */
function copyButton(root, selector) {
  return /** @type {import("./copy-button.js").CopyButton} */ (part(root, selector));
}

customElements.define("picture-card", PictureCard);
