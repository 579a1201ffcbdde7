// @ts-check
// <recipe-form>: what is to be done with the pictures; knows fields, bounds and the `options` they make.

import "./copy-button.js";
import { boundsOf } from "../darkroom/bounds.js";
import { changed, hasQuality, optionsFrom } from "../darkroom/options.js";
import { formatName } from "../darkroom/caption.js";
import { networkSeconds, networkSteps } from "../darkroom/estimate.js";
import { formatSeconds } from "../format.js";
import { text } from "../texts.js";
import { recipeMarkup } from "./recipe-markup.js";
import { stylesheet } from "./stylesheet.js";
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

/** @typedef {import("../darkroom/options.js").Options} Options */
/** @typedef {import("./recipe-extra.js").RecipeExtra} RecipeExtra */

/** Dispatches `recipe-changed` with {options}. */
export class RecipeForm extends HTMLElement {
  /** What a request will carry. @type {Options} */
  options = {};
  /** @type {object | null} */
  #schema = null;
  /** @type {Record<string, Options>} */
  #presets = {};
  /** Names that the server knows, by the field they are for. @type {Record<string, string[]>} */
  #suggestions = {};
  /** @type {import("../client.js").Network[]} */
  #networks = [];
  /** Every step and option; comes when it is first opened. @type {RecipeExtra | null} */
  #extra = null;
  /** @type {AbortController | null} */
  #listening = null;

  connectedCallback() {
    if (!this.firstElementChild) this.append(instance(recipeMarkup));
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    this.#form.addEventListener("input", (event) => this.#changed(event), { signal });
    this.#form.addEventListener("change", (event) => this.#settled(event), { signal });
    this.#form.addEventListener("submit", (event) => event.preventDefault(), { signal });
    part(this, ".recipe-opener").addEventListener("click", () => this.#toggle(), { signal });
    part(this, ".recipe-more").addEventListener("toggle", () => this.#openExtra(), { signal });
    this.#take(optionsFrom(this.#read()));
  }

  disconnectedCallback() {
    this.#listening?.abort();
  }

  /** The server's JSON Schema of a recipe: its bounds and words become the form's. @param {object} schema */
  set schema(schema) {
    this.#schema = schema;
    for (const [name, path] of Object.entries(SCHEMA_PATHS)) {
      for (const field of this.#fields(name)) bind(field, boundsOf(schema, path));
    }
    this.#openExtra();
  }

  /** The server's recipes with a name. @param {{presets: Record<string, Options>, presetsOnly: boolean}} told */
  set presets({ presets, presetsOnly }) {
    this.#presets = presets;
    const names = Object.keys(presets);
    const select = /** @type {HTMLSelectElement} */ (part(this, "[name=preset]"));
    const own = new Option(text("recipe.own"), "");
    select.replaceChildren(...(presetsOnly ? [] : [own]), ...names.map((name) => new Option(name, name)));
    this.toggleAttribute("presets-only", presetsOnly);
    if (presetsOnly) this.#take({ preset: select.value });
  }

  /** @param {{watermarks: string[], fonts: string[]}} offer */
  set offer({ watermarks, fonts }) {
    this.#suggestions = { asset: watermarks, font: fonts };
    this.#openExtra();
  }

  /** The networks of this server, with the time that they take. @param {import("../client.js").Network[]} networks */
  set networks(networks) {
    this.#networks = networks;
    this.#showEstimate();
  }

  /** What the options mean: a preset's own where they only name one. @param {Options} options @returns {Options} */
  meaning(options) {
    return "preset" in options ? (this.#presets[options.preset] ?? {}) : options;
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
    const [angle, format] = [data.get("angle"), data.get("format")];
    return {
      width: pixels(data.get("width")),
      height: pixels(data.get("height")),
      fit: String(data.get("fit")),
      angle: angle === null ? null : Number(angle),
      flip: data.has("flip"),
      flop: data.has("flop"),
      format: format === null ? null : String(format),
      quality: Number(/** @type {HTMLInputElement} */ (part(this, "[name=quality]")).value),
      keepMetadata: data.has("metadata"),
    };
  }

  /** A number out of bounds becomes the nearest allowed one, when the field is left. @param {Event} event */
  #settled(event) {
    const { target } = event;
    if (!(target instanceof HTMLInputElement) || target.type !== "number") return;
    if (target.validity.badInput) target.value = "";
    if (target.value && !target.validity.valid) target.value = String(nearest(target));
    this.#changed(event);
  }

  /** @param {Event} event */
  #changed({ target }) {
    if (this.querySelector(":invalid")) return; // half typed: the last good one stands
    if (!(target instanceof HTMLElement)) return;
    if (target.closest("recipe-extra")) return this.#take(this.#extra?.options ?? {}, "extra");
    const { name, value } = /** @type {HTMLInputElement} */ (target);
    if (name === "preset") return this.#takePreset(value);
    return this.#take(changed(this.options, name, this.#read()), "fields");
  }

  /** @param {string} name */
  #takePreset(name) {
    if (this.hasAttribute("presets-only")) return this.#take({ preset: name });
    this.#take(name ? this.#presets[name] : optionsFrom(this.#read()));
    /** @type {HTMLSelectElement} */ (part(this, "[name=preset]")).value = name;
  }

  /** New options: shown everywhere but where they were typed. @param {Options} options @param {"fields" | "extra"} [typedIn] */
  #take(options, typedIn) {
    this.options = options;
    if (!this.hasAttribute("presets-only")) {
      /** @type {HTMLSelectElement} */ (part(this, "[name=preset]")).value = "";
    }
    if (typedIn !== "fields") this.#show(options);
    if (typedIn !== "extra" && this.#extra) this.#extra.options = options;
    this.#tell();
  }

  /** The options in the fields that are always there. @param {Options} options */
  #show({ resize = {}, rotate = {}, flip, flop, format = "auto", quality, metadata }) {
    const values = { width: resize.width ?? "", height: resize.height ?? "", fit: resize.fit ?? "inside" };
    for (const [name, value] of Object.entries(values)) this.#fields(name)[0].value = String(value);
    for (const [name, value] of Object.entries({ angle: String(rotate.angle ?? 0), format })) {
      for (const radio of this.#fields(name)) {
        /** @type {HTMLInputElement} */ (radio).checked = radio.value === value;
      }
    }
    for (const [name, value] of Object.entries({ flip, flop, metadata: metadata === "keep" })) {
      /** @type {HTMLInputElement} */ (this.#fields(name)[0]).checked = Boolean(value);
    }
    if (typeof quality === "number") this.#fields("quality")[0].value = String(quality);
  }

  #tell() {
    const { options } = this;
    const quality = /** @type {HTMLInputElement} */ (part(this, "[name=quality]"));
    quality.disabled = !hasQuality(options.format);
    quality.style.setProperty("--filled", `${filledPercent(quality)}%`);
    part(this, ".quality-value").textContent = qualityText(options);
    part(this, ".recipe-summary").textContent = summary(options);
    part(this, ".recipe-json").textContent = JSON.stringify(options, null, 2);
    /** @type {import("./copy-button.js").CopyButton} */ (part(this, "copy-button")).value =
      JSON.stringify(options);
    this.#showEstimate();
    this.dispatchEvent(new CustomEvent("recipe-changed", { bubbles: true, detail: { options } }));
  }

