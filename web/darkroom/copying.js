// @ts-check
// What of a picture can be copied, in the order of the menu.

import { pictureMarkup } from "./markup.js";
import { resultOf } from "./picture.js";
import { curlFor, pythonFor } from "./requests.js";

/** @typedef {import("../elements/copy-menu.js").Choice} Choice */

/** @param {import("./picture.js").Picture} picture @param {import("../client.js").SafelightClient} client @returns {Choice[]} */
export function copyChoices(picture, client) {
  const { name, file, url, options, job } = picture;
  const absolute = (/** @type {string} */ path) => client.absolute(path);
  const request = {
    service: client.absolute("/").replace(/\/$/, ""),
    name,
    type: file?.type ?? "",
    url,
    options,
    needsKey: client.hasKey,
  };
  const result = resultOf(picture);
  /** @type {Choice[]} */
  const ofResult =
    result && job
      ? [
          { label: "copy.url", icon: "link", value: () => absolute(result.url) },
          { label: "copy.markup", icon: "code", value: () => pictureMarkup(job, { name, absolute }) },
        ]
      : [];
  return [
    ...ofResult,
    { label: "copy.curl", icon: "terminal", value: () => curlFor(request) },
    { label: "copy.python", icon: "terminal", value: () => pythonFor(request) },
  ];
}
