// @ts-check
// What a card says of its picture: stage and percent, sizes, the fault.

import { formatBytes, formatChange, formatExactly, formatPercent, formatSeconds, formatSize } from "../format.js";
import { text } from "../texts.js";
import { bytesBefore, resultOf } from "./picture.js";

/** @typedef {import("./picture.js").Picture} Picture */

/**
 * @param {Picture} picture
 * @param {number} now ms since the epoch
 * @param {number | null} networkSeconds that the networks of its recipe take in all
 */
export function stageOf(picture, now, networkSeconds = null) {
  const { phase, pause, job } = picture;
  if (pause) {
    const seconds = Math.max(1, Math.ceil((pause.until - now) / 1000));
    return text(pause.reason === "busy" ? "stage.busy" : "stage.unreachable", { seconds });
  }
  if (phase === "uploading" && picture.url) return text("stage.asking");
  if (phase !== "developing") return text(PHASE_TEXTS[phase]);
  const atWork = job?.stage && NETWORK_TEXTS[job.stage];
  if (atWork && networkSeconds) return text(atWork, { eta: leftOf(job, networkSeconds) });
  if (job?.stage && job.stage !== "queued") return text(STAGE_TEXTS[job.stage]);
  return queued(job);
}

/** @type {Record<Exclude<Picture["phase"], "developing">, import("../texts.js").TextKey>} */
const PHASE_TEXTS = {
  waiting: "stage.waiting",
  paused: "stage.waiting",
  held: "stage.held",
  uploading: "stage.uploading",
  done: "stage.done",
  failed: "stage.failed",
};

/** Of stages that a network works in, for which it is known how long. @type {Record<string, import("../texts.js").TextKey>} */
const NETWORK_TEXTS = { enhancing: "stage.enhancingLeft", upscaling: "stage.upscalingLeft" };

/** @type {Record<"fetching" | "decoding" | "processing" | "enhancing" | "upscaling" | "encoding" | "storing", import("../texts.js").TextKey>} */
const STAGE_TEXTS = {
  fetching: "stage.fetching",
  decoding: "stage.decoding",
  processing: "stage.processing",
  enhancing: "stage.enhancing",
  upscaling: "stage.upscaling",
  encoding: "stage.encoding",
  storing: "stage.storing",
};

/** Networks take their time: how much of it is left. @param {NonNullable<Picture["job"]>} job @param {number} seconds */
function leftOf({ progress = 0 }, seconds) {
  return formatSeconds(seconds * (1 - progress / 100));
}

/** @param {Picture["job"]} job */
function queued(job) {
  const position = job?.queuePosition;
  if (!position) return text("stage.queued");
  if (!job.etaSeconds) return text("stage.queuedAt", { position });
  return text("stage.queuedEta", { position, eta: formatSeconds(job.etaSeconds) });
}

/** The percent of what goes on now, empty where nothing is counted. @param {Picture} picture */
export function percentOf({ phase, file, uploadPercent, job }) {
  if (file && (phase === "uploading" || ((phase === "held" || phase === "paused") && uploadPercent))) {
    return formatPercent(uploadPercent);
  }
  if (phase === "developing" && job?.progress) return formatPercent(job.progress);
  return "";
}

/** @param {Picture} picture */
export function changeOf(picture) {
  const result = resultOf(picture);
  if (!result) return null;
  const before = bytesBefore(picture) ?? 0;
  const percent = formatChange(before, result.bytes);
  const isSmaller = result.bytes <= before;
  return {
    isSmaller,
    bytes: text("card.bytes", { before: formatBytes(before), after: formatBytes(result.bytes) }),
    exactly: text("card.exactBytes", {
      before: formatExactly(before),
      after: formatExactly(result.bytes),
    }),
    short: text(isSmaller ? "card.saved" : "card.grown", { percent }),
    long: text(isSmaller ? "card.savedLong" : "card.grownLong", { percent }),
  };
}

/** Pixels and formats, before and after. @param {Picture} picture */
export function dimensionsOf(picture) {
  const original = picture.job?.original;
  const result = resultOf(picture);
  if (!result) return original?.width ? described(original) : sourceOf(picture);
  if (!original?.width) return described(result);
  return text("card.sizes", { before: described(original), after: described(result) });
}

/** What is known before the server has looked at it. @param {Picture} picture */
function sourceOf({ file, url }) {
  return file ? formatBytes(file.size) : new URL(String(url)).host;
}

/** @param {{width: number, height: number, format: string}} picture */
function described({ width, height, format }) {
  return `${formatSize({ width, height })} ${formatName(format)}`;
}

/** @param {string} format */
export function formatName(format) {
  const key = FORMAT_TEXTS[format];
  return key ? text(key) : format.toUpperCase();
}

/** @type {Record<string, import("../texts.js").TextKey>} */
const FORMAT_TEXTS = {
  auto: "format.auto",
  jpeg: "format.jpeg",
  png: "format.png",
  webp: "format.webp",
  avif: "format.avif",
  heif: "format.heif",
  gif: "format.gif",
  tiff: "format.tiff",
};

/** Title and detail, from the server where it gave them. @param {NonNullable<Picture["fault"]>} fault */
export function faultText({ code, title, detail }) {
  if (code === "unreachable") {
    return { title: text("fault.unreachable"), detail: text("fault.unreachableDetail") };
  }
  const fallback = text(FAULT_TEXTS[code] ?? "fault.unknown");
  return { title: title || fallback, detail: sentence(detail) || (title ? "" : text("fault.status")) };
}

/** @param {string} words */
function sentence(words) {
  return words.replace(/^[a-z]/, (letter) => letter.toUpperCase());
}

/** Ends that have no error to tell. @type {Record<string, import("../texts.js").TextKey>} */
const FAULT_TEXTS = { cancelled: "fault.cancelled", expired: "fault.expired" };
