// @ts-check
// What the server's JSON Schema says of one field of a recipe.

/**
 * @typedef {object} Bounds
 * @property {number} [minimum]
 * @property {number} [maximum]
 * @property {unknown} [default]
 * @property {unknown[]} [enum]
 * @property {string} [description]
 */

/** @param {any} schema @param {string[]} path such as ["resize", "width"] @returns {Bounds} */
export function boundsOf(schema, path) {
  const field = path.reduce((node, name) => resolved(schema, node)?.properties?.[name], schema);
  return resolved(schema, field) ?? {};
}

/** Follow a $ref and step over "or null", keeping what stands beside them. @param {any} schema @param {any} node @returns {any} */
export function resolved(schema, node) {
  if (!node) return undefined;
  const { $ref, anyOf, ...beside } = node;
  const choice = anyOf?.find((/** @type {any} */ one) => one.type !== "null");
  if (choice) return { ...resolved(schema, choice), ...beside };
  if (!$ref) return beside;
  return { ...resolved(schema, schema.$defs?.[$ref.split("/").at(-1)]), ...beside };
}
