// @ts-check
// <picture-card>: one picture from its file to its result. Give it `picture`; it shows what changed, once it
// was near the window: hundreds of cards far below cost nothing but their place.

import "./before-after.js";
import { changeOf, dimensionsOf, faultText, percentOf, stageOf } from "../darkroom/caption.js";
import { bytesBefore, isSettled, isUnsent, resultOf } from "../darkroom/picture.js";
import { text } from "../texts.js";
import { icons } from "./icons.js";
import { previewOf } from "./preview.js";
import { instance, part, template } from "./template.js";

const COPIED_MS = 2000;

const markup = template(`
  <article>
    <div class="card-media">
      <span class="card-ending" aria-hidden="true" hidden></span>
      <img class="card-preview" decoding="async" loading="lazy" draggable="false" hidden>
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
      <button type="button" class="button card-hold" hidden>${icons.pause}<span data-text="card.hold"></span></button>
      <button type="button" class="button card-resume" hidden>${icons.play}<span data-text="card.resume"></span></button>
      <button type="button" class="button quiet card-cancel" hidden data-text="card.cancel"></button>
      <button type="button" class="button quiet card-copy" aria-haspopup="menu">${icons.copy}<span data-text="card.copy"></span></button>
    </div>
  </article>`);

/** What a click on a part of the card says. */
const SAYINGS = /** @type {const} */ ([
  [".card-again", "picture-again"],
  [".card-remove", "picture-remove"],
  [".card-enlarge", "picture-enlarge"],
  [".card-hold", "picture-hold"],
  [".card-resume", "picture-resume"],
  [".card-cancel", "picture-cancel"],
  [".card-copy", "picture-copy"],
]);

/** @typedef {import("../darkroom/picture.js").Picture} Picture */

/** Dispatches `picture-again`, `-remove`, `-enlarge`, `-hold`, `-resume`, `-cancel` and `-copy`, each with {key}. */
export class PictureCard extends HTMLElement {
  /** Makes a path of the service a whole URL. @type {(path: string) => string} */
  absolute = (path) => path;
  /** How long the networks of its recipe take. @type {(picture: Picture) => number | null} */
  secondsFor = () => null;

  /** @type {Picture | null} */
  #picture = null;
  #isAwake = false;
  /** Of the file as it is, once the viewer asked for it. */
  #fileUrl = "";
  /** Of what the card shows of it; empty until it is made, null if the browser cannot. @type {string | null} */
  #previewUrl = "";
  #timer = 0;
  /** @type {AbortController | null} */
  #listening = null;

