// @ts-check
// Words of the contract as elements: `code` between backticks, components as links to where they stand.

import { boundsOf, innerOf, typeOf } from "../docs/words.js";
import { text } from "../texts.js";

/** @typedef {import("../docs/contract.js").Schema} Schema */

const DEEPEST = 4;

/** @template {keyof HTMLElementTagNameMap} Tag @param {Tag} tag @param {string} [name] its class @param {(Node | string)[]} content */
export function element(tag, name = "", ...content) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.append(...content);
  return made;
}

/** @param {string} words with `code` in it @returns {(Node | string)[]} */
export function spoken(words) {
  return words.split("`").map((piece, index) => (index % 2 ? element("code", "", piece) : piece));
}

/** @param {Schema} schema @returns {HTMLElement} */
export function typed(schema) {
  const pieces = typeOf(schema).map(({ words, name }) => (name ? reference(name) : words));
  return element("span", "docs-type", ...pieces);
}

/** @param {string} name of a component */
export function reference(name) {
  const link = element("a", "", name);
  link.href = `#schema-${name}`;
  return link;
}

/** The members of an object, and of those in it. @param {Schema} schema @param {number} [depth] @returns {HTMLElement | null} */
export function members(schema, depth = 0) {
  const inner = innerOf(schema);
  if (!inner || depth >= DEEPEST) return null;
  const needed = new Set(inner.required ?? []);
  const rows = Object.entries(inner.properties).map(([name, member]) =>
    row({ name, schema: member, about: member.description ?? "", note: needed.has(name) ? "" : text("docs.optional"), depth }),
  );
  return element("ul", "docs-members", ...rows);
}

/** @param {{name: string, schema: Schema, about: string, note: string, depth?: number}} member */
export function row({ name, schema, about, note, depth = 0 }) {
  const head = element("p", "docs-member-head", element("code", "docs-name", name), " ", typed(schema));
  if (note) head.append(" ", element("span", "docs-note", note));
  const bounds = boundsOf(schema).join(", ");
  if (bounds) head.append(" ", element("span", "docs-bounds", bounds));
  const item = element("li", "docs-member", head);
  if (about) item.append(element("p", "docs-about", ...spoken(about)));
  const below = members(schema, depth + 1);
  if (below) item.append(below);
  return item;
}
