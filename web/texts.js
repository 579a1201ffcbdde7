// @ts-check
// Every text of the pages. Another language is another table with the same keys.

const texts = Object.freeze({
  "brand.name": "Safelight",
  "brand.home": "Safelight, to the Darkroom",

  "connection.closed": "Offline",
  "connection.connecting": "Connecting",
  "connection.open": "Live",
  "connection.waiting": "Reconnecting",
  "connection.title": "The line to the server that progress arrives on",

  "theme.auto": "Theme: as the system",
  "theme.light": "Theme: light",
  "theme.dark": "Theme: dark",

  "drop.title": "Drop pictures.",
  "drop.titleThen": "Watch them develop.",
  "drop.titleShort": "Add more pictures",
  "drop.hint": "One or hundreds, anywhere on this page. Pasting works too.",
  "drop.choose": "Choose pictures",
  "drop.camera": "Take a photo",
  "drop.release": "Let go, and they develop",
  "drop.label": "Add pictures",

  "recipe.title": "Recipe",
  "recipe.note": "For the pictures you add from now on.",
  "recipe.width": "Width",
  "recipe.height": "Height",
  "recipe.asIs": "as is",
  "recipe.fit": "Fit",
  "fit.inside": "Inside: whole picture, no larger",
  "fit.outside": "Outside: whole picture, no smaller",
  "fit.cover": "Cover: fill the size, cut the rest",
  "fit.contain": "Contain: whole picture, with margins",
  "fit.fill": "Fill: stretch to the size",
  "recipe.format": "Format",
  "format.auto": "Auto",
  "format.jpeg": "JPEG",
  "format.png": "PNG",
  "format.webp": "WebP",
  "format.avif": "AVIF",
  "format.heif": "HEIF",
  "format.gif": "GIF",
  "format.tiff": "TIFF",
  "recipe.quality": "Quality",
  "recipe.lossless": "lossless",
  "recipe.rotate": "Rotate",
  "angle.0": "0°",
  "angle.90": "90°",
  "angle.180": "180°",
  "angle.270": "270°",
  "recipe.flip": "Flip top to bottom",
  "recipe.flop": "Flop left to right",
  "recipe.metadata": "Keep metadata (camera, place)",
  "recipe.preset": "Preset",
  "recipe.own": "none: as set below",
  "recipe.more": "All steps and options",
  "recipe.usual": "usual",
  "recipe.json": "Sent as options",
  "recipe.summary": "{size} · {format} · {quality}",
  "recipe.summarySize": "{width} × {height}",
  "recipe.summaryWidth": "{width} px wide",
  "recipe.summaryHeight": "{height} px high",
  "recipe.summaryOriginal": "original size",
  "recipe.summaryQuality": "q{quality}",
  "recipe.change": "Change",

  "extra.steps": "Steps, in the order they are done",
  "extra.outputs": "Output",
  "extra.add": "{name}: add one",
  "extra.remove": "Remove",
  "extra.unsaid": "not set",
  "extra.yes": "yes",
  "extra.no": "no",
  "extra.from": "{minimum} to {maximum}",
  "extra.range": "Takes {values}.",
  "extra.like": "Text such as {example}.",
  "extra.list": "With commas between them: {values}.",
  "extra.default": "Default: {value}.",

  "copy.json": "Copy",
  "copy.url": "Copy URL",
  "copy.urls": "Copy URLs",
  "copy.curl": "Copy curl",
  "copy.urlShort": "URL",
  "copy.curlShort": "curl",
  "copy.announced": "Copied to the clipboard.",
  "copy.failed": "The browser did not let the page copy.",

  "card.preview": "Preview of {name}",
  "card.remove": "Remove {name}",
  "card.enlarge": "Compare {name} large",
  "card.download": "Download",
  "card.again": "Try again",
  "card.uploadBar": "Upload of {name}",
  "card.developBar": "Development of {name}",
  "card.bytes": "{before} → {after}",
  "card.exactBytes": "{before} → {after} bytes",
  "card.saved": "−{percent}",
  "card.savedLong": "{percent} saved",
  "card.grown": "+{percent}",
  "card.grownLong": "{percent} larger",
  "card.size": "{width} × {height} {format}",
  "card.sizes": "{before} → {after}",

  "stage.waiting": "Waiting to upload",
  "stage.uploading": "Uploading",
  "stage.queued": "Queued",
  "stage.queuedAt": "Queued, number {position}",
  "stage.queuedEta": "Queued, number {position}, about {eta}",
  "stage.decoding": "Decoding",
  "stage.processing": "Processing",
  "stage.encoding": "Encoding",
  "stage.storing": "Storing",
  "stage.done": "Done",
  "stage.failed": "Failed",
  "stage.busy": "Busy: trying again in {seconds} s",
  "stage.unreachable": "No answer: trying again in {seconds} s",

  "fault.unknown": "This picture could not be developed",
  "fault.unreachable": "The server does not answer",
  "fault.unreachableDetail": "It was tried several times. See whether the server runs, then try again.",
  "fault.status": "The server gave no further explanation.",
  "fault.cancelled": "Cancelled",
  "fault.expired": "The result has expired",

  "compare.label": "Comparison: share of the original shown",
  "compare.value": "{percent} original",
  "compare.before": "Original {bytes}",
  "compare.after": "Result {bytes}",
  "compare.beforeAlt": "{name}, original",
  "compare.afterAlt": "{name}, result",
  "viewer.close": "Close",

  "totals.pictures": { one: "{count} picture", other: "{count} pictures" },
  "totals.working": "{count} in the bath",
  "totals.failed": "{count} failed",
  "totals.bytes": "{before} → {after}",
  "totals.saved": "{percent} saved",
  "totals.grown": "{percent} larger",
  "totals.again": "Develop again",
  "totals.againTitle": "All finished pictures once more, with the recipe as it is now",
  "totals.clear": "Clear",
  "totals.announced": "{done} of {pictures} pictures developed.",
  "totals.announcedFailed": "{done} of {pictures} pictures developed, {failed} failed.",
});

/** @typedef {keyof typeof texts} TextKey */

const plural = new Intl.PluralRules("en");

/** @param {TextKey} key @param {Record<string, string | number>} [values] for the {names} in the text */
export function text(key, values = {}) {
  const entry = texts[key];
  const chosen = typeof entry === "string" ? entry : entry[form(Number(values.count))];
  return chosen.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/** @param {number} count @returns {"one" | "other"} */
function form(count) {
  return plural.select(count) === "one" ? "one" : "other";
}
