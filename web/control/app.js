// @ts-check
// The wiring of the control room: client, models and elements. Nobody else sees all of them.

import { Problem, SafelightClient } from "../client.js";
import "../elements/code-counts.js";
import "../elements/control-headline.js";
import "../elements/failed-jobs.js";
import "../elements/figure-tile.js";
import "../elements/history-filters.js";
import "../elements/history-table.js";
import "../elements/lane-board.js";
import "../elements/page-header.js";
import "../elements/queue-board.js";
import "../elements/resource-board.js";
import { formatBytes } from "../format.js";
import { text } from "../texts.js";
import { Deliveries } from "./deliveries.js";
import { formatCount, formatDuration, formatRate, formatShort, formatWhen } from "./figures.js";
import { Lately } from "./lately.js";
import { Pacer } from "./pacer.js";
import { PastJobs } from "./past-jobs.js";
import { findingsOf } from "./verdict.js";
import { factsOf, latencyWords, linesOf, throughputWords, waitingWords } from "./wording.js";

const SILENT_MS = 4000; // the server tells every second
const FIRST_LOOK_MS = 1200; // then the page is shown, whatever has come
const LISTED_FAILURES = "20";
const HISTORY_PAGE = 50;

/** @template {Element} E @param {string} selector */
const one = (selector) => /** @type {E} */ (document.querySelector(selector));

const client = new SafelightClient();
/** @type {import("../elements/page-header.js").PageHeader} */ (one("page-header")).client = client;
/** @type {import("../elements/control-headline.js").ControlHeadline} */
const headline = one("control-headline");
/** @type {import("../elements/history-table.js").HistoryTable} */
const historyTable = one("history-table");
const lately = new Lately();
const failures = new PastJobs(client, { pageSize: Number(LISTED_FAILURES), filters: { status: "failed" } });
const quarantine = new PastJobs(client, {
  pageSize: Number(LISTED_FAILURES),
  filters: { status: "failed", quarantined: "true" },
});
const history = new PastJobs(client, { pageSize: HISTORY_PAGE });
const deliveries = new Deliveries(client, one("#deliveries"));
const failureNews = new Pacer(() => Promise.all([failures.load(), quarantine.load()]), { pause_ms: 1000 });
const deliveryNews = new Pacer(() => deliveries.load(), { pause_ms: 1000 });

/** @type {any} */
let system = null;
/** @type {Problem | null} */
let refusal = null;
let heardAt = 0;
let endedSince = 0;
let webhooks = "";

client.watchSystem({
  onSystem: (told) => {
    if (heardAt && Date.now() - heardAt > SILENT_MS) loadLists(); // what was missed meanwhile
    [system, refusal, heardAt] = [told, null, Date.now()];
    lately.note(told);
    show();
    noteWebhooks();
  },
  onMoves: ({ moves, dropped }) => note(moves, dropped),
  onProblem: (problem) => {
    refusal = problem;
    showHeadline();
    ready();
  },
});
client.addEventListener("connection-changed", showHeadline);
client.addEventListener("key-changed", loadLists);
setInterval(showHeadline, 1000); // only what this page itself knows: for how long it has heard nothing

failures.addEventListener("changed", () => showFailed("#failures", failures, "failures.none"));
quarantine.addEventListener("changed", () => showFailed("#quarantine", quarantine, "quarantine.none"));
history.addEventListener("changed", showHistory);
document.addEventListener("job-retry", retry);
document.addEventListener("filters-changed", (event) => loadHistory(/** @type {CustomEvent} */ (event).detail.filters));
document.addEventListener("history-more", () => history.more());
document.addEventListener("history-newer", () => loadHistory());
document.addEventListener("history-export", exportHistory);
document.addEventListener("delivery-replay", (event) => deliveries.replay(/** @type {CustomEvent} */ (event).detail.id));

client.connect();
loadLists();
setTimeout(ready, FIRST_LOOK_MS);
client.getJson("/openapi.json").then(learnWords, () => undefined); // codes then stand without their titles

function loadLists() {
  webhooks = ""; // asked for with the next message
  failureNews.ask();
  loadHistory();
}

/** @param {Record<string, string>} [filters] */
function loadHistory(filters) {
  endedSince = 0;
  history.load(filters);
}

/** @param {any[]} moves @param {number} dropped */
function note(moves, dropped) {
  const ended = moves.filter(({ to }) => ENDS.has(to)).length + dropped;
  if (dropped || moves.some(({ from, to }) => to === "failed" || from === "failed")) failureNews.ask();
  if (!ended) return;
  endedSince += ended;
  historyTable.newer = endedSince;
}

/** The list is read anew when the counters say that one was born, sent or given up. */
function noteWebhooks() {
  const now = JSON.stringify(system.webhooks);
  if (now === webhooks) return;
  webhooks = now;
  deliveryNews.ask();
}

const ENDS = new Set(["completed", "failed", "cancelled"]);

function show() {
  showHeadline();
  showFigures();
  /** @type {import("../elements/queue-board.js").QueueBoard} */ (one("queue-board")).queue = system.queue;
  /** @type {import("../elements/lane-board.js").LaneBoard} */ (one("lane-board")).nodes = system.nodes;
  /** @type {import("../elements/resource-board.js").ResourceBoard} */ (one("resource-board")).system = system;
  /** @type {import("../elements/code-counts.js").CodeCounts} */ (one("#rejects")).counts = system.rejected;
  /** @type {import("../elements/code-counts.js").CodeCounts} */ (one("#errors")).counts = system.errors;
  ready();
}

