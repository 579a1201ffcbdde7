// @ts-check
// <code-counts label="rejects.title" empty="rejects.none">: how often each code came, the most frequent first.

import { formatCount } from "../control/figures.js";
import { text } from "../texts.js";
import { keyed, mark, write } from "./keyed.js";
import { instance, part, template } from "./template.js";

const MOST = 12; // more codes than that are summed up

const markup = template(`
  <h2 class="counts-title"></h2>
  <p class="counts-note"></p>
  <ul class="counts"></ul>`);

const rowMarkup = template(`
  <li><span class="count-words"><code class="count-code"></code><small class="count-about"></small></span><strong class="count-number"></strong></li>`);

/** @typedef {import("../texts.js").TextKey} TextKey */

export class CodeCounts extends HTMLElement {
  /** What is known of codes. @type {Record<string, string>} */
  titles = {};

  connectedCallback() {
    if (this.firstElementChild) return;
    const fragment = instance(markup);
    part(fragment, ".counts-title").textContent = text(/** @type {TextKey} */ (this.getAttribute("label")));
    this.append(fragment);
  }

  /** @param {Record<string, number>} counts by code */
  set counts(counts) {
    const sorted = Object.entries(counts).sort((one, other) => other[1] - one[1] || one[0].localeCompare(other[0]));
    const rest = sorted.slice(MOST).reduce((sum, [, times]) => sum + times, 0);
    const empty = /** @type {TextKey} */ (this.getAttribute("empty"));
    write(this, ".counts-note", sorted.length ? text("counts.hour") : text(empty));
    mark(this, "data-empty", sorted.length ? null : "");
    const shown = [...sorted.slice(0, MOST), ...(rest ? [[text("counts.rest"), rest]] : [])];
    keyed(part(this, ".counts"), /** @type {[string, number][]} */ (shown), {
      key: ([code]) => code,
      make: () => /** @type {HTMLElement} */ (instance(rowMarkup).firstElementChild),
      fill: (element, [code, times]) => {
        write(element, ".count-code", code);
        write(element, ".count-about", this.titles[code] ?? "");
        write(element, ".count-number", formatCount(times));
      },
    });
  }
}

customElements.define("code-counts", CodeCounts);
