// @ts-check
// An example of what a schema describes, and the curl that sends it. No DOM.

import { nameOf } from "./contract.js";

/**
 * @typedef {import("./contract.js").Contract} Contract
 * @typedef {import("./contract.js").Operation} Operation
 * @typedef {import("./contract.js").Schema} Schema
 */

const DEEPEST = 5;
/** Where the name of a member says more than its type. @type {[RegExp, unknown][]} */
const BY_NAME = [
  [/^(job|image|upload|batch)?Id$/i, "bdj6eh7la3e3ny5ag5vxccj2"],
  [/^requestId$/, "5d4ad0b2c9f1e683"],
  [/^imageUrls?$/, "https://example.com/cat.jpg"],
  [/^callbackUrl$/, "https://example.com/hook"],
  [/^name$/, "cat.jpg"],
  [/^(html)$/, "<picture>…</picture>"],
  [/url$/i, "/image/bdj6eh7la3e3ny5ag5vxccj2"],
  [/(sha256|digest)$/i, "9f86d081884c7d65…"],
];
/** A recipe has many members, none of them needed. */
const RECIPE = { resize: { width: 800 }, format: "webp" };

/** @param {Contract} contract @param {Schema} schema @param {string} [name] of the member @param {number} [depth] @returns {unknown} */
export function exampleOf(contract, schema, name = "", depth = 0) {
  if (nameOf(schema) === "Recipe") return RECIPE;
  const real = contract.resolve(schema);
  if (real.examples?.length) return real.examples[0];
  for (const known of [real.example, real.const, real.enum?.[0]]) if (known !== undefined) return known;
  const choices = real.oneOf ?? real.anyOf ?? real.allOf;
  if (choices) return exampleOf(contract, choices[0], name, depth);
  const type = Array.isArray(real.type) ? real.type[0] : real.type;
  if (type === "array") return depth < DEEPEST ? [exampleOf(contract, real.items ?? {}, name, depth + 1)] : [];
  if (type === "object" || real.properties) return depth < DEEPEST ? membersOf(contract, real, depth) : {};
  return plainExample(real, type, name);
}

/** @param {Contract} contract @param {Schema} schema @param {number} depth */
function membersOf(contract, schema, depth) {
  const needed = schema.required ?? [];
  const names = needed.length ? needed : Object.keys(schema.properties ?? {}).slice(0, 2);
  return Object.fromEntries(
    names.map((/** @type {string} */ name) => [name, exampleOf(contract, schema.properties?.[name] ?? {}, name, depth + 1)]),
  );
}

/** @param {Schema} schema @param {string} type @param {string} name */
function plainExample(schema, type, name) {
  if (schema.default !== undefined && schema.default !== null) return schema.default;
  if (type === "boolean") return false;
  if (type === "integer" || type === "number") return schema.minimum || schema.exclusiveMinimum + 1 || 0;
  if (type === "null") return null;
  if (schema.format === "date-time") return "2026-11-30T12:00:00Z";
  return BY_NAME.find(([pattern]) => pattern.test(name))?.[1] ?? "…";
}

/**
 * A request that works as it stands, once $id and $key are set; null where curl is not the tool for it.
 * @param {Contract} contract
 * @param {Operation} operation
 * @param {{origin: string, withKey: boolean}} settings
 */
export function curlOf(contract, operation, { origin, withKey }) {
  if (operation.answers.some(({ status }) => status === "101")) return null;
  const path = operation.path.replace(/\{(\w+)\}/g, (_, name) => `$${name}`);
  const needed = operation.parameters.filter(({ place, isRequired }) => place === "query" && isRequired);
  const query = needed.map(({ name, schema }) => `${name}=${exampleOf(contract, schema, name)}`).join("&");
  const url = `${origin}${path}${query ? `?${query}` : ""}`;
  const parts = [`curl${streamed(operation)}`];
  const body = bodyArguments(contract, operation);
  const implied = body.length ? "POST" : "GET";
  if (operation.method === "HEAD") parts.push("--head");
  else if (operation.method !== implied) parts.push(`-X ${operation.method}`);
  if (withKey) parts.push('-H "Authorization: Bearer $key"');
  parts.push(...body, path.includes("$") ? `"${url}"` : `'${url}'`);
  return parts.join(" \\\n  ").replace(/^curl \\\n {2}/, "curl ");
}

/** @param {Operation} operation */
function streamed(operation) {
  const good = operation.answers.find(({ status }) => status.startsWith("2"));
  const kinds = (good?.bodies ?? []).map(({ kind }) => kind);
  if (kinds.includes("text/event-stream")) return " -N";
  return kinds.some((kind) => /^(image|application\/zip|\*)/.test(kind)) ? " -o result" : "";
}

/** @param {Contract} contract @param {Operation} operation @returns {string[]} */
function bodyArguments(contract, { bodies }) {
  const [body] = bodies;
  if (!body) return [];
  const { kind, schema } = body;
  if (kind === "multipart/form-data") {
    const members = Object.keys(contract.resolve(schema).properties ?? {});
    const options = members.includes("options") ? [`-F 'options=${JSON.stringify(RECIPE)}'`] : [];
    return ["-F 'file=@cat.jpg'", ...options];
  }
  if (kind === "application/json") {
    const example = JSON.stringify(exampleOf(contract, schema)).replaceAll("'", "'\\''");
    return ["-H 'Content-Type: application/json'", `-d '${example}'`];
  }
  const exact = kind.includes("*") ? "image/jpeg" : kind;
  return [`-H 'Content-Type: ${exact}'`, "--data-binary @cat.jpg"];
}
