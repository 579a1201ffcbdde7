// @ts-check
// <history-table>: jobs that have ended, a line each, page after page.

import { formatDuration, formatWhen } from "../control/figures.js";
import { formatBytes, formatSize } from "../format.js";
import { text } from "../texts.js";
import { icons } from "./icons.js";
import { keyed, mark, write } from "./keyed.js";
import { instance, part, template } from "./template.js";

const COLUMNS = /** @type {const} */ (["when", "name", "status", "original", "result", "waited", "taken", "source", "client"]);

const markup = template(`
  <div class="history-head">
    <h2 data-text="history.title"></h2>
    <p class="history-note" role="status"></p>
    <button type="button" class="button quiet history-newer" hidden>${icons.retry}<span class="history-newer-words"></span></button>
    <a class="button quiet history-csv" download>${icons.download}<span data-text="history.csv"></span></a>
    <a class="button quiet history-ndjson" download>${icons.download}<span data-text="history.ndjson"></span></a>
  </div>
  <slot></slot>
  <div class="history-scroll" tabindex="0" role="region" data-label="history.title">
    <table>
      <thead><tr>${COLUMNS.map((name) => `<th scope="col" data-text="column.${name}"></th>`).join("")}</tr></thead>
      <tbody></tbody>
    </table>
  </div>
  <button type="button" class="button history-more" hidden data-text="history.more"></button>`);

const rowMarkup = template(`
  <tr><td class="past-when"></td><th scope="row" class="past-name"></th><td><span class="past-status"></span><small class="past-error"></small></td>
    <td class="past-original"></td><td class="past-result"></td><td class="past-waited"></td><td class="past-taken"></td><td class="past-source"></td><td class="past-client"></td></tr>`);

const STATUSES = /** @type {const} */ ({
  completed: "history.completed",
  failed: "history.failed",
  cancelled: "history.cancelled",
});

/** Dispatches `history-more`, `history-newer` and `history-export` with {kind}, which can be prevented. */
export class HistoryTable extends HTMLElement {
  connectedCallback() {
    if (this.firstElementChild) return;
    const fragment = instance(markup);
    part(fragment, "slot").replaceWith(document.createElement("history-filters"));
    this.append(fragment);
    part(this, ".history-more").addEventListener("click", () => this.#say("history-more"));
    part(this, ".history-newer").addEventListener("click", () => this.#say("history-newer"));
    for (const kind of ["csv", "ndjson"]) {
      part(this, `.history-${kind}`).addEventListener("click", (event) => {
        if (!this.#say("history-export", { kind })) event.preventDefault();
      });
    }
  }

  /** @param {{jobs: any[], note: string, hasMore: boolean, isLoading: boolean}} told */
  set told({ jobs, note, hasMore, isLoading }) {
    write(this, ".history-note", note);
    mark(part(this, ".history-scroll"), "aria-busy", String(isLoading));
    /** @type {HTMLButtonElement} */
    const more = part(this, ".history-more");
    more.hidden = !hasMore;
    more.disabled = isLoading;
    keyed(part(this, "tbody"), jobs, {
      key: ({ jobId }) => jobId,
      make: () => /** @type {HTMLElement} */ (instance(rowMarkup).firstElementChild),
      fill: fillRow,
    });
  }

  /** Where all of them can be had. @param {{csv: string, ndjson: string}} paths */
  set exports({ csv, ndjson }) {
    mark(part(this, ".history-csv"), "href", csv);
    mark(part(this, ".history-ndjson"), "href", ndjson);
  }

  /** How many jobs have ended since the list was made. @param {number} count */
  set newer(count) {
    part(this, ".history-newer").hidden = !count;
    write(this, ".history-newer-words", text("history.newer", { count }));
  }

  /** @param {string} name @param {object} [detail] */
  #say(name, detail = {}) {
    return this.dispatchEvent(new CustomEvent(name, { bubbles: true, cancelable: true, detail }));
  }
}

/** @param {HTMLElement} row @param {any} job */
function fillRow(row, job) {
  const { original, error } = job;
  const isKnown = original.width > 0;
  write(row, ".past-when", formatWhen(job.finishedAt ?? job.createdAt));
  mark(part(row, ".past-when"), "title", job.finishedAt ?? job.createdAt);
  write(row, ".past-name", job.name || job.jobId);
  mark(part(row, ".past-name"), "title", job.jobId);
  write(row, ".past-status", text(STATUSES[/** @type {keyof typeof STATUSES} */ (job.status)] ?? "history.completed"));
  mark(part(row, ".past-status"), "data-status", job.status);
  write(row, ".past-error", error?.code ?? (job.cached ? text("history.cached") : ""));
  write(row, ".past-original", isKnown ? `${formatSize(original)} ${original.format.toUpperCase()}, ${formatBytes(original.bytes)}` : "–");
  const files = text("history.files", { count: job.variants.length, bytes: formatBytes(job.bytesOut) });
  write(row, ".past-result", job.variants.length ? files : "–");
  write(row, ".past-waited", formatDuration(job.waitedMs));
  write(row, ".past-taken", formatDuration(job.takenMs));
  write(row, ".past-source", job.source);
  write(row, ".past-client", job.client);
}

customElements.define("history-table", HistoryTable);
