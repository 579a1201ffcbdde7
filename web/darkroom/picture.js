// @ts-check
// One picture on the page, from the file to its result: a frozen record and the moves it may make.

/**
 * @typedef {"waiting" | "uploading" | "paused" | "developing" | "done" | "failed"} Phase
 *
 * @typedef {object} Fault what is told of a failure
 * @property {string} code
 * @property {string} title
 * @property {string} detail
 *
 * @typedef {object} Picture
 * @property {string} key
 * @property {File} file
 * @property {object} options the recipe it is sent with
 * @property {Phase} phase
 * @property {number} uploadPercent
 * @property {import("../client.js").Job | null} job
 * @property {Fault | null} fault
 * @property {{reason: "busy" | "unreachable", until: number} | null} pause ms since the epoch
 *
 * @typedef {object} Result
 * @property {string} url
 * @property {string} format
 * @property {number} width
 * @property {number} height
 * @property {number} bytes
 */

let count = 0; // makes keys; tells nothing else

/** @param {File} file @param {object} options @returns {Picture} */
export function newPicture(file, options) {
  count += 1;
  return sent({ key: `picture-${count}`, file }, options);
}

/** From the start, with this recipe. @param {Pick<Picture, "key" | "file">} picture @param {object} options */
export function sent({ key, file }, options) {
  /** @type {Picture} */
  const picture = {
    key,
    file,
    options,
    phase: "waiting",
    uploadPercent: 0,
    job: null,
    fault: null,
    pause: null,
  };
  return Object.freeze(picture);
}

/** @param {Picture} picture @param {number} uploadPercent @returns {Picture} */
export function uploading(picture, uploadPercent) {
  return Object.freeze({ ...picture, phase: "uploading", uploadPercent, pause: null });
}

/** @param {Picture} picture @param {NonNullable<Picture["pause"]>} pause @returns {Picture} */
export function paused(picture, pause) {
  return Object.freeze({ ...picture, phase: "paused", uploadPercent: 0, pause });
}

/** The server has it and said 2xx. @param {Picture} picture @returns {Picture} */
export function accepted(picture) {
  return Object.freeze({ ...picture, phase: "developing", uploadPercent: 100 });
}

/** @param {Picture} picture @param {Fault} fault @returns {Picture} */
export function failed(picture, fault) {
  return Object.freeze({ ...picture, phase: "failed", fault, pause: null });
}

/** @param {Picture} picture @param {import("../client.js").Job} job @returns {Picture} */
export function developed(picture, job) {
  const phase = PHASE_OF_STATUS[job.status] ?? "developing";
  return Object.freeze({ ...picture, phase, job, fault: phase === "failed" ? faultOf(job) : null });
}

/** @type {Record<string, Phase>} */
const PHASE_OF_STATUS = {
  queued: "developing",
  processing: "developing",
  completed: "done",
  failed: "failed",
  cancelled: "failed",
  expired: "failed",
};

/** @param {import("../client.js").Job} job @returns {Fault} */
function faultOf({ status, error }) {
  return error ?? { code: status, title: "", detail: "" };
}

/** @param {Picture} picture */
export function isSettled({ phase }) {
  return phase === "done" || phase === "failed";
}

/** The first output, once there is one. @param {Picture} picture @returns {Result | null} */
export function resultOf({ phase, job }) {
  return (phase === "done" && job?.variants?.[0]) || null;
}
