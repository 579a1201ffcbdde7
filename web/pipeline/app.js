// @ts-check
// The wiring of the Pipeline page: client, journey, replay, crowd and elements. Nobody else sees all of them.

import { SafelightClient } from "../client.js";
import "../elements/page-header.js";
import { formatPercent } from "../format.js";
import { text } from "../texts.js";
import { Crowd } from "./crowd.js";
import "./crowd-canvas.js";
import "./crowd-panel.js";
import { formatMs } from "./duration.js";
import "./hop-waterfall.js";
import { Journey } from "./journey.js";
import { showLanes } from "./map-lanes.js";
import "./picture-source.js";
import "./pipeline-map.js";
import "./page-lead.js";
import { Playback, shownMs } from "./playback.js";
import { samplePicture } from "./samples.js";
import { sendMany } from "./sender.js";
import "./step-panel.js";
import "./step-player.js";

/** @template {Element} E @param {string} selector */
const one = (selector) => /** @type {E} */ (document.querySelector(selector));

const RECIPE = Object.freeze({
  resize: { width: 1200 },
  variants: [
    { name: "page", format: "webp", quality: 80 },
    { name: "mail", format: "jpeg", quality: 82 },
  ],
});
/** Where a picture is while its steps are not known yet. */
const PART_AT = Object.freeze({
  uploading: "api",
  queued: "queue",
  fetching: "api",
  decoding: "workers",
  processing: "workers",
  enhancing: "workers",
  upscaling: "workers",
  encoding: "workers",
  storing: "storage",
});

/** @type {import("./picture-source.js").PictureSource} */
const source = one("picture-source");
/** @type {import("./pipeline-map.js").PipelineMap} */
const map = one("pipeline-map");
/** @type {import("./step-panel.js").StepPanel} */
const panel = one("step-panel");
/** @type {import("./step-player.js").StepPlayer} */
const player = one("step-player");
/** @type {import("./hop-waterfall.js").HopWaterfall} */
const waterfall = one("hop-waterfall");
/** @type {import("./crowd-canvas.js").CrowdCanvas} */
const dots = one("crowd-canvas");
/** @type {import("./crowd-panel.js").CrowdPanel} */
const crowdPanel = one("crowd-panel");
/** @type {HTMLElement} */
const live = one("#live");

const client = new SafelightClient();
const journey = new Journey(client, one("#screen"));
const playback = new Playback();
const crowd = new Crowd();
/** @type {import("./journey.js").Told | null} */
let told = null;
/** @type {File | null} */
let sent = null;
/** @type {AbortController | null} */
let sending = null;
let watchesSystem = false;
let isClosed = false;

/** @type {import("../elements/page-header.js").PageHeader} */ (one("page-header")).client = client;
player.playback = playback;
dots.map = map;
document.addEventListener("sample-chosen", async (event) => travel(await samplePicture(detailOf(event).name)));
document.addEventListener("file-chosen", (event) => travel(detailOf(event).file));
document.addEventListener("again-chosen", () => sent && travel(sent));
document.addEventListener("hop-chosen", (event) => {
  playback.pause();
  playback.go(detailOf(event).step);
});
document.addEventListener("crowd-wanted", (event) => release(detailOf(event)));
document.addEventListener("trials-opened", showVictim);
document.addEventListener("crowd-stopped", () => sending?.abort());
document.addEventListener("text-copied", (event) => {
  one("#announcer").textContent = text(detailOf(event).copied ? "copy.announced" : "copy.failed");
});
document.addEventListener("mode-changed", (event) => showMode(detailOf(event).isMany));
journey.addEventListener("stage-changed", (event) => showStage(detailOf(event)));
playback.addEventListener("position-changed", showStep);
map.addEventListener("map-resized", () => dots.rearrange());
crowd.addEventListener("dot-moved", (event) => dots.move(detailOf(event)));
crowd.addEventListener("dot-gone", (event) => dots.drop(detailOf(event)));
crowd.addEventListener("changed", showCrowdSoon);

showMode(false);
panel.showParts();
live.textContent = text("live.idle");
document.body.toggleAttribute("data-ready", true);
client.connect();

/** @param {File} file */
async function travel(file) {
  source.show({ isBusy: true, canRepeat: false });
  playback.load([]);
  told = null;
  map.clear();
  try {
    map.picture = await createImageBitmap(file).catch(() => drawnNothing()); // one that no browser can show: HEIC, say
    told = await journey.travel(file, { options: RECIPE, isPresigned: source.isPresigned });
    sent = file;
    replay(told);
  } catch (error) {
    const { title = "", detail = String(error) } = /** @type {Partial<import("../client.js").Problem>} */ (error);
    map.clear();
    live.textContent = text("live.problem", { title: title || text("fault.unknown"), detail });
    live.dataset.state = "problem";
  } finally {
    source.show({ isBusy: false, canRepeat: sent !== null });
  }
}

