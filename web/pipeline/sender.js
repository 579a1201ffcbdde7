// @ts-check
// Sends many small pictures, a few at a time; one that is refused for want of room is sent again later.

import { tinyPicture } from "./samples.js";

const AT_ONCE = 6; // as many connections as a browser opens
const MOST_TRIES = 20;
const LONGEST_WAIT_S = 10;
const RECIPE = Object.freeze({ resize: { width: 64 }, format: "webp" });

/**
 * @param {import("../client.js").SafelightClient} client
 * @param {import("./crowd.js").Crowd} crowd
 * @param {{count: number, isOnePicture: boolean, signal: AbortSignal, onJob?: (jobId: string) => void}} wish
 */
export async function sendMany(client, crowd, { count, isOnePicture, signal, onJob }) {
  const always = isOnePicture ? await tinyPicture(1) : null;
  let next = 0;
  const line = async () => {
    while (next < count && !signal.aborted) {
      next += 1;
      const number = next;
      await sendOne(client, crowd, { number, file: always ?? (await tinyPicture(number)), signal, onJob });
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, line));
}

/** @param {import("../client.js").SafelightClient} client @param {import("./crowd.js").Crowd} crowd @param {{number: number, file: File, signal: AbortSignal, onJob?: (jobId: string) => void}} wish */
async function sendOne(client, crowd, { number, file, signal, onJob }) {
  const id = `request ${number} ${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  crowd.sending(id);
  for (let tries = 1; ; tries += 1) {
    try {
      const { jobId } = await client.upload(file, { options: RECIPE, signal });
      crowd.accepted(id, jobId);
      onJob?.(jobId);
      return;
    } catch (error) {
      const problem = /** @type {import("../client.js").Problem} */ (error);
      if (signal.aborted || !problem.isBusy || tries >= MOST_TRIES) {
        crowd.gaveUp(id, signal.aborted ? "stopped" : (problem.code ?? "unknown"));
        return;
      }
      const seconds = Math.min(LONGEST_WAIT_S, problem.retryAfterSeconds ?? 1);
      crowd.refused(id, seconds);
      await pause(seconds * 1000 * (0.8 + Math.random() * 0.4), signal);
      if (!signal.aborted) crowd.sendingAgain(id);
    }
  }
}

/** @param {number} ms @param {AbortSignal} signal */
function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms, undefined);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve(undefined);
    }, { once: true });
  });
}
