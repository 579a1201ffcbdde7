// @ts-check
// Which operations a search finds: those that have all of its words. No DOM.

/** @typedef {import("./contract.js").Operation} Operation */

/** @param {Operation[]} operations @param {string} wanted @returns {Set<string>} ids */
export function found(operations, wanted) {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const fitting = operations.filter(({ words: told }) => words.every((word) => told.includes(word)));
  return new Set(fitting.map(({ id }) => id));
}