  /** Networks take long: how long is said before. */
  #showEstimate() {
    const options = this.meaning(this.options);
    const steps = networkSteps(options, this.#networks);
    const seconds = networkSeconds(options, this.#networks);
    const line = part(this, ".recipe-estimate");
    line.hidden = !steps.length;
    const names = steps.join(" + ");
    line.textContent = seconds
      ? text("recipe.estimate", { steps: names, eta: formatSeconds(seconds) })
      : text("recipe.estimateUnknown", { steps: names });
  }

  #toggle() {
    const isOpen = this.toggleAttribute("open");
    part(this, ".recipe-opener").setAttribute("aria-expanded", String(isOpen));
  }

  async #openExtra() {
    const more = /** @type {HTMLDetailsElement} */ (part(this, ".recipe-more"));
    if (!more.open || !this.#schema || this.#extra) return;
    const [{ RecipeExtra }] = await Promise.all([import("./recipe-extra.js"), stylesheet("recipe-extra")]);
    if (this.#extra) return; // opened twice meanwhile
    this.#extra = new RecipeExtra();
    this.#extra.draw(this.#schema, this.#suggestions);
    this.#extra.options = this.options;
    more.append(this.#extra);
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

/** @param {Options} options */
function summary(options) {
  if ("preset" in options) return options.preset;
  return text("recipe.summary", {
    size: sizeText(options.resize?.width ?? null, options.resize?.height ?? null),
    format: formatName(options.format ?? "auto"),
    quality: hasQuality(options.format) ? text("recipe.summaryQuality", { quality: qualityText(options) }) : text("recipe.lossless"),
  });
}

/** @param {Options} options */
function qualityText({ format, quality }) {
  return hasQuality(format) ? String(quality ?? text("recipe.usual")) : text("recipe.lossless");
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
