// @ts-check
// The wiring of the Darkroom: client, tray and elements. Nobody else sees all of them.

import { Problem, SafelightClient } from "../client.js";
import "../elements/file-drop.js";
import "../elements/page-header.js";
import "../elements/recipe-form.js";
import "../elements/totals-line.js";
import "../elements/undo-toast.js";
import { text } from "../texts.js";
import { dimensionsOf } from "./caption.js";
import { networkSeconds } from "./estimate.js";
import { isSame } from "./options.js";
import { resultOf } from "./picture.js";
import { Prints } from "./prints.js";
import { totalsOf } from "./totals.js";
import { Tray } from "./tray.js";
import { showUnfinished } from "./unfinished.js";

const MEASURED_MS = 2000; // until the speed of networks is asked for again

/** @typedef {import("./picture.js").Picture} Picture */
/** @template {Element} E @param {string} selector */
const one = (selector) => /** @type {E} */ (document.querySelector(selector));

const drop = one("file-drop");
const announcer = one("#announcer");
/** @type {import("../elements/recipe-form.js").RecipeForm} */
const recipe = one("recipe-form");
/** @type {import("../elements/totals-line.js").TotalsLine} */
const totals = one("totals-line");
/** @type {import("../elements/undo-toast.js").UndoToast} */
const toast = one("undo-toast");

const client = new SafelightClient();
/** @type {import("../elements/page-header.js").PageHeader} */ (one("page-header")).client = client;
const tray = new Tray(client);
/** @type {import("../client.js").Network[]} */
let networks = [];
const prints = new Prints(one("#prints"), {
  absolute: (path) => client.absolute(path),
  secondsFor: (picture) =>
    picture.job?.original?.width ? networkSeconds(recipe.meaning(picture.options), networks, picture.job.original) : null,
  afterShowing: showTotals,
});
let enlarged = "";

/** @type {Record<string, (detail: any, event: Event) => unknown>} */
const ANSWERS = {
  "files-chosen": ({ files }) => tray.add(files, recipe.options),
  "urls-chosen": ({ urls }) => tray.addUrls(urls, recipe.options),
  "recipe-changed": showTotals,
  "picture-again": ({ key }) => tray.again(key, recipe.options),
  "picture-cancel": ({ key }) => tray.cancel(key),
  "picture-hold": ({ key }) => tray.hold(key),
  "picture-resume": ({ key }) => tray.resume(key),
  "picture-remove": ({ key }) => remove(key),
  "picture-enlarge": ({ key }) => enlarge(key),
  "picture-turn": ({ by }) => turn(by),
  "picture-copy": ({ key }, { target }) => openCopyMenu(key, /** @type {Element} */ (target)),
  "pictures-again": developAgain,
  "pictures-hold": () => holdAll(true),
  "pictures-resume": () => holdAll(false),
  "pictures-zip": downloadZip,
  "pictures-clear": clear,
  "text-copied": ({ copied }) => announce(text(copied ? "copy.announced" : "copy.failed")),
};
for (const [event, answer] of Object.entries(ANSWERS)) {
  document.addEventListener(event, async (heard) => {
    client.reconsiderKey();
    try {
      await answer(/** @type {CustomEvent} */ (heard).detail, heard);
    } catch (error) {
      tellProblem("action.failed", error);
    }
  });
}
for (const touch of ["dragenter", "keydown", "pointerdown", "paste"]) {
  document.addEventListener(touch, () => prints.prepare(), { once: true });
}
tray.addEventListener("picture-changed", (event) => prints.show(detailOf(event)));
tray.addEventListener("picture-removed", (event) => prints.remove(detailOf(event)));
tray.addEventListener("picture-restored", (event) => prints.restore(detailOf(event).picture, detailOf(event).before));
totals.urls = () => finished().map(urlOf).join("\n");

showTotals();
showUnfinished(one("#unfinished"), client.unfinished());
document.body.toggleAttribute("data-ready", true);
performance.mark("safelight-ready");
client.connect();
// The page works without any of these: the server has the last word anyway.
client.recipeSchema().then((schema) => (recipe.schema = schema), () => undefined);
client.presets().then((presets) => (recipe.presets = presets), () => undefined);
client.offer().then((offer) => (recipe.offer = offer), () => undefined);
askForNetworks();

/** Their speed is not known before the server has measured it, a moment after its start. */
async function askForNetworks() {
  const { models } = await client.networks().catch(() => ({ models: networks }));
  recipe.networks = networks = models;
  const isMeasured = models.every(({ secondsPerMegapixel }) => secondsPerMegapixel !== null);
  if (!isMeasured) setTimeout(askForNetworks, MEASURED_MS);
}

