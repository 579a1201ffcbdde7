// @ts-check
// <totals-line>: what all pictures come to, and what can be done with all of them.

import "./copy-button.js";
import { formatBytes, formatChange } from "../format.js";
import { text } from "../texts.js";
import { icons } from "./icons.js";
import { instance, part, template } from "./template.js";

const ANNOUNCED_EACH_MS = 3000;

const markup = template(`
  <p class="totals">
    <strong class="totals-pictures"></strong><span class="totals-working"></span><span class="totals-failed"></span><span class="totals-bytes"></span><span class="totals-saved"></span>
  </p>
  <div class="totals-actions">
    <button type="button" class="button again-all" data-title="totals.againTitle" hidden>${icons.retry}<span data-text="totals.again"></span></button>
    <button type="button" class="button hold-all" data-title="totals.holdTitle" hidden>${icons.pause}<span data-text="totals.hold"></span></button>
    <button type="button" class="button resume-all" hidden>${icons.play}<span data-text="totals.resume"></span></button>
    <button type="button" class="button quiet zip-all" data-title="totals.zipTitle" hidden>${icons.zip}<span data-text="totals.zip"></span></button>
    <copy-button class="copy-urls" label="copy.urls" icon="link" hidden></copy-button>
    <button type="button" class="button quiet clear-all">${icons.close}<span data-text="totals.clear"></span></button>
  </div>
  <p class="totals-announced visually-hidden" role="status"></p>`);

/** Dispatches `pictures-again`, `-hold`, `-resume`, `-zip` and `-clear`. */
export class TotalsLine extends HTMLElement {
  #announcedAt = 0;
  #timer = 0;
  /** @type {AbortController | null} */
  #listening = null;

  connectedCallback() {
    if (!this.firstElementChild) this.append(instance(markup));
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    for (const name of /** @type {const} */ (["again", "hold", "resume", "zip", "clear"])) {
      part(this, `.${name}-all`).addEventListener("click", () => this.#say(`pictures-${name}`), { signal });
    }
  }

  disconnectedCallback() {
    this.#listening?.abort();
    clearTimeout(this.#timer);
  }

  /** All result URLs, a line each. @param {() => string} urls */
  set urls(urls) {
    /** @type {import("./copy-button.js").CopyButton} */ (part(this, ".copy-urls")).value = urls;
  }

  /** Whether developing again would make something new. @param {boolean} canDevelopAgain */
  set canDevelopAgain(canDevelopAgain) {
    part(this, ".again-all").hidden = !canDevelopAgain;
  }

  /** Whether uploads stand still by the visitor's wish. */
  isHeld = false;

  /** The archive is on its way. @param {boolean} isPacking */
  set isPacking(isPacking) {
    const button = /** @type {HTMLButtonElement} */ (part(this, ".zip-all"));
    button.disabled = isPacking;
    button.setAttribute("aria-busy", String(isPacking));
    part(button, "span").textContent = text(isPacking ? "totals.packing" : "totals.zip");
  }

  /** @param {import("../darkroom/totals.js").Totals} totals */
  set totals(totals) {
    const { pictures, unsent, done, failed, working, bytesBefore, bytesAfter } = totals;
    const isSmaller = bytesAfter <= bytesBefore;
    const percent = formatChange(bytesBefore, bytesAfter);
    const bytes = { before: formatBytes(bytesBefore), after: formatBytes(bytesAfter) };
    this.hidden = pictures === 0;
    write(this, ".totals-pictures", text("totals.pictures", { count: pictures }));
    write(this, ".totals-working", working ? text("totals.working", { count: working }) : "");
    write(this, ".totals-failed", failed ? text("totals.failed", { count: failed }) : "");
    write(this, ".totals-bytes", done ? text("totals.bytes", bytes) : "");
    const saved = text(isSmaller ? "totals.saved" : "totals.grown", { percent });
    write(this, ".totals-saved", done ? saved : "");
    part(this, ".copy-urls").hidden = !done;
    part(this, ".zip-all").hidden = !done;
    part(this, ".hold-all").hidden = this.isHeld || !unsent;
    part(this, ".resume-all").hidden = !this.isHeld;
    if (done + failed > 0) this.#announce(totals);
  }

  /** To screen readers, not for every picture of hundreds. @param {import("../darkroom/totals.js").Totals} totals */
  #announce({ pictures, done, failed }) {
    clearTimeout(this.#timer);
    const wait_ms = Math.max(0, this.#announcedAt + ANNOUNCED_EACH_MS - Date.now());
    this.#timer = setTimeout(() => {
      this.#announcedAt = Date.now();
      const key = failed ? "totals.announcedFailed" : "totals.announced";
      write(this, ".totals-announced", text(key, { done, pictures, failed }));
    }, wait_ms);
  }

  /** @param {string} event */
  #say(event) {
    this.dispatchEvent(new CustomEvent(event, { bubbles: true }));
  }
}

/** @param {ParentNode} root @param {string} selector @param {string} words */
function write(root, selector, words) {
  const element = part(root, selector);
  if (element.textContent !== words) element.textContent = words;
}

customElements.define("totals-line", TotalsLine);
