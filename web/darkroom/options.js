// @ts-check
// From the fields of the recipe form to the `options` of a request. What says nothing is left out.

/**
 * @typedef {object} RecipeFields as the form holds them
 * @property {number | null} width
 * @property {number | null} height
 * @property {string} fit
 * @property {number} angle
 * @property {boolean} flip
 * @property {boolean} flop
 * @property {string} format
 * @property {number} quality
 * @property {boolean} keepMetadata
 */

const LOSSLESS = new Set(["png"]);

/** @param {string} format */
export function hasQuality(format) {
  return !LOSSLESS.has(format);
}

/** @param {RecipeFields} fields */
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
    format,
    ...(hasQuality(format) && { quality }),
    ...(keepMetadata && { metadata: "keep" }),
  };
}
