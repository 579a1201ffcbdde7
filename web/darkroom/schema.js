// @ts-check
// The server's JSON Schema of a recipe as a list of fields that a form can be drawn from.

import { resolved } from "./bounds.js";

/**
 * @typedef {object} Field one setting
 * @property {string} name as in the JSON
 * @property {"switch" | "choice" | "number" | "text" | "list" | "group" | "rows"} kind rows: a list of groups
 * @property {string} about
 * @property {string} [section] of a field at the top: "step" or "output"
 * @property {string} [unit]
 * @property {number} [minimum]
 * @property {number} [maximum]
 * @property {boolean} isWhole of a number
 * @property {string[]} words that may stand in the place of a number
 * @property {unknown} fallback what is meant when nothing is said
 * @property {boolean} isNeeded
 * @property {boolean} isOptional whether a switch may also say nothing
 * @property {(string | number)[]} choices
 * @property {string} [pattern]
 * @property {string} [example]
 * @property {number} [most] of a list
 * @property {Field[]} fields of a group, or of each row
 * @property {Field} [item] of a list
 * @property {string[]} suggestions values that the server has a use for, of a text
 */

/** @param {any} schema of a recipe @param {Record<string, string[]>} [suggestions] by the name of a field @returns {Field[]} in the order of work */
export function fieldsOf(schema, suggestions = {}) {
  return suggested(inner(schema, schema), suggestions);
}

/** @param {Field[]} fields @param {Record<string, string[]>} suggestions @returns {Field[]} */
function suggested(fields, suggestions) {
  return fields.map((field) => ({
    ...field,
    suggestions: field.kind === "text" ? (suggestions[field.name] ?? []) : [],
    fields: suggested(field.fields, suggestions),
  }));
}

/** @param {any} schema @param {any} node an object @returns {Field[]} */
function inner(schema, node) {
  const needed = node.required ?? [];
  return Object.entries(node.properties ?? {}).map(([name, part]) =>
    field(schema, name, part, needed.includes(name)),
  );
}

/** @param {any} schema @param {string} name @param {any} part @param {boolean} isNeeded @returns {Field} */
function field(schema, name, part, isNeeded) {
  const node = resolved(schema, part);
  const items = node.items && resolved(schema, node.items);
  const branches = part.anyOf ?? [];
  const example = node.examples?.[0];
  return {
    name,
    kind: kindOf(node, items),
    about: part.description ?? node.description ?? "",
    section: part.group,
    unit: node.unit ?? items?.unit,
    minimum: node.minimum,
    maximum: node.maximum,
    isWhole: node.type === "integer",
    words: branches.filter((/** @type {any} */ one) => one.const).map((/** @type {any} */ one) => one.const),
    fallback: part.default,
    isNeeded,
    isOptional: branches.length > 0,
    choices: node.enum ?? items?.enum ?? [],
    pattern: node.pattern,
    example: example === undefined ? undefined : [example].flat().join(", "),
    most: node.maxItems,
    fields: node.properties ? inner(schema, node) : items?.properties ? inner(schema, items) : [],
    suggestions: [],
    item: items && !items.properties ? field(schema, name, node.items, true) : undefined,
  };
}

/** @param {any} node @param {any} items @returns {Field["kind"]} */
function kindOf(node, items) {
  if (node.properties) return "group";
  if (items) return items.properties ? "rows" : "list";
  if (node.enum) return "choice";
  if (node.type === "boolean") return "switch";
  return node.type === "integer" || node.type === "number" ? "number" : "text";
}
