// @ts-check
// <failed-jobs label="failures.title" empty="failures.none">: jobs that failed, why, and a button to try each again.

import { formatWhen } from "../control/figures.js";
import { text } from "../texts.js";
import { icons } from "./icons.js";
import { keyed, mark, write } from "./keyed.js";
import { instance, part, template } from "./template.js";

const markup = template(`
  <h2 class="failed-title"></h2>
  <p class="failed-note"></p>
  <ul class="failed-list" tabindex="0"></ul>`);

const rowMarkup = template(`
  <li class="failed-job">
    <div class="failed-words">
      <p class="failed-head"><strong class="failed-name"></strong><code class="failed-code"></code></p>
      <p class="failed-why"></p>
      <p class="failed-facts"></p>
      <p class="failed-final" data-text="failures.final" hidden></p>
      <p class="failed-answer" role="status"></p>
    </div>
    <button type="button" class="button failed-retry">${icons.retry}<span data-text="failures.retry"></span></button>
  </li>`);

/** @typedef {import("../texts.js").TextKey} TextKey */

/** Dispatches `job-retry` with {jobId}. */
export class FailedJobs extends HTMLElement {
  /** Codes that no other attempt can help. @type {ReadonlySet<string>} */
  #final = new Set();

  connectedCallback() {
    if (this.firstElementChild) return;
    const fragment = instance(markup);
    const title = text(/** @type {TextKey} */ (this.getAttribute("label")));
    part(fragment, ".failed-title").textContent = title;
    part(fragment, ".failed-list").setAttribute("aria-label", title);
    this.append(fragment);
  }

  /** @param {{jobs: any[], note: string}} told the note stands where there are none */
  set told({ jobs, note }) {
    write(this, ".failed-note", note);
    mark(this, "data-empty", jobs.length ? null : "");
    keyed(part(this, ".failed-list"), jobs, {
      key: ({ jobId }) => jobId,
      make: (job) => this.#row(job.jobId),
      fill: (row, job) => fillRow(row, job, this.#final),
    });
  }

  /** Codes of pictures that are at fault themselves. @param {Iterable<string>} codes */
  set final(codes) {
    this.#final = new Set(codes);
    for (const row of this.querySelectorAll(".failed-job")) offerRetry(row, this.#final);
  }

  /** What became of a click. @param {string} jobId @param {{words: string, isDone: boolean}} answer */
  answer(jobId, { words, isDone }) {
    const row = this.querySelector(`[data-key="${CSS.escape(jobId)}"]`);
    if (!row) return;
    write(row, ".failed-answer", words);
    /** @type {HTMLButtonElement} */ (part(row, ".failed-retry")).disabled = isDone;
  }

  /** @param {string} jobId */
  #row(jobId) {
    const row = /** @type {HTMLElement} */ (instance(rowMarkup).firstElementChild);
    const button = /** @type {HTMLButtonElement} */ (part(row, ".failed-retry"));
    button.addEventListener("click", () => {
      button.disabled = true;
      this.dispatchEvent(new CustomEvent("job-retry", { bubbles: true, detail: { jobId } }));
    });
    return row;
  }
}

/** @param {HTMLElement} row @param {any} job @param {ReadonlySet<string>} final */
function fillRow(row, job, final) {
  const { jobId, name, error, finishedAt, attempts, client, quarantined } = job;
  if (row.dataset.finishedAt !== finishedAt) {
    row.dataset.finishedAt = finishedAt; // it was tried again and failed again
    write(row, ".failed-answer", "");
    /** @type {HTMLButtonElement} */ (part(row, ".failed-retry")).disabled = false;
  }
  write(row, ".failed-name", name || jobId);
  write(row, ".failed-code", error?.code ?? "");
  write(row, ".failed-why", error?.detail || error?.title || "");
  const facts = [formatWhen(finishedAt), text("failures.attempts", { count: attempts }), client];
  if (quarantined) facts.push(text("failures.quarantined"));
  write(row, ".failed-facts", facts.filter(Boolean).join(" · "));
  offerRetry(row, final);
  mark(part(row, ".failed-retry"), "aria-label", text("failures.retryOf", { name: name || jobId }));
}

/** @param {Element} row @param {ReadonlySet<string>} final */
function offerRetry(row, final) {
  const isFinal = final.has(part(row, ".failed-code").textContent ?? "");
  part(row, ".failed-retry").hidden = isFinal;
  part(row, ".failed-final").hidden = !isFinal;
}

customElements.define("failed-jobs", FailedJobs);
