// @ts-check
// Uploads that go on where they were, by tus 1.0 (https://tus.io/protocols/resumable-upload): after a cut of
// the network, a restart of the server, a pause, and a reload of the page with the same file chosen again.

import { Problem } from "./problem.js";
import { fingerprint } from "./memory.js";
import { wishText } from "./wish.js";

const VERSION = { "Tus-Resumable": "1.0.0" };
const CHUNK_BYTES = 8 * 1024 * 1024;
const MOST_METADATA = 7000; // characters; a server takes 8 KiB a header line
const GONE = [403, 404, 410];

/**
 * @typedef {import("./wish.js").Wish} Wish
 * @typedef {import("./requests.js").Requests} Requests
 * @typedef {import("./requests.js").Answer} Answer
 * @typedef {{signal?: AbortSignal, onUploadProgress?: (progress: import("./requests.js").UploadProgress) => void}} Following
 */

export class TusUploads {
  #requests;
  #memory;

  /** @param {Requests} requests @param {import("./memory.js").UploadMemory} memory */
  constructor(requests, memory) {
    this.#requests = requests;
    this.#memory = memory;
  }

  /** Whether the wish can be said in a header. @param {File} file @param {Wish} wish */
  takes(file, wish) {
    return metadata(file, wish).length <= MOST_METADATA;
  }

  /**
   * Send a picture, or the rest of it. Rejects when it cannot go on; called again it goes on where it was.
   * @param {File} file
   * @param {Wish & Following} settings
   * @returns {Promise<{jobId: string}>}
   */
  send(file, settings) {
    const mark = fingerprint(file, wishText(settings).join());
    if (!navigator.locks) return this.#send(file, mark, settings);
    // Another tab that sends this very file must not get into its way.
    return navigator.locks.request(mark, { ifAvailable: true }, (lock) =>
      this.#send(file, lock ? mark : "", settings),
    );
  }

  /** Give up what was begun. @param {File} file @param {Wish} wish */
  async abandon(file, wish) {
    const mark = fingerprint(file, wishText(wish).join());
    const begun = this.#memory.recall(mark);
    if (!begun) return;
    this.#memory.forget(mark);
    await this.#requests.send(begun.url, { method: "DELETE", headers: VERSION });
  }

  /** @param {File} file @param {string} mark empty: it is not remembered @param {Wish & Following} settings */
  async #send(file, mark, settings) {
    const { url, offset, jobId } = (await this.#resumed(mark, settings)) ?? (await this.#begun(file, mark, settings));
    const job = jobId ?? (await this.#rest(file, url, offset, settings));
    if (mark) this.#memory.forget(mark);
    return { jobId: job };
  }

  /** Where the server has it, if it was begun. @param {string} mark @param {Following} following */
  async #resumed(mark, { signal }) {
    const begun = mark && this.#memory.recall(mark);
    if (!begun) return null;
    try {
      const answer = await this.#requests.send(begun.url, { method: "HEAD", headers: VERSION, signal });
      return { url: begun.url, offset: offsetOf(answer), jobId: jobOf(answer) };
    } catch (error) {
      if (!(error instanceof Problem) || !GONE.includes(error.status)) throw error;
      this.#memory.forget(mark);
      return null;
    }
  }

  /** @param {File} file @param {string} mark @param {Wish & Following} settings */
  async #begun(file, mark, settings) {
    const answer = await this.#requests.send("/files", {
      headers: { ...VERSION, "Upload-Length": String(file.size), "Upload-Metadata": metadata(file, settings) },
      signal: settings.signal,
    });
    const url = answer.header("Location");
    if (!url) throw new Problem({ type: "/problems/not_the_service" }, { status: answer.status });
    if (mark) this.#memory.keep(mark, { url, name: file.name, size: file.size });
    return { url, offset: 0, jobId: null };
  }

  /** @param {File} file @param {string} url @param {number} offset bytes that are there @param {Following} following */
  async #rest(file, url, offset, { signal, onUploadProgress }) {
    for (;;) {
      const start = offset;
      const answer = await this.#requests.send(url, {
        method: "PATCH",
        headers: { ...VERSION, "Upload-Offset": String(start), "Content-Type": "application/offset+octet-stream" },
        body: file.slice(start, start + CHUNK_BYTES),
        signal,
        onUploadProgress: ({ loaded }) => onUploadProgress?.({ loaded: start + loaded, total: file.size }),
      });
      const jobId = jobOf(answer);
      if (jobId) return jobId;
      offset = offsetOf(answer);
      if (offset <= start) throw new Problem({ type: "/problems/unreachable" }); // it took nothing: later
    }
  }
}

/** @param {Answer} answer */
function offsetOf(answer) {
  const offset = Number(answer.header("Upload-Offset") ?? NaN);
  if (Number.isSafeInteger(offset)) return offset;
  throw new Problem({ type: "/problems/not_the_service" }, { status: answer.status });
}

/** Named with the last byte. @param {Answer} answer */
function jobOf(answer) {
  return answer.header("Safelight-Job-Id");
}

/** @param {File} file @param {Wish} wish */
function metadata(file, wish) {
  const [field, value] = wishText(wish);
  return `filename ${base64(file.name)},${field} ${base64(value)}`;
}

/** @param {string} text */
function base64(text) {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));
}
