// @ts-check
// <history-filters>: which of the jobs that have ended are to be listed.

import { text } from "../texts.js";
import { instance, part, template } from "./template.js";

const LATER_MS = 400; // after the last key that was pressed

const option = (/** @type {string} */ value, /** @type {string} */ key) =>
  `<option value="${value}" data-text="${key}"></option>`;

const markup = template(`
  <form class="history-filters" autocomplete="off">
    <label class="field"><span data-text="history.status"></span>
      <select name="status">${option("", "history.any")}${option("completed", "history.completed")}${option("failed", "history.failed")}${option("cancelled", "history.cancelled")}</select></label>
    <label class="field"><span data-text="history.source"></span>
      <select name="source">${option("", "history.any")}</select></label>
    <label class="field"><span data-text="history.format"></span>
      <select name="format">${option("", "history.any")}${["jpeg", "png", "webp", "avif", "heif", "gif", "tiff", "svg"].map((name) => `<option value="${name}">${name.toUpperCase()}</option>`).join("")}</select></label>
    <label class="field"><span data-text="history.client"></span><input name="client" type="text" maxlength="300" spellcheck="false"></label>
    <label class="field"><span data-text="history.batch"></span><input name="batch" type="text" maxlength="300" spellcheck="false"></label>
    <label class="field"><span data-text="history.from"></span><input name="from" type="datetime-local"></label>
    <label class="field"><span data-text="history.to"></span><input name="to" type="datetime-local"></label>
    <button type="reset" class="button quiet" data-text="history.reset"></button>
  </form>`);

/** Dispatches `filters-changed` with {filters}. */
export class HistoryFilters extends HTMLElement {
  #timer = 0;
  /** @type {AbortController | null} */
  #listening = null;

  connectedCallback() {
    if (!this.firstElementChild) this.append(instance(markup));
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const form = part(this, "form");
    form.addEventListener("submit", (event) => event.preventDefault(), { signal });
    form.addEventListener("input", () => this.#tellLater(LATER_MS), { signal });
    form.addEventListener("reset", () => this.#tellLater(0), { signal });
  }

  disconnectedCallback() {
    this.#listening?.abort();
    clearTimeout(this.#timer);
  }

  /** What `source` can be, as the contract names it. @param {string[]} sources */
  set sources(sources) {
    const select = part(this, "[name=source]");
    const known = new Set([...select.children].map((one) => /** @type {HTMLOptionElement} */ (one).value));
    select.append(...sources.filter((name) => !known.has(name)).map((name) => new Option(name, name)));
  }

  /** As GET /jobs takes them; moments are this browser's, told in UTC. @returns {Record<string, string>} */
  get filters() {
    const data = new FormData(/** @type {HTMLFormElement} */ (part(this, "form")));
    const given = [...data].map(([name, value]) => [name, String(value).trim()]).filter(([, value]) => value);
    return Object.fromEntries(
      given.map(([name, value]) => [name, name === "from" || name === "to" ? new Date(value).toISOString() : value]),
    );
  }

  /** @param {number} wait_ms */
  #tellLater(wait_ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const detail = { filters: this.filters };
      this.dispatchEvent(new CustomEvent("filters-changed", { bubbles: true, detail }));
    }, wait_ms);
  }
}

customElements.define("history-filters", HistoryFilters);
