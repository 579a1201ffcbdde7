// @ts-check
// What is wanted of a picture, as the fields that every way in takes.

/** @typedef {{options?: object, preset?: string}} Wish a preset goes before options */

/** @param {Wish} wish @returns {{preset: string} | {options: object}} */
export function wishFields({ options = {}, preset }) {
  return preset ? { preset } : { options };
}

/** The one field as text: its name and value. @param {Wish} wish @returns {[string, string]} */
export function wishText(wish) {
  const [[name, value]] = Object.entries(wishFields(wish));
  return [name, typeof value === "string" ? value : JSON.stringify(value)];
}
