// @ts-check
// The cards on the page, brought up to date once a frame however many events came.

import { stylesheet } from "../elements/stylesheet.js";

const NEW_CARDS_A_FRAME = 8;
const COUNTDOWN_MS = 500;
const FETCH_AGAIN_MS = 2000;
const STYLES = ["picture-card", "before-after", "picture-viewer"];

/** @typedef {import("./picture.js").Picture} Picture */
/** @typedef {import("../elements/picture-card.js").PictureCard} PictureCard */

export class Prints {
  #list;
  #settings;
  /** @type {Map<string, PictureCard>} */
  #cards = new Map();
  /** @type {Map<string, Picture>} shown at the next frame */
  #changed = new Map();
  #frame = 0;

  /**
   * @param {Element} list
   * @param {{absolute: PictureCard["absolute"], curlFor: PictureCard["curlFor"], afterShowing: () => void}} settings
   */
  constructor(list, settings) {
    this.#list = list;
    this.#settings = settings;
  }

  /** Fetch the code of the cards: not with the page, so that it opens sooner, but at its first use. */
  async prepare() {
    try {
      await Promise.all(STYLES.map(stylesheet));
      await import("../elements/picture-card.js");
      await import("../elements/picture-viewer.js");
      if (this.#changed.size) this.#schedule();
    } catch {
      setTimeout(() => this.prepare(), FETCH_AGAIN_MS); // no server just now; it will be back
    }
  }

  /** @param {Picture} picture */
  show(picture) {
    this.#changed.set(picture.key, picture);
    this.#schedule();
  }

  /** @param {Picture} picture */
  remove({ key }) {
    this.#changed.delete(key);
    const card = this.#cards.get(key);
    this.#cards.delete(key);
    const item = card?.parentElement;
    if (item?.contains(document.activeElement)) focusBeside(item);
    item?.remove();
    this.#schedule();
  }

  /** @param {string} key */
  card(key) {
    return this.#cards.get(key);
  }

  #schedule() {
    this.#frame ||= requestAnimationFrame(() => this.#flush());
  }

  #flush() {
    this.#frame = 0;
    if (!customElements.get("picture-viewer")) return this.prepare();
    let room = NEW_CARDS_A_FRAME;
    for (const [key, picture] of this.#changed) {
      const isNew = !this.#cards.has(key);
      if (isNew && room-- <= 0) continue;
      this.#changed.delete(key);
      (this.#cards.get(key) ?? this.#hang(key)).picture = picture;
      if (picture.pause) setTimeout(() => this.#tick(picture), COUNTDOWN_MS);
    }
    if (this.#changed.size) this.#schedule();
    this.#settings.afterShowing();
  }

  /** The countdown of a paused picture goes on, unless something newer came. @param {Picture} picture */
  #tick(picture) {
    const isStillSo = this.#cards.get(picture.key)?.picture === picture;
    if (isStillSo && !this.#changed.has(picture.key)) this.show(picture);
  }

  /** @param {string} key */
  #hang(key) {
    const card = /** @type {PictureCard} */ (document.createElement("picture-card"));
    card.absolute = this.#settings.absolute;
    card.curlFor = this.#settings.curlFor;
    const item = document.createElement("li");
    item.append(card);
    this.#list.append(item);
    this.#cards.set(key, card);
    return card;
  }
}

/** The keyboard goes on where it was: at the next card, or the one before. @param {Element} item */
function focusBeside(item) {
  const neighbour = item.nextElementSibling ?? item.previousElementSibling;
  /** @type {HTMLElement | null | undefined} */ (neighbour?.querySelector(".card-remove"))?.focus();
}