  connectedCallback() {
    if (this.#isAwake) this.#listen();
  }

  disconnectedCallback() {
    this.#listening?.abort();
    clearTimeout(this.#timer);
    URL.revokeObjectURL(this.#fileUrl);
    URL.revokeObjectURL(this.#previewUrl ?? "");
    this.#fileUrl = this.#previewUrl = "";
  }

  /** It comes near the window, or is about to be looked at. */
  wake() {
    if (this.#isAwake) return;
    this.#isAwake = true;
    this.append(instance(markup));
    this.#listen();
    if (this.#picture) this.#introduce(this.#picture);
    if (this.#picture) this.#show(this.#picture);
  }

  get picture() {
    return this.#picture;
  }

  /** To be set while the card is in the page. */
  set picture(picture) {
    if (!picture) return;
    const isNew = this.#picture?.name !== picture.name;
    this.#picture = picture;
    this.dataset.phase = picture.phase;
    if (!this.#isAwake) return;
    if (isNew) this.#introduce(picture);
    this.#show(picture);
  }

  /** What the viewer needs to show this picture large. @returns {import("./before-after.js").Comparison | null} */
  get comparison() {
    const file = this.#picture?.file;
    if (file) this.#fileUrl ||= URL.createObjectURL(file);
    return this.#compared(file ? this.#fileUrl : null);
  }

  /** @param {string | null} beforeUrl @returns {import("./before-after.js").Comparison | null} */
  #compared(beforeUrl) {
    const result = this.#picture && resultOf(this.#picture);
    if (!this.#picture || !result) return null;
    return {
      name: this.#picture.name,
      before: beforeUrl ? { url: beforeUrl, bytes: bytesBefore(this.#picture) ?? 0 } : null,
      after: { url: this.absolute(result.url), bytes: result.bytes },
    };
  }

  /** Say for a moment that something of it is in the clipboard. */
  showCopied() {
    const words = part(this, ".card-copy span");
    words.textContent = text("card.copied");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (words.textContent = text("card.copy")), COPIED_MS);
  }

  #listen() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    for (const [selector, event] of SAYINGS) {
      part(this, selector).addEventListener("click", () => this.#say(event), { signal });
    }
    part(this, ".card-preview").addEventListener("error", () => this.#hidePreview(), { signal });
  }

  /** Show the file, small; it takes its time where there are many. @param {File} file */
  async #preview(file) {
    const { signal } = /** @type {AbortController} */ (this.#listening);
    const url = await previewOf(file, signal).catch(() => null); // no picture, or none that this browser shows
    if (signal.aborted) return URL.revokeObjectURL(url ?? "");
    this.#previewUrl = url;
    const preview = /** @type {HTMLImageElement} */ (part(this, ".card-preview"));
    preview.hidden = !url;
    if (url) preview.src = url;
    if (this.#picture) this.#show(this.#picture);
  }

  /** @param {Picture} picture */
  #introduce({ name, file }) {
    if (file) this.#preview(file);
    /** @type {HTMLImageElement} */ (part(this, ".card-preview")).alt = text("card.preview", { name });
    const ending = part(this, ".card-ending");
    ending.textContent = /\.([a-z0-9]{1,5})$/i.exec(name)?.[1] ?? "";
    if (!file) ending.replaceChildren(template(icons.link).content);
    const heading = part(this, ".card-name");
    heading.textContent = name;
    heading.title = name;
    part(this, ".bar-upload").setAttribute("aria-label", text("card.uploadBar", { name }));
    part(this, ".bar-develop").setAttribute("aria-label", text("card.developBar", { name }));
    for (const [selector, key] of LABELS) label(this, selector, text(key, { name }));
  }

  /** @param {Picture} picture */
  #show(picture) {
    this.#showState(picture);
    this.#showBars(picture);
    this.#showFault(picture);
    this.#showActions(picture);
    this.#showResult(picture);
  }

  /** @param {Picture} picture */
  #showState(picture) {
    const change = changeOf(picture);
    const stage = part(this, ".card-stage");
    stage.textContent = change?.bytes ?? stageOf(picture, Date.now(), this.secondsFor(picture));
    stage.title = change?.exactly ?? stage.textContent;
    const percent = part(this, ".card-percent");
    percent.textContent = change?.short ?? percentOf(picture);
    percent.title = change?.long ?? "";
    percent.classList.toggle("grown", change?.isSmaller === false);
    const dimensions = part(this, ".card-dimensions");
    dimensions.textContent = dimensionsOf(picture);
    dimensions.title = picture.url ?? "";
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
    const isShown = this.#previewUrl !== null && Boolean(this.#picture?.file); // or will be
    part(this, ".card-ending").hidden = Boolean(fault) || isShown;
    if (!fault) return;
    const { title, detail } = faultText(fault);
    part(this, ".fault-title").textContent = title;
    part(this, ".fault-detail").textContent = detail;
  }

  /** @param {Picture} picture */
  #showActions(picture) {
    const { phase, fault, way } = picture;
    part(this, ".card-again").hidden = !fault;
    part(this, ".card-cancel").hidden = isSettled(picture);
    part(this, ".card-hold").hidden = !isUnsent(picture) || phase === "held" || way !== "resumable";
    part(this, ".card-resume").hidden = phase !== "held";
  }

  /** @param {Picture} picture */
  #showResult(picture) {
    const result = resultOf(picture);
    part(this, ".card-enlarge").hidden = !result;
    const download = /** @type {HTMLAnchorElement} */ (part(this, ".card-download"));
    download.hidden = !result;
    if (result) {
      download.href = this.absolute(result.url);
      download.download = `${picture.name.replace(/\.[a-z0-9]{1,5}$/i, "")}.${ending(result.format)}`;
    }
    this.#showComparison();
  }

  #showComparison() {
    const comparison = this.#compared(this.#previewUrl || null); // the result alone, until there is what it was
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
    this.#previewUrl = null;
    part(this, ".card-preview").hidden = true;
    part(this, ".card-ending").hidden = this.#picture?.phase === "failed";
  }

  /** @param {string} event */
  #say(event) {
    const key = this.#picture?.key;
    this.dispatchEvent(new CustomEvent(event, { bubbles: true, detail: { key } }));
  }
}

/** The buttons of many cards have names of their own. */
const LABELS = /** @type {const} */ ([
  [".card-remove", "card.remove"],
  [".card-enlarge", "card.enlarge"],
  [".card-cancel", "card.cancelLong"],
  [".card-copy", "card.copyLong"],
]);

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

customElements.define("picture-card", PictureCard);
