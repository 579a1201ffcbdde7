// @ts-check
// From the fields of the recipe form to the `options` of a request. What says nothing is left out.

/**
 * @typedef {object} RecipeFields as the form holds them; null where none of its choices is chosen
 * @property {number | null} width
 * @property {number | null} height
 * @property {string} fit
 * @property {number | null} angle
 * @property {boolean} flip
 * @property {boolean} flop
 * @property {string | null} format
 * @property {number} quality
 * @property {boolean} keepMetadata
 */

/** What may be said of a picture, as JSON. @typedef {Record<string, any>} Options */

const LOSSLESS = new Set(["png", "gif", "tiff"]);

/** The part of the options that a field speaks of, and what in it. @type {Readonly<Record<string, string[]>>} */
const PARTS = Object.freeze({
  width: ["resize", "width", "height", "fit"],
  height: ["resize", "width", "height", "fit"],
  fit: ["resize", "width", "height", "fit"],
  angle: ["rotate", "angle"],
  flip: ["flip"],
  flop: ["flop"],
  format: ["format"],
  quality: ["quality"],
  metadata: ["metadata"],
});

/** @param {string | null | undefined} format */
export function hasQuality(format) {
  return !LOSSLESS.has(format ?? "auto");
}

/** @param {RecipeFields} fields @returns {Options} */
export function optionsFrom(fields) {
  const { width, height, fit, angle, flip, flop, format, quality, keepMetadata } = fields;
  const resizes = width !== null || height !== null;
  return {
    ...(resizes && {
      resize: { ...(width !== null && { width }), ...(height !== null && { height }), fit },
    }),
    ...(angle && { rotate: { angle } }),
    ...(flip && { flip }),
    ...(flop && { flop }),
    ...(format && { format }),
    ...(hasQuality(format) && { quality }),
    ...(keepMetadata && { metadata: "keep" }),
  };
}

/** The options after one field was changed; what it does not speak of stays. @param {Options} options @param {string} name @param {RecipeFields} fields */
export function changed(options, name, fields) {
  const [part, ...inner] = PARTS[name];
  const { [part]: before, ...beside } = options;
  const fresh = optionsFrom({ ...fields, format: fields.format ?? options.format ?? null })[part];
  const after = typeof fresh === "object" ? { ...without(before, inner), ...fresh } : fresh;
  const all = after === undefined ? beside : { ...beside, [part]: after };
  if (name !== "format") return all;
  const { quality, ...lossless } = all;
  return hasQuality(fields.format) ? { ...lossless, quality: quality ?? fields.quality } : lossless;
}

/** What an upload carries: a preset goes by its name. @param {Options} options @returns {{preset: string} | {options: Options}} */
export function requestOf(options) {
  return "preset" in options ? { preset: options.preset } : { options };
}

/** Whether both ask for the same, in whatever order. @param {Options} one @param {Options} other */
export function isSame(one, other) {
  return one === other || JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
}

/** @param {Options | undefined} options @param {string[]} names */
function without(options, names) {
  return Object.fromEntries(Object.entries(options ?? {}).filter(([name]) => !names.includes(name)));
}

/** @param {any} value @returns {any} */
function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])]));
}
