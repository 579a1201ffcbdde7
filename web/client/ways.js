// @ts-check
// By which way a picture goes to the service: in one request, resumable, or past it into its bucket.

import { Problem } from "./problem.js";

/** From here on a cut costs more than the three requests that a resumable upload takes. */
const LARGE_BYTES = 8 * 1024 * 1024;
const SLOW = ["slow-2g", "2g", "3g"];

/**
 * @typedef {"plain" | "resumable" | "direct"} Way
 *
 * @typedef {object} Circumstances
 * @property {boolean} hasBucket POST /uploads leads to a bucket that this browser can reach
 * @property {boolean} hasBroken an upload of this picture was cut off before
 * @property {boolean} isSlow the network, or its owner wants to save
 * @property {boolean} isResumable whether the wish fits into a resumable upload
 */

/** @param {{size: number, type: string}} file @param {Circumstances} circumstances @returns {Way} */
export function wayFor(file, { hasBucket, hasBroken, isSlow, isResumable }) {
  if (hasBroken && isResumable) return "resumable";
  if (hasBucket && file.type.startsWith("image/")) return "direct";
  return isResumable && (isSlow || file.size >= LARGE_BYTES) ? "resumable" : "plain";
}

/** What the browser says of its network; not all browsers do. */
export function isNetworkSlow() {
  /** @type {{saveData?: boolean, effectiveType?: string} | undefined} */
  const network = /** @type {any} */ (navigator).connection;
  return Boolean(network?.saveData) || SLOW.includes(network?.effectiveType ?? "");
}

/** Whether the bucket cannot be had from this page, whatever becomes of the service. @param {unknown} error */
export function isBucketUnreachable(error) {
  return error instanceof Problem && error.code === "bucket_unreachable";
}
