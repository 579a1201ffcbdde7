// @ts-check
// What a card says of its picture: stage and percent, sizes, the fault.

import { formatBytes, formatChange, formatExactly, formatPercent, formatSeconds, formatSize } from "../format.js";
import { text } from "../texts.js";
import { resultOf } from "./picture.js";

/** @typedef {import("./picture.js").Picture} Picture */

/** @param {Picture} picture @param {number} now ms since the epoch */
export function stageOf(picture, now) {
  const { phase, pause, job } = picture;
  if (pause) {
    const seconds = Math.max(1, Math.ceil((pause.until - now) / 1000));
    return text(pause.reason === "busy" ? "stage.busy" : "stage.unreachable", { seconds });
  }
  if (phase !== "developing") return text(PHASE_TEXTS[phase]);
  if (job?.stage && job.stage !== "queued") return text(STAGE_TEXTS[job.stage]);
  return queued(job);
}

/** @type {Record<Exclude<Picture["phase"], "developing">, import("../texts.js").TextKey>} */
const PHASE_TEXTS = {
  waiting: "stage.waiting",
  paused: "stage.waiting",
  uploading: "stage.uploading",
  done: "stage.done",
  failed: "stage.failed",
};

/** @type {Record<"decoding" | "processing" | "encoding" | "storing", import("../texts.js").TextKey>} */
const STAGE_TEXTS = {
  decoding: "stage.decoding",
  processing: "stage.processing",
  encoding: "stage.encoding",
  storing: "stage.storing",
};

/** @param {Picture["job"]} job */
function queued(job) {
  const position = job?.queuePosition;
  if (!position) return text("stage.queued");
  if (!job.etaSeconds) return text("stage.queuedAt", { position });
  return text("stage.queuedEta", { position, eta: formatSeconds(job.etaSeconds) });
}

/** The percent of what goes on now, empty where nothing is counted. @param {Picture} picture */
export function percentOf({ phase, uploadPercent, job }) {
  if (phase === "uploading") return formatPercent(uploadPercent);
  if (phase === "developing" && job?.progress) return formatPercent(job.progress);
  return "";
}

/** @param {Picture} picture */
export function changeOf(picture) {
  const result = resultOf(picture);
  if (!result) return null;
  const before = picture.file.size;
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
  if (!result) return original ? described(original) : formatBytes(picture.file.size);
  if (!original) return described(result);
  return text("card.sizes", { before: described(original), after: described(result) });
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
  return { title: title || fallback, detail: detail || (title ? "" : text("fault.status")) };
}

/** Ends that have no error to tell. @type {Record<string, import("../texts.js").TextKey>} */
const FAULT_TEXTS = { cancelled: "fault.cancelled", expired: "fault.expired" };
