// @ts-check
// One picture on the page, from its file or address to its result: a frozen record and the moves it may make.

/**
 * @typedef {"waiting" | "uploading" | "held" | "paused" | "developing" | "done" | "failed"} Phase
 *   held: the visitor said so; paused: the server or the network did
 *
 * @typedef {object} Fault what is told of a failure
 * @property {string} code
 * @property {string} title
 * @property {string} detail
 *
 * @typedef {object} Picture
 * @property {string} key
 * @property {string} name
 * @property {File | null} file
 * @property {string | null} url where the server fetches it, if there is no file
 * @property {import("./options.js").Options} options the recipe it is sent with
 * @property {string} idempotencyKey of this sending: done once, however often it is tried
 * @property {Phase} phase
 * @property {number} uploadPercent
 * @property {import("../client/ways.js").Way | null} way
 * @property {string | null} jobId once the server has it
 * @property {string[]} earlier jobs of the same picture, with other recipes
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

/** @param {{file: File} | {url: string}} source @param {object} options @returns {Picture} */
export function newPicture(source, options) {
  count += 1;
  const [file, url] = "file" in source ? [source.file, null] : [null, source.url];
  const name = file ? file.name : nameIn(String(url));
  return sent({ key: `picture-${count}`, name, file, url, jobId: null, earlier: [] }, options);
}

/** From the start, with this recipe. @param {Pick<Picture, "key" | "name" | "file" | "url" | "jobId" | "earlier">} picture @param {object} options */
export function sent({ key, name, file, url, jobId, earlier }, options) {
  /** @type {Picture} */
  const picture = {
    key,
    name,
    file,
    url,
    options,
    idempotencyKey: randomName(),
    phase: "waiting",
    uploadPercent: 0,
    way: null,
    jobId: null,
    earlier: jobId ? [...earlier, jobId] : earlier,
    job: null,
    fault: null,
    pause: null,
  };
  return Object.freeze(picture);
}

/** In line. @param {Picture} picture @returns {Picture} */
export function waiting(picture) {
  return Object.freeze({ ...picture, phase: "waiting", pause: null, fault: null });
}

/** @param {Picture} picture @param {Partial<Pick<Picture, "uploadPercent" | "way">>} [known] @returns {Picture} */
export function uploading(picture, known = {}) {
  return Object.freeze({ ...picture, ...known, phase: "uploading", pause: null });
}

/** @param {Picture} picture @returns {Picture} */
export function held(picture) {
  return Object.freeze({ ...picture, phase: "held", pause: null });
}

/** @param {Picture} picture @param {NonNullable<Picture["pause"]>} pause @returns {Picture} */
export function paused(picture, pause) {
  return Object.freeze({ ...picture, phase: "paused", pause });
}

/** The server has it and said 2xx. @param {Picture} picture @param {string} jobId @returns {Picture} */
export function accepted(picture, jobId) {
  return Object.freeze({ ...picture, phase: "developing", uploadPercent: 100, pause: null, jobId });
}

/** @param {Picture} picture @param {Fault} fault @returns {Picture} */
export function failed(picture, { code, title, detail }) {
  return Object.freeze({ ...picture, phase: "failed", fault: { code, title, detail }, pause: null });
}

/** @param {Picture} picture @param {import("../client.js").Job} job @returns {Picture} */
export function developed(picture, job) {
  const phase = PHASE_OF_STATUS[job.status] ?? "developing";
  const name = picture.file ? picture.name : job.name || picture.name;
  return Object.freeze({ ...picture, name, phase, job, fault: phase === "failed" ? faultOf(job) : null });
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

/** Its bytes have not all gone out. @param {Picture} picture */
export function isUnsent({ phase }) {
  return phase === "waiting" || phase === "uploading" || phase === "held" || phase === "paused";
}

/** Bytes before; null while only the server could know and has not said. @param {Picture} picture */
export function bytesBefore({ file, job }) {
  return file?.size ?? (job?.original?.bytes || null);
}

/** The first output, once there is one. @param {Picture} picture @returns {Result | null} */
export function resultOf({ phase, job }) {
  return (phase === "done" && job?.variants?.[0]) || null;
}

/** @param {string} url */
function nameIn(url) {
  const last = new URL(url).pathname.split("/").at(-1) || new URL(url).hostname;
  try {
    return decodeURIComponent(last);
  } catch {
    return last; // a percent sign that means itself
  }
}

function randomName() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