function showTotals() {
  const { options } = recipe;
  const sum = totalsOf(tray.pictures.values());
  totals.isHeld = tray.isHeld;
  totals.totals = sum;
  totals.canDevelopAgain = finished().some((picture) => !isSame(picture.options, options));
  drop.toggleAttribute("compact", sum.pictures > 0);
  if (sum.pictures) one("#unfinished").toggleAttribute("hidden", true);
}

function developAgain() {
  const { options } = recipe;
  for (const { key, options: used } of finished()) {
    if (!isSame(used, options)) tray.again(key, options);
  }
}

/** @param {boolean} isHeld */
function holdAll(isHeld) {
  if (isHeld) tray.holdAll();
  else tray.resumeAll();
  showTotals();
}

/** Off the page and, unless that is undone, off the server. @param {string} key */
function remove(key) {
  const removed = tray.remove([key]);
  if (!removed.length) return;
  const words = text("undo.removed", { name: removed[0].name });
  toast.offer(words, [undo(removed)], (settings) => discard(removed, settings));
}

/** Off the page; what was made stays where it is, unless the visitor says so. */
function clear() {
  const removed = tray.remove([...tray.pictures.keys()]);
  if (!removed.length) return;
  const unfinished = removed.filter((picture) => !resultOf(picture));
  const deleteToo = /** @type {const} */ ({ label: "undo.deleteToo", run: () => discard(removed, { isLeaving: false }) });
  toast.offer(text("undo.cleared", { count: removed.length }), [undo(removed), deleteToo], (settings) =>
    discard(unfinished, settings),
  );
}

/** @param {Picture[]} removed @returns {import("../elements/undo-toast.js").Action} */
function undo(removed) {
  return { label: "undo.undo", run: () => tray.restore(removed) };
}

/** @param {Picture[]} removed @param {{isLeaving: boolean}} settings */
function discard(removed, settings) {
  tray.discard(removed, settings).catch((error) => tellProblem("undo.failed", error));
}

async function downloadZip() {
  const imageIds = finished().map(({ jobId }) => String(jobId));
  totals.isPacking = true;
  try {
    save(await client.zip(imageIds), "safelight.zip");
  } catch (error) {
    tellProblem("zip.failed", error);
  } finally {
    totals.isPacking = false;
  }
}

/** @param {Blob} blob @param {string} name */
function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the download has begun by then
}

/** @param {string} key */
function enlarge(key) {
  const picture = tray.pictures.get(key);
  const card = prints.card(key);
  card?.wake();
  if (!picture || !card?.comparison) return;
  enlarged = key;
  /** @type {import("../elements/picture-viewer.js").PictureViewer} */ (one("picture-viewer")).open(
    card.comparison,
    dimensionsOf(picture),
    { isOnly: finished().length < 2 },
  );
}

/** @param {number} by */
function turn(by) {
  const keys = finished().map(({ key }) => key);
  const next = keys.at((keys.indexOf(enlarged) + by) % keys.length);
  if (next) enlarge(next);
}

/** @param {string} key @param {Element} card */
async function openCopyMenu(key, card) {
  const picture = tray.pictures.get(key);
  const anchor = /** @type {HTMLElement | null} */ (card.querySelector(".card-copy"));
  if (!picture || !anchor) return;
  const { copyChoices } = await import("./copying.js");
  /** @type {import("../elements/copy-menu.js").CopyMenu} */ (one("copy-menu")).open(
    anchor,
    copyChoices(picture, client),
    () => prints.card(key)?.showCopied(),
  );
}

/** @param {"undo.failed" | "zip.failed" | "action.failed"} key @param {unknown} error */
function tellProblem(key, error) {
  if (!(error instanceof Problem)) throw error;
  const detail = error.isUnreachable ? text("fault.unreachable") : error.detail || error.title;
  toast.offer(text(key, { detail }), []);
}

/** @param {string} words */
function announce(words) {
  announcer.textContent = words;
}

/** @returns {Picture[]} */
function finished() {
  return [...tray.pictures.values()].filter(resultOf);
}

/** @param {Picture} picture */
function urlOf(picture) {
  return client.absolute(/** @type {import("./picture.js").Result} */ (resultOf(picture)).url);
}

/** @param {Event} event @returns {any} */
function detailOf(event) {
  return /** @type {CustomEvent} */ (event).detail;
}
