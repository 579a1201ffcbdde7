// @ts-check
// Addresses of pictures in a text: pasted, dropped, or typed a line each.

/** Each once, in their order. @param {string} text @returns {string[]} */
export function addressesIn(text) {
  const words = text.split(/[\s<>"']+/).map((word) => word.replace(/[,;]+$/, ""));
  return [...new Set(words.filter(isAddress))];
}

/** @param {string} word */
function isAddress(word) {
  return /^https?:\/\//i.test(word) && URL.canParse(word);
}
