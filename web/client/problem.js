// @ts-check
// What went wrong, as the server says it (RFC 9457) or as the network shows it.

/**
 * @typedef {object} ProblemJson
 * @property {string} [type] `/problems/<code>`
 * @property {string} [title]
 * @property {number} [status]
 * @property {string} [detail]
 * @property {number} [limit]
 * @property {number} [actual]
 * @property {string} [requestId]
 */

export class Problem extends Error {
  /**
   * @param {ProblemJson} json
   * @param {{status?: number, retryAfterSeconds?: number | null}} [answer]
   */
  constructor(json, { status = json.status ?? 0, retryAfterSeconds = null } = {}) {
    super(json.detail || json.title || `status ${status}`);
    this.name = "Problem";
    /** 0 when no answer came at all. */
    this.status = status;
    this.code = (json.type ?? "").split("/").at(-1) || "unknown";
    this.title = json.title ?? "";
    this.detail = json.detail ?? "";
    this.limit = json.limit ?? null;
    this.actual = json.actual ?? null;
    this.requestId = json.requestId ?? null;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  /** The server has no room now; the same request may pass later. */
  get isBusy() {
    return this.status === 429;
  }

  /** Nobody answered, or only something in front of the server: a restart, a lost network. */
  get isUnreachable() {
    return [0, 502, 503, 504].includes(this.status);
  }
}

/**
 * @param {number} status
 * @param {string} body
 * @param {string | null} retryAfter the header's value: seconds or an HTTP date
 */
export function problemFrom(status, body, retryAfter) {
  return new Problem(parseObject(body), { status, retryAfterSeconds: seconds(retryAfter) });
}

/** @param {string} body @returns {any} an object, empty if the body is none */
export function parseObject(body) {
  try {
    const value = JSON.parse(body);
    return value && typeof value === "object" ? value : {};
  } catch {
    return {}; // a proxy's HTML page, say: the status alone has to tell
  }
}

/** @param {string | null} retryAfter */
function seconds(retryAfter) {
  if (!retryAfter) return null;
  const count = Number(retryAfter);
  if (Number.isFinite(count)) return Math.max(0, count);
  const until = Date.parse(retryAfter);
  return Number.isNaN(until) ? null : Math.max(0, (until - Date.now()) / 1000);
}
