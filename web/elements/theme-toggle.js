// @ts-check
// <theme-toggle>: as the system, light, dark; theme.js applies what is remembered at the next visit.

import { text } from "../texts.js";
import { icons } from "./icons.js";
import { part, template } from "./template.js";

const STORAGE_KEY = "safelight-theme";
const ORDER = /** @type {const} */ (["auto", "light", "dark"]);
const TEXTS = /** @type {const} */ ({
  auto: "theme.auto",
  light: "theme.light",
  dark: "theme.dark",
});
const ICONS = { auto: icons.auto, light: icons.sun, dark: icons.moon };

const markup = template(`<button type="button" class="button icon-only"></button>`);

export class ThemeToggle extends HTMLElement {
  /** @type {AbortController | null} */
  #listening = null;

  connectedCallback() {
    if (!this.firstElementChild) this.append(markup.content.cloneNode(true));
    this.#listening = new AbortController();
    part(this, "button").addEventListener("click", () => this.#next(), {
      signal: this.#listening.signal,
    });
    this.#show();
  }

  disconnectedCallback() {
    this.#listening?.abort();
  }

  get #theme() {
    const theme = document.documentElement.dataset.theme;
    return theme === "light" || theme === "dark" ? theme : "auto";
  }

  #next() {
    const theme = ORDER[(ORDER.indexOf(this.#theme) + 1) % ORDER.length];
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    remember(theme);
    this.#show();
  }

  #show() {
    const button = part(this, "button");
    button.replaceChildren(template(ICONS[this.#theme]).content);
    button.title = text(TEXTS[this.#theme]);
    button.setAttribute("aria-label", button.title);
  }
}

/** @param {string} theme */
function remember(theme) {
  try {
    localStorage.setItem(STORAGE_KEY, theme);
  } catch {
    // The browser keeps nothing for this page; the theme holds until it is closed.
  }
}

customElements.define("theme-toggle", ThemeToggle);
