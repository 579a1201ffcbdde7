// @ts-check
// <docs-operation>: one operation of the contract, with its parameters, bodies, answers and a curl to copy.

import "./copy-button.js";
import { typeOf } from "../docs/words.js";
import { text } from "../texts.js";
import { element, members, row, spoken, typed } from "./docs-text.js";

/**
 * @typedef {import("../docs/contract.js").Operation} Operation
 * @typedef {import("../docs/contract.js").Body} Body
 * @typedef {import("../docs/contract.js").Answer} Answer
 */

export class DocsOperation extends HTMLElement {
  /** @param {{operation: Operation, curl: string | null, exampleOf: (body: Body) => string | null}} shown */
  set shown({ operation, curl, exampleOf }) {
    this.id = operation.id;
    this.replaceChildren(
      head(operation),
      ...(operation.about ? [element("p", "docs-about", ...spoken(operation.about))] : []),
      ...(curl ? [copied(curl)] : []),
      ...parametersOf(operation),
      ...bodiesOf(operation, exampleOf),
      ...answersOf(operation, exampleOf),
    );
  }
}

/** @param {Operation} operation */
function head({ id, method, path, summary }) {
  const link = element("a", "docs-link", summary);
  link.href = `#${id}`;
  const address = element("p", "docs-address", badge(method), " ", element("code", "docs-path", ...breakable(path)));
  return element("header", "docs-operation-head", element("h3", "", link), address);
}

/** @param {string} method */
export function badge(method) {
  const made = element("span", "docs-method", method);
  made.dataset.method = method;
  return made;
}

/** A long path may break after each slash. @param {string} path @returns {(Node | string)[]} */
function breakable(path) {
  return path.split("/").flatMap((piece, index) => (index ? ["/", element("wbr"), piece] : [piece]));
}

/** @param {string} curl */
function copied(curl) {
  const button = /** @type {import("./copy-button.js").CopyButton} */ (document.createElement("copy-button"));
  button.setAttribute("label", "docs.copyCurl");
  button.setAttribute("short", "docs.copy");
  button.value = curl;
  const code = element("pre", "docs-code", element("code", "", curl));
  code.tabIndex = 0; // wider than the screen it can be moved by keys
  return element("div", "docs-curl", code, button);
}

/** @param {Operation} operation */
function parametersOf({ parameters }) {
  if (!parameters.length) return [];
  const rows = parameters.map(({ name, place, isRequired, about, schema }) =>
    row({ name, schema, about, note: [text(PLACES[place] ?? "docs.inQuery"), isRequired ? text("docs.needed") : ""].filter(Boolean).join(", ") }),
  );
  return [element("h4", "", text("docs.parameters")), element("ul", "docs-members", ...rows)];
}

/** @type {Record<string, import("../texts.js").TextKey>} */
const PLACES = { path: "docs.inPath", query: "docs.inQuery", header: "docs.inHeader" };

/** @param {Operation} operation @param {(body: Body) => string | null} exampleOf */
function bodiesOf({ bodies }, exampleOf) {
  if (!bodies.length) return [];
  return [element("h4", "", text("docs.body")), ...bodies.map((body, index) => folded(body, { exampleOf, isOpen: index === 0 }))];
}

/** @param {Body} body @param {{exampleOf: (body: Body) => string | null, isOpen?: boolean}} settings */
function folded(body, { exampleOf, isOpen = false }) {
  const words = typeOf(body.schema).map((piece) => piece.words);
  const title = element("summary", "", element("code", "", body.kind), " ", element("span", "docs-type", ...words));
  const fold = element("details", "docs-fold", title);
  // Most are never looked into: what is in them is made when one is opened.
  fold.addEventListener("toggle", () => fold.append(...foldedIn(body, exampleOf)), { once: true });
  fold.open = isOpen;
  return fold;
}

/** @param {Body} body @param {(body: Body) => string | null} exampleOf */
function foldedIn(body, exampleOf) {
  const inner = members(body.schema);
  const example = exampleOf(body);
  const shown = inner ? [inner] : [element("p", "docs-whole", text("docs.see"), " ", typed(body.schema))];
  if (!example) return shown;
  const code = element("pre", "docs-code", element("code", "", example));
  code.tabIndex = 0;
  return [...shown, element("p", "docs-note", text("docs.example")), code];
}

/** @param {Operation} operation @param {(body: Body) => string | null} exampleOf */
function answersOf({ answers }, exampleOf) {
  const items = answers.map((answer) => {
    const head = element("p", "docs-answer-head", status(answer.status), " ", ...(answer.codes.length ? [] : spoken(answer.about)));
    const item = element("li", "docs-answer", head);
    if (answer.codes.length) item.append(problemsOf(answer));
    for (const [name, about] of answer.headers) {
      item.append(element("p", "docs-header", element("code", "docs-name", name), " ", ...spoken(about)));
    }
    item.append(...answer.bodies.map((body) => folded(body, { exampleOf })));
    return item;
  });
  return [element("h4", "", text("docs.answers")), element("ul", "docs-answers", ...items)];
}

/** @param {string} told */
function status(told) {
  const made = element("strong", "docs-status", told);
  made.dataset.kind = told[0];
  return made;
}

/** Refusals by their codes, each with its title. @param {Answer} answer */
function problemsOf({ codes, about }) {
  const titles = new Map(about.split("; ").map((one) => /** @type {[string, string]} */ (one.replaceAll("`", "").split(": "))));
  const items = codes.map((code) => {
    const link = element("a", "", element("code", "", code));
    link.href = `#problem-${code}`;
    return element("li", "", link, " ", titles.get(code) ?? "");
  });
  return element("ul", "docs-codes", ...items);
}

customElements.define("docs-operation", DocsOperation);
