// @ts-check
// Jobs that have ended, from GET /jobs: a list that grows by pages. No DOM.

/**
 * @typedef {import("../client.js").SafelightClient} SafelightClient
 * @typedef {Record<string, string>} Filters
 */

/** Dispatches `changed`. */
export class PastJobs extends EventTarget {
  /** @type {any[]} */
  jobs = [];
  /** @type {string | null} */
  nextCursor = null;
  /** @type {import("../client.js").Problem | null} */
  problem = null;
  isLoading = false;
  /** Whether the first answer has come. */
  isLoaded = false;
  /** @type {Filters} */
  filters = {};
  #client;
  #pageSize;
  /** @type {AbortController | null} */
  #asking = null;

  /** @param {SafelightClient} client @param {{pageSize: number, filters?: Filters}} settings */
  constructor(client, { pageSize, filters = {} }) {
    super();
    this.#client = client;
    this.#pageSize = pageSize;
    this.filters = filters;
  }

  /** The first page, of other jobs maybe. @param {Filters} [filters] */
  load(filters = this.filters) {
    this.filters = filters;
    return this.#ask(null);
  }

  /** One page more. */
  more() {
    return this.nextCursor && !this.isLoading ? this.#ask(this.nextCursor) : Promise.resolve();
  }

  /** Where all of them can be had. @param {"csv" | "ndjson"} kind */
  exportPath(kind) {
    const query = new URLSearchParams(this.filters).toString();
    return `/jobs.${kind}${query ? `?${query}` : ""}`;
  }

  /** @param {string | null} cursor */
  async #ask(cursor) {
    this.#asking?.abort();
    const asking = (this.#asking = new AbortController());
    this.isLoading = true;
    this.#tell();
    const query = new URLSearchParams({ ...this.filters, limit: String(this.#pageSize) });
    if (cursor) query.set("cursor", cursor);
    try {
      const { jobs, nextCursor } = await this.#client.getJson(`/jobs?${query}`, { signal: asking.signal });
      if (asking !== this.#asking) return;
      this.jobs = cursor ? [...this.jobs, ...jobs] : jobs;
      this.nextCursor = nextCursor;
      this.problem = null;
    } catch (error) {
      if (asking !== this.#asking) return; // a newer question took its place
      this.problem = /** @type {import("../client.js").Problem} */ (error);
    }
    this.isLoading = false;
    this.isLoaded = true;
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("changed"));
  }
}
