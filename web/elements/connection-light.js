// @ts-check
// <connection-light>: shows its `state`, one of the four a connection has.

import { text } from "../texts.js";
import { instance, part, template } from "./template.js";

const TEXTS = /** @type {const} */ ({
  closed: "connection.closed",
  connecting: "connection.connecting",
  open: "connection.open",
  waiting: "connection.waiting",
});

const markup = template(`
  <span class="light-words" role="status" data-title="connection.title"></span>
  <span class="light-dot" aria-hidden="true"></span>`);

export class ConnectionLight extends HTMLElement {
  connectedCallback() {
    if (!this.firstElementChild) this.append(instance(markup));
  }

  /** @param {keyof typeof TEXTS} state */
  set state(state) {
    this.dataset.state = state;
    part(this, ".light-words").textContent = text(TEXTS[state]);
  }
}

customElements.define("connection-light", ConnectionLight);