function showHeadline() {
  const silent_ms = Date.now() - heardAt;
  if (refusal) {
    const isForbidden = refusal.status === 403 || refusal.status === 401;
    const key = isForbidden ? "control.forbidden" : "control.refused";
    const detail = refusal.detail || refusal.title;
    headline.lines = [{ level: "bad", state: text(key), help: text(isForbidden ? "control.forbidden.do" : "control.refused.do", { detail }) }];
  } else if (!system && client.connection.state !== "waiting") {
    headline.lines = [{ level: "warn", state: text("control.asking"), help: text("control.asking.do") }];
  } else if (!system || silent_ms > SILENT_MS) {
    const state = heardAt ? text("control.silent", { age: formatDuration(silent_ms) }) : text("control.unreachable");
    headline.lines = [{ level: "bad", state, help: text("control.silent.do") }];
  } else {
    headline.lines = linesOf(findingsOf(system, lately));
  }
  headline.facts = system ? `${factsOf(system)} · ${formatWhen(system.at)}` : "";
  document.body.toggleAttribute("data-stale", Boolean(system) && silent_ms > SILENT_MS);
}

function showFigures() {
  const { queue, throughput, latencyMs, history: past } = system;
  const waiting = lately.waiting;
  figure("waiting", {
    value: formatShort(waiting.at(-1) ?? 0),
    note: text("figure.inWork", { count: queue.processing }),
    series: [{ values: waiting, kind: "area", tone: "usual" }],
    words: waitingWords(waiting),
  });
  figure("done", {
    value: formatRate(throughput.completedPerS),
    unit: text("figure.perSecond"),
    note: text("figure.bytes", { before: formatBytes(throughput.bytesInPerS), after: formatBytes(throughput.bytesOutPerS) }),
    series: [
      { values: past.completed, kind: "area", tone: "usual" },
      { values: past.failed, kind: "bars", tone: "bad" },
    ],
    words: throughputWords(system),
  });
  figure("latency", {
    value: formatDuration(latencyMs.p95),
    note: text("figure.percentiles", { p50: formatDuration(latencyMs.p50), p99: formatDuration(latencyMs.p99) }),
    series: [{ values: past.p95Ms, kind: "bars", tone: "usual" }],
    words: latencyWords(system),
  });
  figure("failed", {
    value: formatCount(lately.failed),
    note: text("figure.failedNote", { count: queue.quarantined }),
    tone: lately.failed ? "bad" : "usual",
    series: [{ values: past.failed, kind: "bars", tone: "bad" }],
    words: throughputWords(system),
  });
}

/** @param {string} name @param {Parameters<typeof Object.assign>[1]} shown */
function figure(name, shown) {
  /** @type {import("../elements/figure-tile.js").FigureTile} */ (one(`#figure-${name}`)).figure = shown;
}

/** @param {string} selector @param {PastJobs} list @param {import("../texts.js").TextKey} empty */
function showFailed(selector, { jobs: listed, problem, isLoaded, filters }, empty) {
  // Where no history is kept, the service tells of failed jobs alone, all of them.
  const jobs = filters.quarantined ? listed.filter(({ quarantined }) => quarantined) : listed;
  const note = problem ? problem.detail || problem.message : isLoaded && !jobs.length ? text(empty) : "";
  /** @type {import("../elements/failed-jobs.js").FailedJobs} */ (one(selector)).told = { jobs, note };
}

function showHistory() {
  const { jobs, problem, nextCursor, isLoading, isLoaded } = history;
  const isEmpty = isLoaded && !isLoading && !jobs.length;
  const note = problem ? problem.detail || problem.message : isEmpty ? text("history.none") : "";
  historyTable.told = { jobs, note, hasMore: nextCursor !== null, isLoading };
  historyTable.exports = { csv: history.exportPath("csv"), ndjson: history.exportPath("ndjson") };
  historyTable.newer = endedSince;
}

/** A link carries no API key: with one, the export is fetched. @param {Event} event */
async function exportHistory(event) {
  if (!client.hasKey) return; // the link does it
  event.preventDefault();
  const { kind } = /** @type {CustomEvent} */ (event).detail;
  const url = URL.createObjectURL(await client.getBlob(history.exportPath(kind)));
  const link = document.createElement("a");
  [link.href, link.download] = [url, `jobs.${kind}`];
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // by then the browser has it
}

/** @param {Event} event */
async function retry(event) {
  const { jobId } = /** @type {CustomEvent} */ (event).detail;
  const list = /** @type {import("../elements/failed-jobs.js").FailedJobs} */ (event.target);
  try {
    await client.retry(jobId);
    list.answer(jobId, { words: text("failures.queued"), isDone: true });
  } catch (error) {
    const words = error instanceof Problem ? error.detail || error.title : String(error);
    list.answer(jobId, { words: words || text("failures.refused"), isDone: false });
  }
}

/** Titles of codes, and what `source` may be, as the contract says them. @param {any} contract */
function learnWords(contract) {
  const problem = contract.components.schemas.Problem;
  /** @type {Record<string, string>} */
  const titles = problem["x-titles"] ?? {};
  for (const selector of ["#rejects", "#errors"]) {
    const counts = /** @type {import("../elements/code-counts.js").CodeCounts} */ (one(selector));
    counts.titles = titles;
  }
  for (const selector of ["#failures", "#quarantine"]) {
    /** @type {import("../elements/failed-jobs.js").FailedJobs} */ (one(selector)).final = problem["x-final"] ?? [];
  }
  const parameters = contract.paths["/jobs"]?.get?.parameters ?? [];
  const source = parameters.find((/** @type {any} */ parameter) => parameter.name === "source");
  /** @type {import("../elements/history-filters.js").HistoryFilters} */ (one("history-filters")).sources = source?.schema?.enum ?? [];
}

function ready() {
  document.body.toggleAttribute("data-ready", true);
}
