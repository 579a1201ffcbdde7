// @ts-check
// <figure-tile label="figure.done">: one figure that matters, large, with what it was before beside it.

import "./spark-line.js";
import { mark, write } from "./keyed.js";
import { instance, part, template } from "./template.js";
import { text } from "../texts.js";

const markup = template(`
  <h2 class="figure-label"></h2>
  <p class="figure-value"><span class="figure-number">–</span> <span class="figure-unit"></span></p>
  <p class="figure-note">&nbsp;</p>
  <spark-line></spark-line>`);

/** @typedef {import("../texts.js").TextKey} TextKey */

export class FigureTile extends HTMLElement {
  connectedCallback() {
    if (this.firstElementChild) return;
    const fragment = instance(markup);
    part(fragment, ".figure-label").textContent = text(/** @type {TextKey} */ (this.getAttribute("label")));
    this.append(fragment);
  }

  /**
   * @param {{value: string, unit?: string, note?: string, tone?: "usual" | "warn" | "bad",
   *   series: import("./spark-line.js").Series[], words: string}} figure
   */
  set figure({ value, unit = "", note = "", tone = "usual", series, words }) {
    write(this, ".figure-number", value);
    write(this, ".figure-unit", unit);
    write(this, ".figure-note", note || "\u00a0");
    mark(this, "data-tone", tone);
    /** @type {import("./spark-line.js").SparkLine} */
    const line = part(this, "spark-line");
    line.series = series;
    line.words = words;
  }
}

customElements.define("figure-tile", FigureTile);
