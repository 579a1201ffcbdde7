// @ts-check
// The wiring of the Darkroom: client, tray and elements. Nobody else sees all of them.

import { SafelightClient } from "../client.js";
import "../elements/file-drop.js";
import "../elements/page-header.js";
import "../elements/recipe-form.js";
import "../elements/totals-line.js";
import { text } from "../texts.js";
import { Prints } from "./prints.js";
import { resultOf } from "./picture.js";
import { dimensionsOf } from "./caption.js";
import { isSame } from "./options.js";
import { curlFor } from "./curl.js";
import { totalsOf } from "./totals.js";
import { Tray } from "./tray.js";

/** @typedef {import("./picture.js").Picture} Picture */
/** @template {Element} E @param {string} selector */
const one = (selector) => /** @type {E} */ (document.querySelector(selector));

const drop = one("file-drop");
const announcer = one("#announcer");
/** @type {import("../elements/recipe-form.js").RecipeForm} */
const recipe = one("recipe-form");
/** @type {import("../elements/totals-line.js").TotalsLine} */
const totals = one("totals-line");
/** @type {import("../elements/picture-viewer.js").PictureViewer} */
const viewer = one("picture-viewer");
/** @type {import("../elements/connection-light.js").ConnectionLight} */
const connection = one("connection-light");

const client = new SafelightClient();
const tray = new Tray(client);
const prints = new Prints(one("#prints"), {
  absolute: (path) => client.absolute(path),
  curlFor: ({ file, options }) =>
    curlFor({ url: client.absolute("/upload"), fileName: file.name, options }),
  afterShowing: showTotals,
});

document.addEventListener("files-chosen", (event) =>
  tray.add(/** @type {CustomEvent} */ (event).detail.files, recipe.options),
);
document.addEventListener("recipe-changed", showTotals);
document.addEventListener("picture-again", (event) => tray.again(keyOf(event), recipe.options));
document.addEventListener("picture-remove", (event) => tray.remove(keyOf(event)));
document.addEventListener("picture-enlarge", (event) => enlarge(keyOf(event)));
document.addEventListener("pictures-again", developAgain);
document.addEventListener("pictures-clear", () => tray.clear());
document.addEventListener("text-copied", (event) => {
  const { copied } = /** @type {CustomEvent} */ (event).detail;
  announcer.textContent = text(copied ? "copy.announced" : "copy.failed");
});
for (const touch of ["dragenter", "keydown", "pointerdown"]) {
  document.addEventListener(touch, () => prints.prepare(), { once: true });
}
tray.addEventListener("picture-changed", (event) => prints.show(pictureOf(event)));
tray.addEventListener("picture-removed", (event) => prints.remove(pictureOf(event)));
client.addEventListener("connection-changed", showConnection);
totals.urls = () => finished().map(urlOf).join("\n");

showConnection();
showTotals();
document.body.toggleAttribute("data-ready", true);
client.connect();
client.recipeSchema().then(
  (schema) => (recipe.schema = schema),
  () => undefined, // the bounds in the form stand; the server has the last word anyway
);
client.presets().then(
  (presets) => (recipe.presets = presets),
  () => undefined, // the form works without them
);

function showConnection() {
  connection.state = client.connection.state;
}

function showTotals() {
  const { options } = recipe;
  const sum = totalsOf(tray.pictures.values());
  totals.totals = sum;
  totals.canDevelopAgain = finished().some((picture) => !isSame(picture.options, options));
  drop.toggleAttribute("compact", sum.pictures > 0);
}

function developAgain() {
  const { options } = recipe;
  for (const { key, options: used } of finished()) {
    if (!isSame(used, options)) tray.again(key, options);
  }
}

/** @param {string} key */
function enlarge(key) {
  const picture = tray.pictures.get(key);
  const comparison = prints.card(key)?.comparison;
  if (picture && comparison) viewer.open(comparison, dimensionsOf(picture));
}

/** @returns {Picture[]} */
function finished() {
  return [...tray.pictures.values()].filter(resultOf);
}

/** @param {Picture} picture */
function urlOf(picture) {
  return client.absolute(/** @type {import("./picture.js").Result} */ (resultOf(picture)).url);
}

/** @param {Event} event @returns {string} */
function keyOf(event) {
  return /** @type {CustomEvent} */ (event).detail.key;
}

/** @param {Event} event @returns {Picture} */
function pictureOf(event) {
  return /** @type {CustomEvent} */ (event).detail;
}
