// @ts-check
// Uploads past the service, straight to its bucket, by presigned URLs.

import { Problem } from "./problem.js";
import { parsed } from "./requests.js";
import { wishFields } from "./wish.js";

/**
 * @typedef {object} Presigned
 * @property {string} uploadId
 * @property {string} url
 * @property {"PUT"} method
 * @property {Record<string, string>} headers
 * @property {string} expiresAt
 * @property {string} completeUrl
 */

/** @typedef {{onAgreed?: (agreed: Presigned) => void}} Agreeing tells where the picture goes, before it does */

/** @param {import("./requests.js").Requests} requests @param {File} file @param {import("./wish.js").Wish & {signal?: AbortSignal}} settings @returns {Promise<Presigned>} */
export function presign(requests, file, { signal, ...wish }) {
  const { name: filename, type: contentType, size: bytes } = file;
  return requests.postJson("/uploads", { filename, contentType, bytes, ...wishFields(wish) }, { signal });
}

/**
 * @param {import("./requests.js").Requests} requests
 * @param {File} file
 * @param {import("./wish.js").Wish & import("./tus.js").Following & Agreeing} settings
 * @returns {Promise<import("../client.js").UploadAnswer>}
 */
export async function sendDirectly(requests, file, { options, preset, signal, onUploadProgress, onAgreed }) {
  const agreed = await presign(requests, file, { options, preset, signal });
  onAgreed?.(agreed);
  const { url, method, completeUrl } = agreed;
  const isOurs = url.startsWith("/"); // the service itself need not wait for the result; a bucket knows no such wish
  const headers = { ...agreed.headers, ...(isOurs && { Prefer: "respond-async" }) };
  const put = requests.send(url, { method, headers, body: file, signal, onUploadProgress });
  const answer = await put.catch((error) => {
    const isElsewhere = new URL(requests.absolute(url)).origin !== new URL(requests.absolute("/")).origin;
    if (!isElsewhere || !(error instanceof Problem) || error.status !== 0) throw error;
    throw new Problem({ type: "/problems/bucket_unreachable" }); // no rule for this page's origin, say
  });
  const told = parsed(answer); // the service itself answers for a disk; a bucket has nothing to say
  if ("jobId" in told) return told;
  return requests.json(completeUrl, { method: "POST", headers: { Prefer: "respond-async" }, signal });
}
