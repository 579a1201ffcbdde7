// @ts-check
// The contract as the page needs it: groups of operations, components by name. No DOM.

/**
 * @typedef {any} Schema JSON Schema of any shape
 * @typedef {{name: string, place: string, isRequired: boolean, about: string, schema: Schema}} Parameter
 * @typedef {{kind: string, schema: Schema}} Body
 * @typedef {{status: string, about: string, headers: [string, string][], bodies: Body[], codes: string[]}} Answer
 * @typedef {object} Operation
 * @property {string} id the fragment of its address on this page
 * @property {string} method
 * @property {string} path
 * @property {string} summary
 * @property {string} about
 * @property {Parameter[]} parameters
 * @property {Body[]} bodies what it takes
 * @property {Answer[]} answers
 * @property {string} words all that a search may find it by, in lower case
 *
 * @typedef {{title: string, about: string, operations: Operation[]}} Group
 */

const METHODS = ["get", "post", "put", "patch", "delete", "head", "options"];
const REFERENCE = "#/components/schemas/";
const PROBLEM = "application/problem+json";

export class Contract {
  about;
  version;
  /** @type {Group[]} */
  groups;
  /** @type {Map<string, Schema>} */
  schemas;
  /** Codes of refusals and their titles. @type {[string, string][]} */
  problems;

  /** @param {any} document OpenAPI 3.1 */
  constructor(document) {
    this.about = document.info.description ?? "";
    this.version = document.info.version;
    this.schemas = new Map(Object.entries(document.components?.schemas ?? {}));
    this.problems = Object.entries(this.schemas.get("Problem")?.["x-titles"] ?? {});
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      METHODS.filter((method) => methods[method]).map((method) => ({
        tag: methods[method].tags?.[0] ?? "",
        operation: operationOf(path, method, methods[method]),
      })),
    );
    const tags = [...document.tags, { name: "", description: "" }];
    this.groups = tags
      .map(({ name, description }) => ({
        title: name,
        about: description ?? "",
        operations: operations.filter(({ tag }) => tag === name).map(({ operation }) => operation),
      }))
      .filter((group) => group.operations.length);
  }

  /** What a `$ref` stands for, else the schema itself. @param {Schema} schema @returns {Schema} */
  resolve(schema) {
    const name = nameOf(schema);
    return name ? (this.schemas.get(name) ?? {}) : schema;
  }
}

/** The component that a schema refers to. @param {Schema} schema @returns {string | null} */
export function nameOf(schema) {
  const reference = schema?.$ref;
  return typeof reference === "string" && reference.startsWith(REFERENCE) ? reference.slice(REFERENCE.length) : null;
}

/** @param {string} path @param {string} method @param {any} told @returns {Operation} */
function operationOf(path, method, told) {
  const parameters = (told.parameters ?? []).map(parameterOf);
  const answers = Object.entries(told.responses ?? {}).map(([status, answer]) => answerOf(status, answer));
  const words = [method, path, told.summary, told.description, told.operationId];
  words.push(...parameters.flatMap((/** @type {Parameter} */ one) => [one.name, one.about]));
  words.push(...answers.flatMap(({ codes }) => codes));
  return {
    id: told.operationId,
    method: method.toUpperCase(),
    path,
    summary: told.summary ?? "",
    about: told.description ?? "",
    parameters,
    bodies: bodiesOf(told.requestBody),
    answers,
    words: words.join(" ").toLowerCase(),
  };
}

/** @param {any} told @returns {Parameter} */
function parameterOf({ name, in: place, required, description, schema, content }) {
  const [body] = bodiesOf({ content });
  return { name, place, isRequired: Boolean(required), about: description ?? "", schema: schema ?? body?.schema ?? {} };
}

/** @param {any} holder of `content` @returns {Body[]} */
function bodiesOf(holder) {
  return Object.entries(holder?.content ?? {}).map(([kind, { schema }]) => ({ kind, schema: schema ?? {} }));
}

/** @param {string} status @param {any} told @returns {Answer} */
function answerOf(status, told) {
  const headers = Object.entries(told.headers ?? {});
  return {
    status,
    about: told.description ?? "",
    headers: headers.map(([name, header]) => [name, header.description ?? ""]),
    bodies: bodiesOf(told).filter(({ kind }) => kind !== PROBLEM),
    codes: Object.keys(told.content?.[PROBLEM]?.examples ?? {}),
  };
}
