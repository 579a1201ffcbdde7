// @ts-check
// Requests to the service: with the API key, once more with a better one, every failure a Problem.

import { Problem, parseObject, problemFrom } from "./problem.js";

/**
 * @typedef {{loaded: number, total: number}} UploadProgress bytes
 * @typedef {object} Sending
 * @property {string} [method]
 * @property {Record<string, string>} [headers]
 * @property {XMLHttpRequestBodyInit | null} [body]
 * @property {AbortSignal} [signal]
 * @property {(progress: UploadProgress) => void} [onUploadProgress]
 *
 * @typedef {object} Answer
 * @property {number} status
 * @property {(name: string) => string | null} header
 * @property {string} body
 */

export class Requests {
  #base;
  #access;

  /** @param {string} base @param {import("./access.js").Access} access */
  constructor(base, access) {
    this.#base = base;
    this.#access = access;
  }

  /** A path of the service as a whole URL. @param {string} path */
  absolute(path) {
    return new URL(path, this.#base).href;
  }

  /** @param {string} path @param {RequestInit} [settings] @returns {Promise<any>} */
  async json(path, settings) {
    const answer = await this.fetch(path, settings);
    return answer.status === 204 ? null : answer.json();
  }

  /** @param {string} path @param {unknown} content @param {RequestInit} [settings] @returns {Promise<any>} */
  postJson(path, content, settings = {}) {
    const headers = { "Content-Type": "application/json", ...settings.headers };
    return this.json(path, { ...settings, method: "POST", headers, body: JSON.stringify(content) });
  }

  /** The answer, if it is a good one. @param {string} path @param {RequestInit} [settings] @returns {Promise<Response>} */
  fetch(path, settings = {}) {
    return this.#withKey(async (key) => {
      const headers = { ...this.#access.headers(key), ...settings.headers };
      const answer = await fetch(this.absolute(path), { ...settings, headers }).catch((error) => {
        if (settings.signal?.aborted) throw error;
        throw new Problem({ type: "/problems/unreachable" });
      });
      if (answer.ok) return answer;
      throw problemFrom(answer.status, await answer.text(), answer.headers.get("Retry-After"));
    });
  }

  /**
   * By XMLHttpRequest, because fetch tells nothing about an upload under way.
   * @param {string} path
   * @param {Sending} sending
   * @returns {Promise<Answer>}
   */
  send(path, sending) {
    return this.#withKey((key) => {
      // A key is for the service alone, not for the bucket that a presigned URL may lead to.
      const isOurs = new URL(this.absolute(path)).origin === new URL(this.#base).origin;
      const headers = { ...(isOurs && this.#access.headers(key)), ...sending.headers };
      return transfer(this.absolute(path), { ...sending, headers });
    });
  }

  /** @template T @param {(key: string) => Promise<T>} request @returns {Promise<T>} */
  async #withKey(request) {
    for (;;) {
      const { key } = this.#access;
      try {
        return await request(key);
      } catch (error) {
        const isRefused = error instanceof Problem && error.status === 401;
        if (!isRefused || !(await this.#access.renew(key, error))) throw error;
      }
    }
  }
}

/** @param {Answer} answer @returns {any} */
export function parsed(answer) {
  return parseObject(answer.body);
}

/** @param {string} url @param {Sending} sending @returns {Promise<Answer>} */
function transfer(url, { method = "POST", headers = {}, body = null, signal, onUploadProgress }) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const request = new XMLHttpRequest();
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    if (onUploadProgress) {
      request.upload.onprogress = ({ loaded, total }) => onUploadProgress({ loaded, total });
    }
    const abort = () => request.abort();
    signal?.addEventListener("abort", abort);
    request.onerror = () => reject(new Problem({ type: "/problems/unreachable" }));
    request.onabort = () => reject(signal?.reason);
    request.onload = () => {
      const { status, responseText } = request;
      const header = (/** @type {string} */ name) => request.getResponseHeader(name);
      if (status >= 200 && status < 300) resolve({ status, header, body: responseText });
      else reject(problemFrom(status, responseText, header("Retry-After")));
    };
    request.onloadend = () => signal?.removeEventListener("abort", abort);
    request.send(body);
  });
}
