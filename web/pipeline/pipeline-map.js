// @ts-check
// <pipeline-map>: the parts of the service, the lines between them, and what travels along these.

import { instance, part, template } from "../elements/template.js";
import { text } from "../texts.js";
import { formatMs } from "./duration.js";
import { pointOn, smooth, timeIn } from "./map-ways.js";
import { partIcons } from "./part-icons.js";
import { LINKS, PARTS } from "./parts.js";
import { MESSAGES, WAYS } from "./ways.js";

/**
 * @typedef {import("./parts.js").PartName} PartName
 * @typedef {import("./steps.js").Step} Step
 * @typedef {import("./map-ways.js").Point} Point
 */

const TRAVELS_FOR = 0.5; // of the time a step is shown; then it is seen where it has arrived
const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const SVG = "http://www.w3.org/2000/svg";

const markup = template(`
  <svg class="map-links" aria-hidden="true" focusable="false"></svg>
  <ul class="map-parts" data-label="pipeline.map">
    ${PARTS.map(
      (name) => `<li class="map-part" data-part="${name}">
        <span class="map-part-head">${partIcons[name]}<span class="map-part-name" data-text="part.${name}"></span></span>
        <span class="map-part-kind" data-text="part.${name}.kind"></span>
        <span class="map-part-note"></span>
        <span class="map-part-time"></span>
        ${name === "workers" ? `<ul class="map-lanes" data-label="part.workers" hidden></ul>` : ""}
        ${name === "queue" ? `<span class="map-waiting" hidden></span>` : ""}
      </li>`,
    ).join("")}
  </ul>
  <div class="map-clock" hidden>
    <span class="map-small" data-text="clock.label"></span>
    <span class="map-clock-now"></span>
    <span class="map-small map-clock-whole"></span>
  </div>
  <div class="map-clock map-slow" hidden>
    <span class="map-small" data-text="clock.slow"></span>
    <span class="map-slow-factor"></span>
  </div>
  <div class="traveller" aria-hidden="true" hidden><canvas width="96" height="64"></canvas></div>`);

/** Dispatches `map-resized` after every change of its measures. */
export class PipelineMap extends HTMLElement {
  /** @type {Map<PartName, HTMLElement>} */
  #parts = new Map();
  /** @type {Map<string, SVGPathElement>} */
  #links = new Map();
  /** @type {ResizeObserver | null} */
  #observer = null;
  /** @type {Map<PartName, Point>} */
  #centres = new Map();
  /** @type {{step: Step, share: number} | null} */
  #shown = null;
  /** Whether things jump where they would move. */
  get isStill() {
    return STILL.matches;
  }

  connectedCallback() {
    if (!this.firstElementChild) this.#build();
    this.#observer = new ResizeObserver(() => this.#measure());
    this.#observer.observe(this);
  }

  disconnectedCallback() {
    this.#observer?.disconnect();
  }

