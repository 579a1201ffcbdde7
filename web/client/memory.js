// @ts-check
// Where resumable uploads go on after the page was closed: kept by this browser, for a week.

const PREFIX = "safelight-upload:";
const KEPT_MS = 7 * 24 * 3600 * 1000;

/** @typedef {{url: string, name: string, size: number, at: number}} Begun at: ms since the epoch */

/** The same file with the same wish has the same mark. @param {File} file @param {string} wish */
export function fingerprint({ name, size, lastModified, type }, wish) {
  return PREFIX + JSON.stringify([name, size, lastModified, type, wish]);
}

/** Uploads that were begun and not finished. */
export class UploadMemory {
  /** Where the browser keeps nothing, for as long as the page lives. @type {Map<string, Begun>} */
  #here = new Map();

  /** @param {string} mark @returns {Begun | null} */
  recall(mark) {
    const here = this.#here.get(mark);
    if (here) return here;
    const begun = attempt(() => JSON.parse(localStorage.getItem(mark) ?? "null"));
    return begun && Date.now() - begun.at < KEPT_MS ? begun : null;
  }

  /** @param {string} mark @param {Omit<Begun, "at">} begun */
  keep(mark, begun) {
    const kept = { ...begun, at: Date.now() };
    this.#here.set(mark, kept);
    attempt(() => localStorage.setItem(mark, JSON.stringify(kept)));
  }

  /** @param {string} mark */
  forget(mark) {
    this.#here.delete(mark);
    attempt(() => localStorage.removeItem(mark));
  }

  /** All that wait for their file; what is too old goes. @returns {Begun[]} */
  all() {
    const marks = attempt(() => Object.keys(localStorage)) ?? [];
    return marks.filter((mark) => mark.startsWith(PREFIX)).flatMap((mark) => {
      const begun = this.recall(mark);
      if (begun) return [begun];
      this.forget(mark);
      return [];
    });
  }
}

/** @template T @param {() => T} action @returns {T | undefined} */
function attempt(action) {
  try {
    return action();
  } catch {
    return undefined; // the browser keeps nothing for this page, or something else wrote there
  }
}
