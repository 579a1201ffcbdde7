// @ts-check
// <docs-nav>: all operations by group, and a search that narrows them down.

import { text } from "../texts.js";
import { write } from "./keyed.js";
import { badge } from "./docs-operation.js";
import { element } from "./docs-text.js";
import { instance, part, template } from "./template.js";

const markup = template(`
  <search class="docs-search">
    <label class="field"><span><span data-text="docs.search"></span> <kbd data-text="docs.key"></kbd></span>
      <input type="search" name="search" autocomplete="off" spellcheck="false" data-placeholder="docs.searchExample"></label>
    <p class="docs-found" role="status"></p>
  </search>
  <nav data-label="docs.contents"><ul class="docs-groups"></ul></nav>`);

/** @typedef {import("../docs/contract.js").Group} Group */

/** Dispatches `search-changed` with {wanted} and `search-chosen` when Enter takes the first that was found. */
export class DocsNav extends HTMLElement {
  /** @type {AbortController | null} */
  #listening = null;

  connectedCallback() {
    if (!this.firstElementChild) this.append(instance(markup));
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const field = this.#field;
    field.addEventListener("input", () => this.#say("search-changed"), { signal });
    field.addEventListener("keydown", (event) => this.#fieldKey(event), { signal });
    part(this, "nav").addEventListener("keydown", (event) => this.#navKey(event), { signal });
    document.addEventListener("keydown", (event) => this.#pageKey(event), { signal });
  }

  disconnectedCallback() {
    this.#listening?.abort();
  }

  /** @param {Group[]} groups */
  set groups(groups) {
    const items = groups.map(({ title, operations }) => {
      const links = operations.map(({ id, method, path, summary }) => {
        const link = element("a", "docs-to", badge(method), " ", element("span", "docs-to-path", path));
        link.href = `#${id}`;
        link.title = summary;
        const item = element("li", "", link);
        item.dataset.operation = id;
        return item;
      });
      return element("li", "docs-group", element("p", "docs-group-title", title), element("ul", "", ...links));
    });
    part(this, ".docs-groups").replaceChildren(...items);
  }

  /** What the search has found. @param {{ids: Set<string>, isNarrowed: boolean}} found */
  set found({ ids, isNarrowed }) {
    for (const group of this.querySelectorAll(".docs-group")) {
      const items = /** @type {HTMLElement[]} */ ([...group.querySelectorAll("[data-operation]")]);
      for (const item of items) item.hidden = !ids.has(item.dataset.operation ?? "");
      /** @type {HTMLElement} */ (group).hidden = items.every((item) => item.hidden);
    }
    write(this, ".docs-found", isNarrowed ? text("docs.found", { count: ids.size }) : "");
  }

  /** Mark where the reader is. @param {string} id */
  set current(id) {
    for (const link of this.querySelectorAll(".docs-to")) {
      if (link.getAttribute("href") === `#${id}`) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }

  /** @returns {HTMLInputElement} */
  get #field() {
    return part(this, "[name=search]");
  }

  /** @returns {HTMLElement[]} */
  get #links() {
    return /** @type {HTMLElement[]} */ ([...this.querySelectorAll(".docs-to")]).filter((link) => !link.closest("[hidden]"));
  }

  /** @param {KeyboardEvent} event */
  #fieldKey(event) {
    const [first] = this.#links;
    if (event.key === "Escape" && this.#field.value) {
      this.#field.value = "";
      this.#say("search-changed");
    } else if (event.key === "ArrowDown") first?.focus();
    else if (event.key === "Enter") first?.click();
    else return;
    event.preventDefault();
  }

  /** @param {KeyboardEvent} event */
  #navKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const links = this.#links;
    const place = links.indexOf(/** @type {HTMLElement} */ (document.activeElement)) + step;
    (links[place] ?? (place < 0 ? this.#field : links[links.length - 1])).focus();
    event.preventDefault();
  }

  /** @param {KeyboardEvent} event */
  #pageKey(event) {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
    event.preventDefault();
    this.#field.select();
    this.#field.focus();
  }

  /** @param {string} name */
  #say(name) {
    const detail = { wanted: this.#field.value };
    this.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  }
}

customElements.define("docs-nav", DocsNav);
