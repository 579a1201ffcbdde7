// @ts-check
// <recipe-extra>: every step and every option of the output, drawn from the server's schema alone.

import { fieldsOf } from "../darkroom/schema.js";
import { text } from "../texts.js";
import { controlFor, labelOf, make } from "./recipe-controls.js";

/** @typedef {import("./recipe-controls.js").Control} Control */

const TITLES = Object.freeze({ step: text("extra.steps"), output: text("extra.outputs") });

/** Its changes are `input` events of its fields; `options` is then what they say. */
export class RecipeExtra extends HTMLElement {
  /** @type {{name: string, control: Control, details: HTMLDetailsElement}[]} */
  #parts = [];

  /** The server's JSON Schema of a recipe, and names it knows by the field they are for. @param {object} schema @param {Record<string, string[]>} suggestions */
  draw(schema, suggestions) {
    this.#parts = fieldsOf(schema, suggestions).map((field) => {
      const control = controlFor(field);
      const summary = make("summary", {}, labelOf(field.name));
      const details = make("details", {}, summary, control.element);
      details.dataset.option = field.name;
      details.dataset.section = field.section ?? "output";
      return { name: field.name, control, details };
    });
    const sections = new Set(this.#parts.map(({ details }) => String(details.dataset.section)));
    this.replaceChildren(...[...sections].map((section) => this.#section(section)));
    this.addEventListener("input", () => this.#mark());
  }

  /** What all fields say. @returns {Record<string, unknown>} */
  get options() {
    const said = this.#parts.map(({ name, control }) => [name, control.read()]);
    return Object.fromEntries(said.filter(([, value]) => value !== undefined));
  }

  /** @param {Record<string, unknown>} options */
  set options(options) {
    for (const { name, control } of this.#parts) control.write(options[name]);
    this.#mark();
  }

  /** @param {string} section */
  #section(section) {
    const own = this.#parts.filter(({ details }) => details.dataset.section === section);
    const title = TITLES[/** @type {keyof typeof TITLES} */ (section)] ?? labelOf(section);
    return make("section", {}, make("h3", {}, title), ...own.map(({ details }) => details));
  }

  /** Show from outside which of them say something. */
  #mark() {
    const said = this.options;
    for (const { name, details } of this.#parts) details.toggleAttribute("data-said", name in said);
  }
}

customElements.define("recipe-extra", RecipeExtra);
