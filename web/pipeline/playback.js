// @ts-check
// Where a replay stands: steps shown one after the other, each for as long as people need, whatever it really took.

const SHORTEST_MS = 1100;
const LONGEST_MS = 3200;

/** @typedef {import("./steps.js").Step} Step */

/** Dispatches `position-changed` whenever the step or the share of it changes, and `playing-changed`. */
export class Playback extends EventTarget {
  /** @type {Step[]} */
  steps = [];
  /** Which step is shown; -1 before there is any. */
  index = -1;
  /** How much of the step has been shown, 0 to 1. */
  share = 1;
  isPlaying = false;
  /** Twice as fast is 2. */
  speed = 1;
  #frame = 0;
  #seenAt = 0;

  /** @param {Step[]} steps */
  load(steps) {
    this.pause();
    this.steps = steps;
    this.index = -1;
    this.go(0, { share: 0 });
  }

  get step() {
    return this.steps[this.index] ?? null;
  }

  play() {
    if (this.isPlaying || !this.steps.length) return;
    if (this.index === this.steps.length - 1 && this.share >= 1) this.go(0, { share: 0 });
    this.isPlaying = true;
    this.#seenAt = performance.now();
    this.#frame = requestAnimationFrame((now) => this.#advance(now));
    this.dispatchEvent(new Event("playing-changed"));
  }

  pause() {
    if (!this.isPlaying) return;
    this.isPlaying = false;
    cancelAnimationFrame(this.#frame);
    this.dispatchEvent(new Event("playing-changed"));
  }

  toggle() {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  /** Show a step, whole if not said otherwise. @param {number} index @param {{share?: number}} [settings] */
  go(index, { share = 1 } = {}) {
    const bounded = Math.max(0, Math.min(this.steps.length - 1, index));
    this.index = this.steps.length ? bounded : -1;
    this.share = share;
    this.dispatchEvent(new Event("position-changed"));
  }

  /** A step by hand ends the playing. @param {number} by */
  walk(by) {
    this.pause();
    this.go(this.index + by);
  }

  /** @param {number} now */
  #advance(now) {
    const step = this.step;
    if (!step) return this.pause();
    const passed = Math.min(100, now - this.#seenAt); // a tab that slept goes on where it was
    this.#seenAt = now;
    const share = this.share + (passed * this.speed) / shownMs(step);
    if (share < 1) this.go(this.index, { share });
    else if (this.index < this.steps.length - 1) this.go(this.index + 1, { share: 0 });
    else {
      this.go(this.index);
      return this.pause();
    }
    this.#frame = requestAnimationFrame((next) => this.#advance(next));
  }
}

/** Ten times as long is shown a little longer. @param {Step} step */
export function shownMs({ durationMs }) {
  return Math.min(LONGEST_MS, SHORTEST_MS + 550 * Math.log10(1 + durationMs));
}
