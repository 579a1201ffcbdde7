// @ts-check
// <crowd-canvas>: the dots of many pictures on the map. Draws only while something moves.

/**
 * @typedef {import("./crowd.js").Dot} Dot
 * @typedef {import("./pipeline-map.js").PipelineMap} PipelineMap
 * @typedef {{x: number, y: number}} Point
 *
 * @typedef {object} Sprite a dot as it is drawn
 * @property {Dot} dot
 * @property {number} x
 * @property {number} y
 * @property {Point[]} way still to go
 * @property {number} alpha
 * @property {boolean} isLeaving it goes when it has arrived
 * @property {string} label
 */

const RADIUS = 4;
const GAP = 11;
const PIXELS_PER_S = 520;
const FADE_S = 0.45;
const MOST_LEAVING = 250;
const DARK = matchMedia("(prefers-color-scheme: dark)");
const COLOURS = Object.freeze(/** @type {const} */ (["own", "other", "again", "failed", "refused"]));

/** Give it `map`; tell it of dots. `sprites` and `frames` say what is drawn. */
export class CrowdCanvas extends HTMLElement {
  /** @type {PipelineMap | null} */
  map = null;
  frames = 0;
  /** @type {Map<string, Sprite>} */
  #sprites = new Map();
  /** @type {Set<Sprite>} */
  #leaving = new Set();
  /** Who waits in the queue, the first one first. @type {string[]} */
  #line = [];
  #hasLineChanged = false;
  #frame = 0;
  #drawnAt = 0;
  /** @type {AbortController | null} */
  #listening = null;
  #theme = new MutationObserver(() => this.#wake());
  /** @type {Record<string, string>} */
  #colours = {};

  connectedCallback() {
    if (!this.firstElementChild) this.#build();
    this.#listening = new AbortController();
    DARK.addEventListener("change", () => this.#wake(), { signal: this.#listening.signal });
    this.#theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  }

  disconnectedCallback() {
    this.#listening?.abort();
    this.#theme.disconnect();
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  /** How many dots stand or move on the map. */
  get size() {
    return this.#sprites.size;
  }

  /** @param {Dot} dot that is somewhere else now */
  move(dot) {
    const sprite = this.#sprites.get(dot.id) ?? this.#spriteOf(dot);
    sprite.dot = dot;
    sprite.label = dot.place === "refused" ? "429" : "";
    this.#lineUp(dot);
    sprite.way = this.#wayOf(sprite);
    if (["done", "failed", "refused"].includes(dot.place)) this.#letGo(sprite);
    this.#wake();
  }

  /** @param {Dot} dot that another one takes the place of */
  drop(dot) {
    const sprite = this.#sprites.get(dot.id);
    if (!sprite) return;
    this.#sprites.delete(dot.id);
    this.#leaveLine(dot.id);
    this.#wake();
  }

  /** After the map has changed its measures. */
  rearrange() {
    for (const sprite of this.#sprites.values()) sprite.way = this.#wayOf(sprite).slice(-1);
    this.#hasLineChanged = true;
    this.#wake();
  }

  clear() {
    this.#sprites.clear();
    this.#leaving.clear();
    this.#line = [];
    this.#wake();
  }

  #build() {
    this.append(document.createElement("canvas"));
    for (const name of COLOURS) {
      const swatch = document.createElement("i"); // has the colour of the theme as a canvas can take it
      swatch.dataset.colour = name;
      this.append(swatch);
    }
  }

  /** @param {Dot} dot @returns {Sprite} */
  #spriteOf(dot) {
    const from = dot.place === "sending" && dot.isOurs ? "browser" : "api";
    const { x, y } = this.#map.centre(from);
    /** @type {Sprite} */
    const sprite = { dot, x, y, way: [], alpha: 1, isLeaving: false, label: "" };
    this.#sprites.set(dot.id, sprite);
    return sprite;
  }

  /** @param {Sprite} sprite */
  #letGo(sprite) {
    this.#sprites.delete(sprite.dot.id);
    sprite.isLeaving = true;
    this.#leaving.add(sprite);
    if (this.#leaving.size > MOST_LEAVING) this.#leaving.delete(/** @type {Sprite} */ (this.#leaving.values().next().value));
  }

  get #map() {
    return /** @type {PipelineMap} */ (this.map);
  }

  /** @param {Sprite} sprite @returns {Point[]} */
  #wayOf({ dot, x, y }) {
    const map = this.#map;
    const api = map.centre("api");
    const queue = map.centre("queue");
    const isBeforeQueue = Math.hypot(x - api.x, y - api.y) < Math.hypot(x - queue.x, y - queue.y);
    switch (dot.place) {
      case "sending":
        return [spread(api, dot.id)];
      case "queue":
        return [...(isBeforeQueue ? [api] : []), queue]; // the seat comes with the next frame
      case "lane":
        return [...(isBeforeQueue ? [queue] : []), spread(map.laneSpot(dot.lane), dot.id, 5)];
      case "refused":
        return [map.centre("browser")];
      default:
        return [queue, map.centre("notification"), map.centre("browser")];
    }
  }