/** @param {import("./journey.js").Told} journey */
function replay({ steps, totalMs, image }) {
  panel.result = image;
  live.textContent = text("live.ready", { total: formatMs(totalMs), steps: steps.length });
  live.dataset.state = "ready";
  waterfall.fill(steps, totalMs);
  playback.load(steps);
  if (!map.isStill) playback.play();
}

function showStep() {
  const { steps, index, share, step } = playback;
  if (!told || !step) return;
  const wholeMs = steps.reduce((sum, one) => sum + shownMs(one), 0);
  const factor = Math.max(1, Math.round(wholeMs / playback.speed / told.totalMs));
  map.show(steps, index, share, { totalMs: told.totalMs, factor });
  panel.show(step, { number: index + 1, count: steps.length });
  waterfall.show(index, share);
}

/** @param {{stage: string, percent: number}} now */
function showStage({ stage, percent }) {
  const key = /** @type {import("../texts.js").TextKey} */ (`live.${stage}`);
  live.textContent = text(key, { percent: formatPercent(percent) });
  live.dataset.state = "live";
  const at = PART_AT[/** @type {keyof typeof PART_AT} */ (stage)];
  map.light(/** @type {import("./parts.js").PartName} */ (at ?? "browser"), true);
}

/** @param {boolean} isCrowd */
function showMode(isCrowd) {
  playback.pause();
  document.body.dataset.mode = isCrowd ? "many" : "one";
  for (const element of document.querySelectorAll("[data-only]")) {
    const only = /** @type {HTMLElement} */ (element);
    only.hidden = only.dataset.only !== document.body.dataset.mode;
  }
  map.isCrowd = isCrowd;
  dots.clear();
  if (!isCrowd) return showStep();
  watchSystem();
  for (const dot of crowd.dots.values()) dots.move(dot);
  showCrowd();
}

function watchSystem() {
  if (watchesSystem) return;
  watchesSystem = true;
  client.watchSystem({
    onSystem: (system) => crowd.hearSystem(system),
    onMoves: (message) => crowd.hearMoves(message),
    onProblem: () => {
      isClosed = true;
      crowdPanel.showClosed();
    },
  });
}

/** @param {{count: number, isOnePicture: boolean}} wish */
async function release(wish) {
  sending = new AbortController();
  crowdPanel.isSending = true;
  crowd.begin();
  await sendMany(client, crowd, { ...wish, signal: sending.signal, onJob: isClosed ? watchAlone : undefined });
  crowdPanel.isSending = false;
}

/** The worker that a visitor at the machine of the service may kill: one that is there now. */
async function showVictim() {
  const { lanes = [] } = await client.getJson("/health").catch(() => ({})); // without it the trial is not shown
  crowdPanel.victim = lanes.find((/** @type {{alive: boolean}} */ { alive }) => alive)?.pid ?? null;
}

/** Without the whole service's moves: those of one job of ours. @param {string} jobId */
function watchAlone(jobId) {
  /** @type {string | null} */
  let from = null;
  const stop = client.watch(jobId, ({ status, error, cached }) => {
    if (status === from) return;
    const before = cached ? null : (from ?? "queued");
    const move = { jobId, from: before, to: status, node: "unknown", lane: null, errorCode: error?.code ?? null };
    from = status;
    crowd.hearMoves({ moves: [move], dropped: 0 });
    if (status !== "queued" && status !== "processing") queueMicrotask(() => stop());
  });
}

let crowdFrame = 0;

/** Many moves come at once, and people read no faster than frames. */
function showCrowdSoon() {
  crowdFrame ||= requestAnimationFrame(() => {
    crowdFrame = 0;
    showCrowd();
  });
}

function showCrowd() {
  crowdPanel.show(crowd);
  const busy = new Set([...crowd.dots.values()].map((dot) => dot.lane));
  const { lanes, rate, waiting, maxDepth, sockets, toRecord } = crowd.service;
  if (showLanes(map.lanes, [...lanes.values()], busy)) dots.rearrange();
  map.showCounts({ browser: crowd.counts.done, queue: crowd.counts.waiting, workers: crowd.counts.working });
  if (waiting === null) return;
  map.showNotes({
    queue: text("note.queue", { waiting, limit: maxDepth.toLocaleString("en") }),
    workers: text("note.workers", { rate: rate.toFixed(1) }),
    notification: text("note.notification", { count: sockets }),
    database: toRecord ? text("note.database", { count: toRecord }) : text("note.databaseDone"),
  });
}

/** Something that travels, where there is nothing to see. */
function drawnNothing() {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.fillStyle = "#8a8580";
  pen.fillRect(0, 0, 1, 1);
  return canvas;
}

/** @param {Event} event @returns {any} */
function detailOf(event) {
  return /** @type {CustomEvent} */ (event).detail;
}
