// @ts-check
// A closer look at a <before-after>: by wheel, two fingers, double click; when it is larger than its frame it is
// dragged, and so is the line between the two where the pointer is near it.

const MOST = 32;
const LINE_PX = 22; // nearer to the line than this the pointer takes it
const WHEEL_STEP = 0.0016;

/** @typedef {import("./before-after.js").BeforeAfter} BeforeAfter */

export class Zoom {
  #frame;
  #onChange;
  #scale = 1;
  #x = 0;
  #y = 0;
  /** @type {Map<number, PointerEvent>} */
  #pointers = new Map();
  #drags = /** @type {"line" | "picture" | null} */ (null);

  /** @param {BeforeAfter} frame @param {() => void} onChange @param {AbortSignal} signal */
  constructor(frame, onChange, signal) {
    this.#frame = frame;
    this.#onChange = onChange;
    frame.addEventListener("wheel", (event) => this.#wheel(event), { signal, passive: false });
    frame.addEventListener("dblclick", (event) => this.#toggle(event), { signal });
    frame.addEventListener("pointerdown", (event) => this.#down(event), { signal });
    frame.addEventListener("pointermove", (event) => this.#moved(event), { signal });
    for (const event of /** @type {const} */ (["pointerup", "pointercancel"])) {
      frame.addEventListener(event, (ended) => this.#up(ended), { signal });
    }
  }

  /** 1: the whole picture fits into the frame. */
  get scale() {
    return this.#scale;
  }

  /** The scale at which a pixel of the result is one of the screen's. */
  get natural() {
    const image = /** @type {HTMLImageElement} */ (this.#frame.querySelector(".after"));
    if (!image.naturalWidth) return 1;
    const { width, height } = this.#box;
    const fitted = Math.min(width, (height * image.naturalWidth) / image.naturalHeight);
    return image.naturalWidth / devicePixelRatio / fitted;
  }

  /** @param {number} scale @param {{x: number, y: number}} [at] what stays in its place; the middle if not said, px from it */
  to(scale, at = { x: 0, y: 0 }) {
    const next = Math.min(MOST, Math.max(Math.min(1, this.natural), scale));
    const grown = next / this.#scale;
    this.#x = at.x - (at.x - this.#x) * grown;
    this.#y = at.y - (at.y - this.#y) * grown;
    this.#scale = next;
    this.#show();
  }

  /** @param {number} x px @param {number} y */
  pan(x, y) {
    this.#x += x;
    this.#y += y;
    this.#show();
  }

  #show() {
    const { width, height } = this.#box;
    const beyond = Math.max(0, this.#scale - 1) / 2;
    const [most_x, most_y] = [width * beyond, height * beyond];
    this.#x = Math.min(most_x, Math.max(-most_x, this.#x));
    this.#y = Math.min(most_y, Math.max(-most_y, this.#y));
    const { style } = this.#frame;
    style.setProperty("--zoom", String(this.#scale));
    style.setProperty("--x", `${this.#x}px`);
    style.setProperty("--y", `${this.#y}px`);
    this.#frame.toggleAttribute("zoomed", this.#scale > 1);
    this.#frame.toggleAttribute("pixels", this.#scale > 2.5 * this.natural);
    this.#onChange();
  }

  get #box() {
    return this.#frame.getBoundingClientRect();
  }

  /** From the middle of the frame. @param {MouseEvent} event */
  #place({ clientX, clientY }) {
    const { left, top, width, height } = this.#box;
    return { x: clientX - left - width / 2, y: clientY - top - height / 2 };
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    this.to(this.#scale * Math.exp(-event.deltaY * lines * WHEEL_STEP), this.#place(event));
  }

  /** @param {MouseEvent} event */
  #toggle(event) {
    this.to(this.#scale > 1 ? 1 : Math.max(2, this.natural), this.#place(event));
  }

  /** @param {PointerEvent} event */
  #down(event) {
    this.#pointers.set(event.pointerId, event);
    const { left, width } = this.#box;
    const line = left + (width * this.#frame.splitPercent) / 100;
    const isNearLine = !this.#frame.hasAttribute("only-after") && Math.abs(event.clientX - line) < LINE_PX;
    if (this.#pointers.size > 1) this.#drags = "picture";
    else this.#drags = this.#scale > 1 && !isNearLine ? "picture" : "line";
    if (this.#scale > 1) this.#frame.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  #moved(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    if (this.#pointers.size === 2) this.#pinched(event);
    else if (this.#drags === "picture") this.pan(event.clientX - before.clientX, event.clientY - before.clientY);
    else if (this.#scale > 1) {
      const { left, width } = this.#box;
      this.#frame.splitPercent = (100 * (event.clientX - left)) / width;
    }
    this.#pointers.set(event.pointerId, event);
  }

  /** @param {PointerEvent} event */
  #pinched(event) {
    const other = [...this.#pointers.values()].find(({ pointerId }) => pointerId !== event.pointerId);
    const before = this.#pointers.get(event.pointerId);
    if (!other || !before) return;
    const apart = distance(event, other) / Math.max(1, distance(before, other));
    const [one, two] = [this.#place(event), this.#place(other)];
    this.to(this.#scale * apart, { x: (one.x + two.x) / 2, y: (one.y + two.y) / 2 });
  }

  /** @param {PointerEvent} event */
  #up({ pointerId }) {
    this.#pointers.delete(pointerId);
    if (!this.#pointers.size) this.#drags = null;
  }
}

/** @param {PointerEvent} one @param {PointerEvent} other */
function distance(one, other) {
  return Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
}
