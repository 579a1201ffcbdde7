// @ts-check
// The API key of this browser: for this tab, or remembered; asked for when the server wants one.

const STORAGE_KEY = "safelight-key";
const WEBSOCKET_PROTOCOL = "safelight";

/**
 * @typedef {{key: string, remember: boolean}} GivenKey
 * @typedef {(problem: import("./problem.js").Problem) => Promise<GivenKey | null>} AskForKey null: nobody gives one
 */

/** Dispatches `key-changed`. */
export class Access extends EventTarget {
  /** Who can be asked for a key, a dialog say. @type {AskForKey | null} */
  ask = null;
  #key;
  /** One question, however many requests were refused. @type {Promise<boolean> | null} */
  #asking = null;
  /** Nobody gave one: not asked again before `reconsider`. */
  #isDeclined = false;

  /** @param {string} [key] instead of the one that this browser keeps */
  constructor(key) {
    super();
    this.#key = key ?? kept("sessionStorage") ?? kept("localStorage") ?? "";
  }

  /** Empty while there is none. */
  get key() {
    return this.#key;
  }

  /** @param {string} key empty to forget it @param {{remember?: boolean}} [settings] beyond this tab */
  use(key, { remember = false } = {}) {
    this.#key = key;
    this.#isDeclined = false;
    keep("sessionStorage", remember ? "" : key);
    keep("localStorage", remember ? key : "");
    this.dispatchEvent(new Event("key-changed"));
  }

  /** Ask again at the next refusal, though nobody gave one before. */
  reconsider() {
    this.#isDeclined = false;
  }

  /** @param {string} key @returns {Record<string, string>} */
  headers(key = this.#key) {
    return key ? { Authorization: `Bearer ${key}` } : {};
  }

  /** What a WebSocket offers: the one header that a browser lets it choose. @returns {string[]} */
  protocols() {
    return this.#key ? [WEBSOCKET_PROTOCOL, `key.${this.#key}`] : [];
  }

  /**
   * A request with this key was refused with 401. Resolves with whether there is another one now.
   * @param {string} refused
   * @param {import("./problem.js").Problem} problem
   */
  async renew(refused, problem) {
    if (refused !== this.#key) return true; // given meanwhile
    if (!this.ask || this.#isDeclined) return false;
    this.#asking ??= this.#askOnce(problem).finally(() => (this.#asking = null));
    return this.#asking;
  }

  /** @param {import("./problem.js").Problem} problem */
  async #askOnce(problem) {
    const given = await this.ask?.(problem);
    if (!given) {
      this.#isDeclined = true;
      return false;
    }
    this.use(given.key, { remember: given.remember });
    return true;
  }
}

/** @param {"sessionStorage" | "localStorage"} storage */
function kept(storage) {
  try {
    return globalThis[storage].getItem(STORAGE_KEY);
  } catch {
    return null; // the browser keeps nothing for this page
  }
}

/** @param {"sessionStorage" | "localStorage"} storage @param {string} key */
function keep(storage, key) {
  try {
    if (key) globalThis[storage].setItem(STORAGE_KEY, key);
    else globalThis[storage].removeItem(STORAGE_KEY);
  } catch {
    // It then holds until the page is closed.
  }
}
