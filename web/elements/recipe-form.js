// @ts-check
// <recipe-form>: what is to be done with the pictures; knows fields, bounds and the `options` they make.

import "./copy-button.js";
import { boundsOf } from "../darkroom/bounds.js";
import { hasQuality, optionsFrom } from "../darkroom/options.js";
import { formatName } from "../darkroom/caption.js";
import { text } from "../texts.js";
import { recipeMarkup } from "./recipe-markup.js";
import { instance, part } from "./template.js";

/** Where the schema speaks of a field of the form. */
const SCHEMA_PATHS = Object.freeze({
  width: ["resize", "width"],
  height: ["resize", "height"],
  fit: ["resize", "fit"],
  format: ["format"],
  quality: ["quality"],
  metadata: ["metadata"],
});

/** Dispatches `recipe-changed` with {options}. */
export class RecipeForm extends HTMLElement {
  /** What a request will carry. @type {object} */
  options = {};
  /** @type {AbortController | null} */
  #listening = null;

  connectedCallback() {
    if (!this.firstElementChild) this.append(instance(recipeMarkup));
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    this.#form.addEventListener("input", () => this.#changed(), { signal });
    this.#form.addEventListener("change", (event) => this.#settled(event), { signal });
    this.#form.addEventListener("submit", (event) => event.preventDefault(), { signal });
    part(this, ".recipe-opener").addEventListener("click", () => this.#toggle(), { signal });
    this.#changed();
  }

  disconnectedCallback() {
    this.#listening?.abort();
  }

  /** The server's JSON Schema of a recipe: its bounds and words become the form's. @param {object} schema */
  set schema(schema) {
    for (const [name, path] of Object.entries(SCHEMA_PATHS)) {
      for (const field of this.#fields(name)) bind(field, boundsOf(schema, path));
    }
    this.#changed();
  }

  /** @returns {HTMLFormElement} */
  get #form() {
    return part(this, "form");
  }

  /** @param {string} name @returns {NodeListOf<HTMLInputElement | HTMLSelectElement>} */
  #fields(name) {
    return this.#form.querySelectorAll(`[name="${name}"]`);
  }

  /** @returns {import("../darkroom/options.js").RecipeFields} */
  #read() {
    const data = new FormData(this.#form);
    return {
      width: pixels(data.get("width")),
      height: pixels(data.get("height")),
      fit: String(data.get("fit")),
      angle: Number(data.get("angle")),
      flip: data.has("flip"),
      flop: data.has("flop"),
      format: String(data.get("format")),
      quality: Number(/** @type {HTMLInputElement} */ (part(this, "[name=quality]")).value),
      keepMetadata: data.has("metadata"),
    };
  }

  /** A number out of bounds becomes the nearest allowed one, when the field is left. @param {Event} event */
  #settled({ target }) {
    if (!(target instanceof HTMLInputElement) || target.type !== "number") return;
    if (target.validity.badInput) target.value = "";
    if (target.value) target.value = String(nearest(target));
    this.#changed();
  }

  #changed() {
    const fields = this.#read();
    const quality = /** @type {HTMLInputElement} */ (part(this, "[name=quality]"));
    quality.disabled = !hasQuality(fields.format);
    quality.style.setProperty("--filled", `${filledPercent(quality)}%`);
    part(this, ".quality-value").textContent = quality.disabled ? text("recipe.lossless") : quality.value;
    part(this, ".recipe-summary").textContent = summary(fields);
    if (this.querySelector(":invalid")) return; // half typed: the last good one stands
    this.options = optionsFrom(fields);
    const json = JSON.stringify(this.options, null, 2);
    part(this, ".recipe-json").textContent = json;
    /** @type {import("./copy-button.js").CopyButton} */ (part(this, "copy-button")).value =
      JSON.stringify(this.options);
    const detail = { options: this.options };
    this.dispatchEvent(new CustomEvent("recipe-changed", { bubbles: true, detail }));
  }

  #toggle() {
    const isOpen = this.toggleAttribute("open");
    part(this, ".recipe-opener").setAttribute("aria-expanded", String(isOpen));
  }
}

/** @param {FormDataEntryValue | null} value */
function pixels(value) {
  return value ? Number(value) : null;
}

/** @param {HTMLInputElement} field */
function nearest({ min, max, valueAsNumber }) {
  return Math.min(Math.max(Math.round(valueAsNumber), Number(min)), Number(max));
}

/** @param {HTMLInputElement} range */
function filledPercent({ value, min, max }) {
  return (100 * (Number(value) - Number(min))) / (Number(max) - Number(min));
}

/** @param {import("../darkroom/options.js").RecipeFields} fields */
function summary({ width, height, format, quality }) {
  const isLossy = hasQuality(format);
  return text("recipe.summary", {
    size: sizeText(width, height),
    format: formatName(format),
    quality: isLossy ? text("recipe.summaryQuality", { quality }) : text("recipe.lossless"),
  });
}

/** @param {number | null} width @param {number | null} height */
function sizeText(width, height) {
  if (width && height) return text("recipe.summarySize", { width, height });
  if (width) return text("recipe.summaryWidth", { width });
  return height ? text("recipe.summaryHeight", { height }) : text("recipe.summaryOriginal");
}

/** @param {HTMLInputElement | HTMLSelectElement} field @param {import("../darkroom/bounds.js").Bounds} bounds */
function bind(field, { minimum, maximum, description, enum: allowed }) {
  if (description) field.title = description;
  if (field instanceof HTMLSelectElement) {
    for (const option of field.options) option.hidden = Boolean(allowed && !allowed.includes(option.value));
  } else if (field.type === "radio") {
    field.disabled = Boolean(allowed && !allowed.includes(field.value));
  } else if (field.type !== "checkbox") {
    if (minimum !== undefined) field.min = String(minimum);
    if (maximum !== undefined) field.max = String(maximum);
  }
}

customElements.define("recipe-form", RecipeForm);
