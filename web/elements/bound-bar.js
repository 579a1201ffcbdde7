// @ts-check
// <bound-bar>: how much of a bound is used, as a bar with its figures.

import { mark, write } from "./keyed.js";
import { instance, part, template } from "./template.js";

const NEAR = 0.8;
const REACHED = 0.97;

const markup = template(`
  <p class="bound-head"><span class="bound-name"></span><span class="bound-value"></span></p>
  <progress max="1" value="0"></progress>
  <p class="bound-note"></p>`);

export class BoundBar extends HTMLElement {
  connectedCallback() {
    if (!this.firstElementChild) this.append(instance(markup));
  }

  /** share: 0 to 1, null where there is no bound. @param {{name: string, value: string, share: number | null, note?: string}} bound */
  set bound({ name, value, share, note = "" }) {
    write(this, ".bound-name", name);
    write(this, ".bound-value", value);
    write(this, ".bound-note", note);
    /** @type {HTMLProgressElement} */
    const bar = part(this, "progress");
    bar.hidden = share === null;
    mark(bar, "aria-label", `${name}: ${value}`);
    bar.value = Math.min(1, share ?? 0);
    mark(this, "data-tone", (share ?? 0) >= REACHED ? "bad" : (share ?? 0) >= NEAR ? "warn" : "usual");
  }
}

customElements.define("bound-bar", BoundBar);
