// @ts-check
// <page-header>: the head that all pages share.

import "./connection-light.js";
import "./theme-toggle.js";
import { instance, template } from "./template.js";

const markup = template(`
  <header>
    <a class="brand" href="/" data-label="brand.home">
      <img src="/web/icon.svg" alt="" width="30" height="30">
      <span data-text="brand.name"></span>
    </a>
    <connection-light></connection-light>
    <theme-toggle></theme-toggle>
  </header>`);

export class PageHeader extends HTMLElement {
  connectedCallback() {
    if (!this.firstElementChild) this.append(instance(markup));
  }
}

customElements.define("page-header", PageHeader);
