// @ts-check
// One WebSocket that comes back by itself. What is said over it is client.js's business.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const OPENING_LIMIT_MS = 10_000;

/**
 * @typedef {"closed" | "connecting" | "open" | "waiting"} ConnectionState
 */

/**
 * Dispatches `state-changed`, `message` (detail: the parsed message) and `attempt-failed`.
 */
export class Connection extends EventTarget {
  /** @type {ConnectionState} */
  state = "closed";
  /** When the next attempt begins, in ms since the epoch; null unless `state` is "waiting". */
  retryAt = /** @type {number | null} */ (null);

  #url;
  #protocols;
  /** @type {WebSocket | null} */
  #socket = null;
  #failures = 0;
  #timer = 0;
  /** @type {AbortController | null} */
  #listening = null;

  /** @param {string} url ws: or wss: @param {() => string[]} [protocols] asked at each attempt */
  constructor(url, protocols = () => []) {
    super();
    this.#url = url;
    this.#protocols = protocols;
  }

  open() {
    if (this.state !== "closed") return;
    this.#listening = new AbortController();
    addEventListener("online", () => this.#hurry(), { signal: this.#listening.signal });
    this.#attempt();
  }

  close() {
    this.#listening?.abort();
    clearTimeout(this.#timer);
    this.#drop();
    this.#become("closed");
  }

  /** Give up a socket that has gone silent, or is another's by now, and make a new one. */
  renew() {
    if (this.state === "closed") return;
    this.#drop();
    this.#attempt();
  }

  /** Says whether it was sent; after a reconnect the owner says everything again anyway.
   * @param {unknown} message */
  send(message) {
    if (this.state !== "open") return false;
    this.#socket?.send(JSON.stringify(message));
    return true;
  }

  #attempt() {
    clearTimeout(this.#timer);
    const socket = new WebSocket(this.#url, this.#protocols());
    this.#socket = socket;
    this.#become("connecting");
    // A listener asks first whether its socket is still ours: a dropped one may speak late.
    socket.addEventListener("open", () => socket === this.#socket && this.#opened());
    socket.addEventListener("close", () => socket === this.#socket && this.#lost());
    socket.addEventListener("message", ({ data }) => socket === this.#socket && this.#heard(data));
    this.#timer = setTimeout(() => socket.close(), OPENING_LIMIT_MS);
  }

  #opened() {
    clearTimeout(this.#timer);
    this.#become("open");
  }

  /** @param {unknown} data */
  #heard(data) {
    this.#failures = 0; // not on open: a server that accepts and hangs up at once would be hammered
    this.dispatchEvent(new CustomEvent("message", { detail: JSON.parse(String(data)) }));
  }

  #lost() {
    const neverOpened = this.state === "connecting";
    this.#drop();
    const wait = Math.min(FIRST_WAIT_MS * 2 ** this.#failures, LONGEST_WAIT_MS);
    const wait_ms = wait * (0.5 + Math.random() / 2); // jitter: not all pages at the same moment
    this.#failures += 1;
    this.#timer = setTimeout(() => this.#attempt(), wait_ms);
    this.#become("waiting", Date.now() + wait_ms);
    if (neverOpened) this.dispatchEvent(new Event("attempt-failed"));
  }

  #hurry() {
    if (this.state === "waiting") this.#attempt();
  }

  #drop() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  /** @param {ConnectionState} state @param {number | null} [retryAt] */
  #become(state, retryAt = null) {
    this.state = state;
    this.retryAt = retryAt;
    this.dispatchEvent(new Event("state-changed"));
  }
}