  /** One that was tried before goes to the front, as in the service. @param {Dot} dot */
  #lineUp(dot) {
    this.#leaveLine(dot.id);
    if (dot.place !== "queue") return;
    if (dot.retries) this.#line.unshift(dot.id);
    else this.#line.push(dot.id);
    this.#hasLineChanged = true;
  }

  /** @param {string} id */
  #leaveLine(id) {
    const at = this.#line.indexOf(id);
    if (at < 0) return;
    this.#line.splice(at, 1);
    this.#hasLineChanged = true;
  }

  /** Everybody who waits goes to the seat that is theirs now: in rows from the left. */
  #moveUp() {
    this.#hasLineChanged = false;
    const room = this.#map.waitingRoom();
    const columns = Math.max(1, Math.floor(room.width / GAP));
    const most = columns * Math.max(1, Math.floor(room.height / GAP)) - 1; // those behind stand on the last
    for (const [index, id] of this.#line.entries()) {
      const sprite = this.#sprites.get(id);
      const seat = Math.min(index, most);
      const x = room.x + RADIUS + 1 + (seat % columns) * GAP;
      const y = room.y + RADIUS + 1 + Math.floor(seat / columns) * GAP;
      sprite?.way.splice(-1, 1, { x, y });
    }
  }

  #wake() {
    if (this.#frame || !this.map) return;
    this.#readColours();
    this.#drawnAt = performance.now();
    this.#frame = requestAnimationFrame((now) => this.#draw(now));
  }

  #readColours() {
    for (const name of COLOURS) {
      const swatch = /** @type {Element} */ (this.querySelector(`[data-colour=${name}]`));
      this.#colours[name] = getComputedStyle(swatch).color;
    }
  }

  /** @param {number} now */
  #draw(now) {
    this.frames += 1;
    const passedS = Math.min(0.1, (now - this.#drawnAt) / 1000);
    this.#drawnAt = now;
    const pen = this.#pen();
    if (this.#hasLineChanged) this.#moveUp();
    let isMoving = false;
    for (const sprite of [...this.#sprites.values(), ...this.#leaving]) {
      isMoving = this.#step(sprite, passedS) || isMoving;
      this.#paint(pen, sprite);
    }
    this.#frame = isMoving ? requestAnimationFrame((next) => this.#draw(next)) : 0;
    this.toggleAttribute("data-rest", !isMoving);
  }

  /** @returns {CanvasRenderingContext2D} an empty one in pixels of the page */
  #pen() {
    const canvas = /** @type {HTMLCanvasElement} */ (this.querySelector("canvas"));
    const ratio = Math.min(2, devicePixelRatio);
    const { width, height } = this.getBoundingClientRect();
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    return pen;
  }

  /** Says whether it is not at rest. @param {Sprite} sprite @param {number} passedS */
  #step(sprite, passedS) {
    let left = PIXELS_PER_S * passedS * (1 + 0.5 * (sprite.way.length - 1));
    if (this.#map.isStill) left = Infinity;
    while (sprite.way.length && left > 0) {
      const [to] = sprite.way;
      const far = Math.hypot(to.x - sprite.x, to.y - sprite.y);
      const share = far <= left ? 1 : left / far;
      sprite.x += (to.x - sprite.x) * share;
      sprite.y += (to.y - sprite.y) * share;
      left -= far;
      if (share === 1) sprite.way.shift();
    }
    if (!sprite.isLeaving || sprite.way.length) return sprite.way.length > 0;
    sprite.alpha -= passedS / FADE_S;
    if (sprite.alpha <= 0) this.#leaving.delete(sprite);
    return true;
  }

  /** @param {CanvasRenderingContext2D} pen @param {Sprite} sprite */
  #paint(pen, { dot, x, y, alpha, label }) {
    const isRing = dot.place === "refused" || dot.place === "failed";
    const name = isRing ? dot.place : !dot.isOurs ? "other" : dot.retries ? "again" : "own";
    pen.globalAlpha = Math.max(0, alpha);
    pen.fillStyle = pen.strokeStyle = this.#colours[name];
    pen.beginPath();
    pen.arc(x, y, RADIUS, 0, 2 * Math.PI);
    if (isRing) {
      pen.lineWidth = 2;
      pen.stroke();
    } else pen.fill();
    if (label) {
      pen.font = "600 11px ui-monospace, monospace";
      pen.fillText(label, x + RADIUS + 3, y + 4);
    }
    pen.globalAlpha = 1;
  }
}

/** Dots of one spot beside each other, always in the same manner. @param {Point} point @param {string} id @param {number} [by] */
function spread({ x, y }, id, by = 14) {
  let mixed = 7;
  for (const letter of id) mixed = (Math.imul(mixed, 31) + letter.charCodeAt(0)) | 0;
  return { x: x + ((mixed & 255) / 255 - 0.5) * 2 * by, y: y + (((mixed >> 8) & 255) / 255 - 0.5) * by };
}

customElements.define("crowd-canvas", CrowdCanvas);
