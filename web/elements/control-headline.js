// @ts-check
// <control-headline>: in a sentence whether all is well, else what is wrong and what helps.

import { icons } from "./icons.js";
import { keyed, mark, write } from "./keyed.js";
import { instance, part, template } from "./template.js";

const markup = template(`
  <span class="headline-sign" aria-hidden="true">
    <span class="sign-good">${icons.check}</span><span class="sign-bad">${icons.warning}</span>
  </span>
  <div class="headline-words">
    <div role="status"><p class="headline-state"></p></div>
    <p class="headline-help"></p>
    <ul class="headline-others"></ul>
  </div>
  <p class="headline-facts"></p>`);

const other = template(`<li><span class="other-state"></span> <span class="other-help"></span></li>`);

/** @typedef {{level: "good" | "warn" | "bad", state: string, help: string}} Line */

export class ControlHeadline extends HTMLElement {
  connectedCallback() {
    if (!this.firstElementChild) this.append(instance(markup));
  }

  /** The worst first; there is always one. @param {Line[]} lines */
  set lines([worst, ...others]) {
    mark(this, "data-level", worst.level);
    write(this, ".headline-state", worst.state);
    write(this, ".headline-help", worst.help);
    keyed(part(this, ".headline-others"), others, {
      key: (line) => line.state,
      make: () => /** @type {HTMLElement} */ (instance(other).firstElementChild),
      fill: (element, line) => {
        mark(element, "data-level", line.level);
        write(element, ".other-state", line.state);
        write(element, ".other-help", line.help);
      },
    });
  }

  /** How much there is of the service, and as of when. @param {string} facts */
  set facts(facts) {
    write(this, ".headline-facts", facts);
  }
}

customElements.define("control-headline", ControlHeadline);
