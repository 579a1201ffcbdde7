// @ts-check
// Templates of the elements: markup that is fixed in the source, texts filled in from texts.js.

import { text } from "../texts.js";

/** @typedef {import("../texts.js").TextKey} TextKey */

/** Markup written in the source only; what users or servers say goes in by textContent. @param {string} html */
export function template(html) {
  const element = document.createElement("template");
  element.innerHTML = html;
  return element;
}

/** data-text fills the content, data-label the accessible name, data-title the tooltip, data-placeholder the field. */
const FILLED = Object.freeze({
  "data-text": (/** @type {HTMLElement} */ element, /** @type {string} */ value) => {
    element.textContent = value;
  },
  "data-label": (/** @type {HTMLElement} */ element, /** @type {string} */ value) =>
    element.setAttribute("aria-label", value),
  "data-title": (/** @type {HTMLElement} */ element, /** @type {string} */ value) => {
    element.title = value;
  },
  "data-placeholder": (/** @type {HTMLElement} */ element, /** @type {string} */ value) =>
    element.setAttribute("placeholder", value),
});

/** @param {HTMLTemplateElement} source */
export function instance(source) {
  const fragment = /** @type {DocumentFragment} */ (source.content.cloneNode(true));
  for (const [attribute, fill] of Object.entries(FILLED)) {
    for (const element of fragment.querySelectorAll(`[${attribute}]`)) {
      fill(/** @type {HTMLElement} */ (element), text(/** @type {TextKey} */ (element.getAttribute(attribute))));
      element.removeAttribute(attribute);
    }
  }
  return fragment;
}

/**
 * The one element inside `root` that matches; that it is there is part of its template.
 * @template {Element} [E=HTMLElement]
 * @param {ParentNode} root
 * @param {string} selector
 * @returns {E}
 */
export function part(root, selector) {
  const element = root.querySelector(selector);
  if (!element) throw new Error(`no ${selector} here`);
  return /** @type {E} */ (element);
}
