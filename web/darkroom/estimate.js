// @ts-check
// How long the neural networks of a recipe take for a picture, by what the server measured (GET /ai).

/**
 * @typedef {{width: number, height: number}} Size pixels
 * @typedef {import("../client.js").Network} Network
 */

const TYPICAL = Object.freeze({ width: 4000, height: 3000 });
/** Factor 4 is twice factor 2: the second time of four times the pixels. @type {Record<number, number>} */
const PASSES = { 2: 1, 4: 5 };

/** What a recipe asks of the networks that there are. @param {import("./options.js").Options} options @param {Network[]} models */
export function networkSteps(options, models) {
  return ["enhance", "upscale"].filter((step) => {
    const wanted = options[step];
    return wanted && wanted.engine !== "classic" && models.some((model) => model.step === step);
  });
}

/**
 * Seconds; null where no network works or none was measured yet.
 * @param {import("./options.js").Options} options
 * @param {Network[]} models
 * @param {Size} [size] of the picture; a photo of 12 megapixels if not said
 */
export function networkSeconds(options, models, size = TYPICAL) {
  const worked = resized(options.resize, size);
  const megapixels = (worked.width * worked.height) / 1e6;
  let seconds = 0;
  for (const step of networkSteps(options, models)) {
    const model = models.find((one) => one.step === step);
    if (model?.secondsPerMegapixel == null) return null;
    const passes = step === "upscale" ? (PASSES[options.upscale.factor ?? 2] ?? 1) : 1;
    seconds += megapixels * passes * model.secondsPerMegapixel;
  }
  return seconds || null;
}

/** What the networks are given: the picture after `resize`. @param {{width?: number, height?: number, fit?: string} | undefined} resize @param {Size} size */
function resized(resize, { width, height }) {
  if (!resize?.width && !resize?.height) return { width, height };
  const [across, down] = [(resize.width ?? Infinity) / width, (resize.height ?? Infinity) / height];
  const fit = resize.fit ?? "inside";
  if (fit !== "inside" && fit !== "outside" && resize.width && resize.height) {
    return { width: resize.width, height: resize.height };
  }
  const scales = [across, down].filter(Number.isFinite);
  const scale = Math.min(1, fit === "outside" ? Math.max(...scales) : Math.min(...scales));
  return { width: width * scale, height: height * scale };
}