  /** Where a part stands, in pixels of the map. @param {PartName} name @returns {DOMRect} */
  box(name) {
    const own = this.getBoundingClientRect();
    const { x, y, width, height } = /** @type {HTMLElement} */ (this.#parts.get(name)).getBoundingClientRect();
    return new DOMRect(x - own.x, y - own.y, width, height);
  }

  /** @param {PartName} name @returns {Point} */
  centre(name) {
    return this.#centres.get(name) ?? { x: 0, y: 0 };
  }

  /** Where dots may wait, in the queue. @returns {DOMRect} */
  waitingRoom() {
    const own = this.getBoundingClientRect();
    const { x, y, width, height } = part(this, ".map-waiting").getBoundingClientRect();
    return new DOMRect(x - own.x, y - own.y, width, height);
  }

  /** The middle of a lane; of the workers, where the lane is not known. @param {string | null} key @returns {Point} */
  laneSpot(key) {
    const lane = [...this.querySelectorAll(".map-lane")].find((one) => /** @type {HTMLElement} */ (one).dataset.key === key);
    if (!lane) return this.centre("workers");
    const own = this.getBoundingClientRect();
    const { right, y, height } = lane.getBoundingClientRect();
    return { x: right - own.x - 16, y: y - own.y + height / 2 };
  }

  /** The list in which `showLanes` shows them. @returns {HTMLElement} */
  get lanes() {
    return part(this, ".map-lanes");
  }

  /** In a crowd, how many pictures are where. @param {Partial<Record<PartName, number>>} counts */
  showCounts(counts) {
    if (!this.hasAttribute("data-crowd")) return;
    for (const [name, count] of Object.entries(counts)) {
      const element = /** @type {HTMLElement} */ (this.#parts.get(/** @type {PartName} */ (name)));
      part(element, ".map-part-time").textContent = count ? count.toLocaleString("en") : "";
    }
  }

  /** In a crowd, a few words on how a part stands. @param {Partial<Record<PartName, string>>} notes */
  showNotes(notes) {
    for (const [name, words] of Object.entries(notes)) {
      const element = /** @type {HTMLElement} */ (this.#parts.get(/** @type {PartName} */ (name)));
      part(element, ".map-part-note").textContent = words;
    }
  }

  /** Whether dots take the place of the one picture. @param {boolean} isCrowd */
  set isCrowd(isCrowd) {
    this.clear();
    this.toggleAttribute("data-crowd", isCrowd);
    part(this, ".map-waiting").hidden = !isCrowd;
    part(this, ".map-lanes").hidden = !isCrowd;
  }

  /** What travels: the picture that was sent. @param {CanvasImageSource & {width: number, height: number}} picture */
  set picture(picture) {
    const canvas = /** @type {HTMLCanvasElement} */ (part(this, ".traveller canvas"));
    const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const scale = Math.max(canvas.width / picture.width, canvas.height / picture.height);
    const width = picture.width * scale;
    const height = picture.height * scale;
    pen.drawImage(picture, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
  }

  /** Nothing is on its way; the parts alone. */
  clear() {
    this.#shown = null;
    part(this, ".traveller").hidden = true;
    for (const element of this.querySelectorAll(".map-clock")) /** @type {HTMLElement} */ (element).hidden = true;
    for (const element of this.#parts.values()) {
      element.removeAttribute("data-state");
      part(element, ".map-part-time").textContent = "";
    }
    for (const link of this.#links.values()) link.removeAttribute("data-state");
  }

  /**
   * @param {Step[]} steps
   * @param {number} index which of them
   * @param {number} share how much of it has been shown, 0 to 1
   * @param {{totalMs: number, factor: number}} time factor: how many times slower than it was
   */
  show(steps, index, share, { totalMs, factor }) {
    const step = steps[index];
    this.#shown = { step, share };
    const active = this.#activePart(step, share);
    const way = WAYS[step.name];
    for (const [name, element] of this.#parts) {
      element.dataset.state = name === active ? "active" : way.includes(name) ? "near" : "rest";
      const spent = timeIn(name, steps, index, share);
      part(element, ".map-part-time").textContent = spent > 0 ? formatMs(spent) : "";
    }
    this.#showLinks(way);
    this.#place(step, share);
    part(this, ".map-clock").hidden = part(this, ".map-slow").hidden = false;
    part(this, ".map-clock-now").textContent = formatMs(step.startMs + step.durationMs * share);
    part(this, ".map-clock-whole").textContent = text("clock.of", { total: formatMs(totalMs) });
    part(this, ".map-slow-factor").textContent = text("clock.times", { factor: factor.toLocaleString("en") });
  }

  /** @param {PartName} name @param {boolean} isWorking of a picture that is under way just now */
  light(name, isWorking) {
    for (const [one, element] of this.#parts) {
      if (one === name && isWorking) element.dataset.state = "active";
      else element.removeAttribute("data-state");
    }
  }

  #build() {
    this.append(instance(markup));
    for (const name of PARTS) this.#parts.set(name, part(this, `[data-part=${name}]`));
    const svg = part(this, ".map-links");
    for (const [from, to] of LINKS) {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("class", "map-link");
      svg.append(path);
      this.#links.set(linkName(from, to), path);
    }
  }

  #measure() {
    const { width, height } = this.getBoundingClientRect();
    part(this, ".map-links").setAttribute("viewBox", `0 0 ${width} ${height}`);
    for (const name of PARTS) {
      const box = this.box(name);
      this.#centres.set(name, { x: box.x + box.width / 2, y: box.y + box.height / 2 });
    }
    for (const [from, to] of LINKS) {
      const [a, b] = [this.centre(from), this.centre(to)];
      this.#links.get(linkName(from, to))?.setAttribute("d", `M${a.x} ${a.y}L${b.x} ${b.y}`);
    }
    if (this.#shown) this.#place(this.#shown.step, this.#shown.share);
    this.dispatchEvent(new Event("map-resized"));
  }

  /** @param {Step} step @param {number} share @returns {PartName} */
  #activePart(step, share) {
    const way = WAYS[step.name];
    const at = this.isStill ? 1 : Math.min(1, share / TRAVELS_FOR);
    return way[Math.round(at * (way.length - 1))];
  }

  /** @param {readonly PartName[]} way */
  #showLinks(way) {
    const used = new Set(way.slice(1).map((to, index) => linkName(way[index], to)));
    for (const [name, link] of this.#links) link.dataset.state = used.has(name) ? "used" : "";
  }

  /** @param {Step} step @param {number} share */
  #place(step, share) {
    const traveller = part(this, ".traveller");
    const way = WAYS[step.name].map((name) => this.#dock(name));
    const at = pointOn(way, this.isStill ? 1 : smooth(Math.min(1, share / TRAVELS_FOR)));
    traveller.hidden = false;
    traveller.toggleAttribute("data-message", MESSAGES.has(step.name));
    traveller.style.transform = `translate(${at.x.toFixed(1)}px, ${at.y.toFixed(1)}px)`;
  }

  /** On the lower edge of a part, so that its name can be read. @param {PartName} name @returns {Point} */
  #dock(name) {
    const { x, y } = this.centre(name);
    return { x, y: y + this.box(name).height / 2 };
  }
}

/** @param {PartName} from @param {PartName} to */
function linkName(from, to) {
  return [from, to].sort().join(" ");
}

customElements.define("pipeline-map", PipelineMap);
