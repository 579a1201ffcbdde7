// @ts-check
// The fields of <recipe-form>. Bounds stand here for the time before the server has told its own.

import { icons } from "./icons.js";
import { template } from "./template.js";

/** Value and text, in the order they are shown. */
const FITS = [
  ["inside", "fit.inside"],
  ["outside", "fit.outside"],
  ["cover", "fit.cover"],
  ["contain", "fit.contain"],
  ["fill", "fit.fill"],
];
const FORMATS = [
  ["auto", "format.auto"],
  ["jpeg", "format.jpeg"],
  ["png", "format.png"],
  ["webp", "format.webp"],
  ["avif", "format.avif"],
];
const ANGLES = [
  ["0", "angle.0"],
  ["90", "angle.90"],
  ["180", "angle.180"],
  ["270", "angle.270"],
];

/** @param {string[]} choice */
const option = ([value, key]) => `<option value="${value}" data-text="${key}"></option>`;

/** The first is chosen. @param {string} name @param {string[][]} choices */
const radios = (name, choices) =>
  choices
    .map(
      ([value, key], i) =>
        `<label><input type="radio" name="${name}" value="${value}"${i ? "" : " checked"}><span data-text="${key}"></span></label>`,
    )
    .join("");

export const recipeMarkup = template(`
  <form class="recipe" autocomplete="off" aria-labelledby="recipe-title">
    <header>
      <h2 id="recipe-title" data-text="recipe.title"></h2>
      <p class="recipe-note" data-text="recipe.note"></p>
      <button type="button" class="recipe-opener" aria-expanded="false" aria-controls="recipe-fields">
        <span class="recipe-summary"></span><span class="visually-hidden" data-text="recipe.change"></span>${icons.chevron}
      </button>
    </header>
    <div class="recipe-fields" id="recipe-fields">
      <label class="field recipe-preset"><span data-text="recipe.preset"></span>
        <select name="preset"><option value="" data-text="recipe.own"></option></select></label>
      <div class="recipe-sizes">
        <label class="field"><span data-text="recipe.width"></span>
          <input name="width" type="number" inputmode="numeric" min="1" max="65500" step="1" value="1600" data-placeholder="recipe.asIs"></label>
        <label class="field"><span data-text="recipe.height"></span>
          <input name="height" type="number" inputmode="numeric" min="1" max="65500" step="1" data-placeholder="recipe.asIs"></label>
      </div>
      <label class="field"><span data-text="recipe.fit"></span>
        <select name="fit">${FITS.map(option).join("")}</select></label>
      <fieldset class="field"><legend data-text="recipe.format"></legend>
        <div class="choices">${radios("format", FORMATS)}</div>
      </fieldset>
      <label class="field"><span class="field-head"><span data-text="recipe.quality"></span><output class="quality-value"></output></span>
        <input name="quality" type="range" min="1" max="100" step="1" value="80"></label>
      <fieldset class="field"><legend data-text="recipe.rotate"></legend>
        <div class="choices">${radios("angle", ANGLES)}</div>
      </fieldset>
      <div class="switches">
        <label><input type="checkbox" name="flip"><span data-text="recipe.flip"></span></label>
        <label><input type="checkbox" name="flop"><span data-text="recipe.flop"></span></label>
        <label><input type="checkbox" name="metadata"><span data-text="recipe.metadata"></span></label>
      </div>
      <p class="recipe-estimate" role="status" hidden></p>
      <details class="recipe-more"><summary data-text="recipe.more"></summary></details>
      <section class="recipe-sent" aria-labelledby="recipe-sent-title">
        <header><h3 id="recipe-sent-title" data-text="recipe.json"></h3><copy-button label="copy.json" icon="copy"></copy-button></header>
        <pre class="recipe-json" tabindex="0" aria-labelledby="recipe-sent-title"></pre>
      </section>
    </div>
  </form>`);
