// @ts-check
// What a schema lets through, in a few words. No DOM.

import { nameOf } from "./contract.js";

/**
 * @typedef {import("./contract.js").Schema} Schema
 * @typedef {{words: string, name: string | null}} Piece a piece of a type: a component by its name, or plain words
 */

/** @type {Record<string, string>} */
const KINDS = { string: "text", integer: "whole number", number: "number", boolean: "true or false", object: "object", null: "null" };

/** The type as pieces that are written one after the other. @param {Schema} schema @returns {Piece[]} */
export function typeOf(schema) {
  const name = nameOf(schema);
  if (name) return [{ words: name, name }];
  const choices = schema?.oneOf ?? schema?.anyOf;
  if (choices) return joined(choices.map(typeOf), " or ");
  if (schema?.const !== undefined) return plain(JSON.stringify(schema.const));
  if (schema?.enum) return plain(schema.enum.map((/** @type {unknown} */ one) => JSON.stringify(one)).join(" · "));
  if (schema?.type === "array" || schema?.items) return [...plain("list of "), ...typeOf(schema.items ?? {})];
  if (Array.isArray(schema?.type)) {
    return joined(schema.type.map((/** @type {string} */ type) => typeOf({ ...schema, type })), " or ");
  }
  if (schema?.contentMediaType) return plain(`bytes, ${schema.contentMediaType}`);
  return plain(`${KINDS[schema?.type] ?? "anything"}${schema?.format ? `, ${schema.format}` : ""}`);
}

/** Bounds and defaults: "1 to 100", "at most 64 characters". @param {Schema} schema @returns {string[]} */
export function boundsOf(schema) {
  const told = [];
  const least = schema?.minimum ?? (schema?.exclusiveMinimum === undefined ? undefined : `more than ${schema.exclusiveMinimum}`);
  if (least !== undefined && schema.maximum !== undefined) told.push(`${least} to ${schema.maximum}`);
  else if (least !== undefined) told.push(typeof least === "number" ? `at least ${least}` : least);
  else if (schema?.maximum !== undefined) told.push(`at most ${schema.maximum}`);
  if (schema?.maxLength !== undefined) told.push(`at most ${schema.maxLength} characters`);
  if (schema?.maxItems !== undefined) told.push(`at most ${schema.maxItems}`);
  if (schema?.pattern) told.push(`like ${schema.pattern}`);
  if (schema?.default !== undefined && schema.default !== null) told.push(`default ${JSON.stringify(schema.default)}`);
  return told;
}

/** The schema whose members are worth showing below: an object's own, or those of a list's items. @param {Schema} schema @returns {Schema | null} */
export function innerOf(schema) {
  if (!schema || nameOf(schema)) return null;
  if (schema.properties) return schema;
  if (schema.items) return innerOf(schema.items);
  const choices = schema.oneOf ?? schema.anyOf;
  return choices?.map(innerOf).find(Boolean) ?? null;
}

/** @param {string} words @returns {Piece[]} */
const plain = (words) => [{ words, name: null }];

/** @param {Piece[][]} lists @param {string} between */
const joined = (lists, between) => lists.flatMap((one, index) => (index ? [...plain(between), ...one] : one));
