// @ts-check
// The cards on the page, brought up to date once a frame however many events came.

import { stylesheet } from "../elements/stylesheet.js";

const NEW_CARDS_A_FRAME = 40; // empty ones: a card fills itself when it comes near the window
const NEAR = "100% 0px"; // a window's height above and below
const COUNTDOWN_MS = 500;
const FETCH_AGAIN_MS = 2000;
const ELEMENTS = ["picture-card", "picture-viewer", "copy-menu"];
const STYLES = ["picture-card", "before-after", "picture-viewer", "copy-menu"];

/** @typedef {import("./picture.js").Picture} Picture */
/** @typedef {import("../elements/picture-card.js").PictureCard} PictureCard */

export class Prints {
  #list;
  #settings;
  /** @type {Map<string, PictureCard>} */
  #cards = new Map();
  /** @type {Map<string, Picture>} shown at the next frame */
  #changed = new Map();
  /** @type {Map<string, string>} what a new card is hung before, by key */
  #places = new Map();
  #frame = 0;
  #near = new IntersectionObserver((seen) => this.#wake(seen), { rootMargin: NEAR });

  /**
   * @param {Element} list
   * @param {{absolute: PictureCard["absolute"], secondsFor: PictureCard["secondsFor"], afterShowing: () => void}} settings
   */
  constructor(list, settings) {
    this.#list = list;
    this.#settings = settings;
  }

  /** Fetch the code of the cards: not with the page, so that it opens sooner, but at its first use. */
  async prepare() {
    try {
      await Promise.all([
        ...STYLES.map(stylesheet),
        ...ELEMENTS.map((name) => import(`../elements/${name}.js`)),
      ]);
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

  /** Back among the others. @param {Picture} picture @param {string | null} before the key of the next */
  restore(picture, before) {
    if (before) this.#places.set(picture.key, before);
    this.show(picture);
  }

  /** @param {Picture} picture */
  remove({ key }) {
    this.#changed.delete(key);
    const card = this.#cards.get(key);
    this.#cards.delete(key);
    const item = card?.parentElement;
    if (item?.contains(document.activeElement)) focusBeside(item);
    if (item) this.#near.unobserve(item);
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
    if (!ELEMENTS.every((name) => customElements.get(name))) return this.prepare();
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
    card.secondsFor = this.#settings.secondsFor;
    const item = document.createElement("li");
    item.append(card);
    const next = this.#cards.get(this.#places.get(key) ?? "")?.parentElement ?? null;
    this.#places.delete(key);
    this.#list.insertBefore(item, next);
    this.#cards.set(key, card);
    this.#near.observe(item);
    return card;
  }

  /** @param {IntersectionObserverEntry[]} seen */
  #wake(seen) {
    for (const { isIntersecting, target } of seen) {
      if (!isIntersecting) continue;
      this.#near.unobserve(target);
      /** @type {PictureCard} */ (target.firstElementChild).wake();
    }
  }
}

/** The keyboard goes on where it was: at the next card, or the one before. @param {Element} item */
function focusBeside(item) {
  const neighbour = item.nextElementSibling ?? item.previousElementSibling;
  /** @type {HTMLElement | null | undefined} */ (neighbour?.querySelector(".card-remove"))?.focus();
}
