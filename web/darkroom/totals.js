// @ts-check
// What all pictures come to.

import { bytesBefore, isUnsent, resultOf } from "./picture.js";

/**
 * @typedef {object} Totals
 * @property {number} pictures
 * @property {number} done
 * @property {number} failed
 * @property {number} working
 * @property {number} unsent of those that work: whose bytes have not all gone out
 * @property {number} bytesBefore of the pictures that are done
 * @property {number} bytesAfter
 */

/** @param {Iterable<import("./picture.js").Picture>} pictures @returns {Totals} */
export function totalsOf(pictures) {
  const totals = { pictures: 0, done: 0, failed: 0, working: 0, unsent: 0, bytesBefore: 0, bytesAfter: 0 };
  for (const picture of pictures) {
    totals.pictures += 1;
    const result = resultOf(picture);
    if (result) {
      totals.done += 1;
      totals.bytesBefore += bytesBefore(picture) ?? 0;
      totals.bytesAfter += result.bytes;
    } else if (picture.phase === "failed") totals.failed += 1;
    else {
      totals.working += 1;
      if (isUnsent(picture)) totals.unsent += 1;
    }
  }
  return totals;
}
