// @ts-check
// <copy-menu>: what of a picture can be copied; one menu for all cards, opened beside the button that asked.

import { text } from "../texts.js";
import { copyText } from "./clipboard.js";
import { icons } from "./icons.js";
import { template } from "./template.js";

const MARGIN_PX = 6;

/** @typedef {{label: import("../texts.js").TextKey, icon: keyof typeof icons, value: () => string}} Choice */

/** Dispatches `text-copied` with {copied: boolean}. */
export class CopyMenu extends HTMLElement {
  /** @type {HTMLElement | null} */
  #anchor = null;

  connectedCallback() {
    this.popover = "auto";
    this.setAttribute("role", "menu");
    this.setAttribute("aria-label", text("copy.menu"));
    this.addEventListener("keydown", (event) => this.#move(event));
  }

  /** @param {HTMLElement} anchor @param {Choice[]} choices @param {() => void} onCopied */
  open(anchor, choices, onCopied) {
    this.#anchor = anchor;
    this.replaceChildren(...choices.map((choice) => this.#item(choice, onCopied)));
    this.showPopover();
    this.#place(anchor);
    this.#items[0]?.focus();
  }

  /** @returns {HTMLElement[]} */
  get #items() {
    return Array.from(this.querySelectorAll("button"));
  }

  /** @param {Choice} choice @param {() => void} onCopied */
  #item({ label, icon, value }, onCopied) {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("role", "menuitem");
    button.append(template(icons[icon]).content, text(label));
    button.addEventListener("click", async () => {
      this.hidePopover();
      this.#anchor?.focus();
      const copied = await copyText(value());
      this.dispatchEvent(new CustomEvent("text-copied", { bubbles: true, detail: { copied } }));
      if (copied) onCopied();
    });
    return button;
  }

  /** Above the button, or below where there is no room. @param {HTMLElement} anchor */
  #place(anchor) {
    const { top, bottom, right } = anchor.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this;
    const isAbove = top - height - MARGIN_PX > 0;
    this.style.top = `${isAbove ? top - height - MARGIN_PX : bottom + MARGIN_PX}px`;
    this.style.left = `${Math.max(MARGIN_PX, Math.min(right - width, innerWidth - width - MARGIN_PX))}px`;
  }

  /** @param {KeyboardEvent} event */
  #move(event) {
    const items = this.#items;
    const at = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    /** @type {Record<string, number>} */
    const targets = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 };
    if (event.key === "Tab") this.hidePopover();
    if (!(event.key in targets)) return;
    event.preventDefault();
    items.at(targets[event.key] % items.length)?.focus();
  }
}

customElements.define("copy-menu", CopyMenu);
