// @ts-check
// <page-header>: the head that all pages share. Give it the page's `client`: it shows how the line to the
// server is, and asks for an API key when the server wants one.

import "./connection-light.js";
import "./theme-toggle.js";
import { icons } from "./icons.js";
import { stylesheet } from "./stylesheet.js";
import { instance, part, template } from "./template.js";

/** @typedef {import("../client.js").SafelightClient} SafelightClient */

const markup = template(`
  <header>
    <a class="brand" href="/" data-label="brand.home">
      <img src="/web/icon.svg" alt="" width="30" height="30">
      <span data-text="brand.name"></span>
    </a>
    <nav class="pages" data-label="nav.label">
      <a href="/" data-text="nav.darkroom"></a>
      <a href="/pipeline" data-text="nav.pipeline"></a>
      <a href="/control" data-text="nav.control"></a>
      <a href="/docs" data-text="nav.docs"></a>
    </nav>
    <connection-light></connection-light>
    <button type="button" class="button icon-only key-change" data-label="key.change" data-title="key.change" hidden>${icons.key}</button>
    <theme-toggle></theme-toggle>
  </header>`);

export class PageHeader extends HTMLElement {
  /** @type {SafelightClient | null} */
  #client = null;
  /** @type {AbortController | null} */
  #listening = null;

  connectedCallback() {
    if (!this.firstElementChild) {
      this.append(instance(markup));
      this.#markCurrentPage();
    }
    this.#listening = new AbortController();
    part(this, ".key-change").addEventListener("click", () => this.#changeKey(), {
      signal: this.#listening.signal,
    });
    if (this.#client) this.client = this.#client;
  }

  disconnectedCallback() {
    this.#listening?.abort();
  }

  /** @param {SafelightClient} client the page's one */
  set client(client) {
    this.#client = client;
    if (!this.#listening) return; // once it is in the page
    const { signal } = this.#listening;
    client.askForKey = () => this.#askForKey();
    client.addEventListener("connection-changed", () => this.#show(client), { signal });
    client.addEventListener("key-changed", () => this.#show(client), { signal });
    this.#show(client);
  }

  #markCurrentPage() {
    for (const link of this.querySelectorAll("nav a")) {
      const path = /** @type {HTMLAnchorElement} */ (link).pathname;
      if (path === location.pathname) link.setAttribute("aria-current", "page");
    }
  }

  /** @param {SafelightClient} client */
  #show(client) {
    /** @type {import("./connection-light.js").ConnectionLight} */ (part(this, "connection-light")).state =
      client.connection.state;
    if (client.hasKey) part(this, ".key-change").hidden = false; // then it stays, to give another
  }

  /** The dialog comes with its first use. */
  async #askForKey() {
    await Promise.all([import("./key-dialog.js"), stylesheet("key-dialog")]);
    part(this, ".key-change").hidden = false;
    const shown = /** @type {import("./key-dialog.js").KeyDialog | null} */ (this.querySelector("key-dialog"));
    const dialog = shown ?? document.createElement("key-dialog");
    if (!shown) this.append(dialog);
    return /** @type {import("./key-dialog.js").KeyDialog} */ (dialog).ask({ hasKey: Boolean(this.#client?.hasKey) });
  }

  async #changeKey() {
    const given = await this.#askForKey();
    if (given) this.#client?.useKey(given.key, { remember: given.remember });
  }
}

customElements.define("page-header", PageHeader);
