// @ts-check
// <spark-line>: a few series over time as a small drawing, with the same in words.

import { mark } from "./keyed.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 40;

/**
 * @typedef {{values: (number | null)[], kind: "area" | "bars", tone: "usual" | "bad"}} Series
 *   one value a step, the newest last; null: nothing to say of that step
 */

export class SparkLine extends HTMLElement {
  connectedCallback() {
    if (this.firstElementChild) return;
    const drawing = document.createElementNS(SVG, "svg");
    drawing.setAttribute("preserveAspectRatio", "none");
    drawing.setAttribute("aria-hidden", "true");
    this.append(drawing);
    this.setAttribute("role", "img");
  }

  /** What is seen, in words. @param {string} words */
  set words(words) {
    mark(this, "aria-label", words);
    mark(this, "title", words);
  }

  /** @param {Series[]} series of the same length; they share one scale */
  set series(series) {
    const drawing = /** @type {SVGSVGElement} */ (this.firstElementChild);
    const steps = Math.max(2, ...series.map(({ values }) => values.length));
    const top = Math.max(1e-9, ...series.flatMap(({ values }) => values.map((value) => value ?? 0)));
    mark(drawing, "viewBox", `0 0 ${steps - 1} ${HEIGHT}`);
    while (drawing.childElementCount > series.length * 2) drawing.lastElementChild?.remove();
    while (drawing.childElementCount < series.length * 2) drawing.append(document.createElementNS(SVG, "path"));
    for (const [index, one] of series.entries()) {
      const [shape, line] = [drawing.children[2 * index], drawing.children[2 * index + 1]];
      const runs = runsOf(one.values, { top, offset: steps - one.values.length });
      mark(shape, "class", `spark-fill ${one.kind} ${one.tone}`);
      mark(line, "class", `spark-stroke ${one.kind} ${one.tone}`);
      mark(shape, "d", one.kind === "area" ? runs.map(areaOf).join("") : barsOf(runs));
      mark(line, "d", one.kind === "area" ? runs.map(lineOf).join("") : "");
    }
  }
}

/** @typedef {{x: number, y: number}} Point */

/** Points side by side; a gap begins a new run. @param {(number | null)[]} values @param {{top: number, offset: number}} scale */
function runsOf(values, { top, offset }) {
  /** @type {Point[][]} */
  const runs = [];
  let isOpen = false;
  for (const [index, value] of values.entries()) {
    if (value === null) {
      isOpen = false;
      continue;
    }
    if (!isOpen) runs.push([]);
    isOpen = true;
    runs[runs.length - 1].push({ x: index + offset, y: round(HEIGHT - 1 - (value / top) * (HEIGHT - 3)) });
  }
  return runs;
}

/** @param {Point[]} points */
const lineOf = (points) => {
  const [first] = points;
  const path = points.map(({ x, y }) => `${x} ${y}`).join("L");
  return points.length > 1 ? `M${path}` : `M${first.x - 0.5} ${first.y}h1`;
};

/** @param {Point[]} points */
const areaOf = (points) => {
  const last = points[points.length - 1];
  return points.length > 1 ? `${lineOf(points)}L${last.x} ${HEIGHT}L${points[0].x} ${HEIGHT}Z` : "";
};

/** @param {Point[][]} runs */
const barsOf = (runs) =>
  runs
    .flat()
    .filter(({ y }) => y < HEIGHT - 1)
    .map(({ x, y }) => `M${x - 0.35} ${HEIGHT}V${y}h0.7V${HEIGHT}Z`)
    .join("");

/** @param {number} value */
const round = (value) => Math.round(value * 10) / 10;

customElements.define("spark-line", SparkLine);
