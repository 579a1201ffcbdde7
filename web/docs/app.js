// @ts-check
// The wiring of the API docs: the contract, the list beside it, and what the reader looks for.

import { SafelightClient } from "../client.js";
import "../elements/docs-nav.js";
import "../elements/docs-operation.js";
import { element, members, spoken, typed } from "../elements/docs-text.js";
import "../elements/page-header.js";
import { text } from "../texts.js";
import { Contract } from "./contract.js";
import { curlOf, exampleOf } from "./example.js";
import { found } from "./search.js";

/** @template {Element} E @param {string} selector */
const one = (selector) => /** @type {E} */ (document.querySelector(selector));

const client = new SafelightClient();
/** @type {import("../elements/page-header.js").PageHeader} */ (one("page-header")).client = client;
/** @type {import("../elements/docs-nav.js").DocsNav} */
const nav = one("docs-nav");
const announcer = one("#announcer");

document.addEventListener("text-copied", (event) => {
  const { copied } = /** @type {CustomEvent} */ (event).detail;
  announcer.textContent = text(copied ? "copy.announced" : "copy.failed");
});
client.connect();
draw();

async function draw() {
  try {
    const [document_, offer] = await Promise.all([
      client.getJson("/openapi.json"),
      client.offer().catch(() => ({ keyNeeded: false })), // then the curls come without a key
    ]);
    show(new Contract(document_), offer.keyNeeded);
  } catch (error) {
    one("#docs-lead").textContent = text("docs.away", { why: /** @type {Error} */ (error).message });
  }
  document.body.toggleAttribute("data-ready", true);
  goToFragment();
}

/** @param {Contract} contract @param {boolean} withKey */
function show(contract, withKey) {
  one("#docs-lead").replaceChildren(...spoken(contract.about));
  one("#docs-version").textContent = text("docs.version", { version: contract.version });
  nav.groups = contract.groups;
  one("#docs-content").replaceChildren(
    ...contract.groups.map((group) => groupSection(contract, group, withKey)),
    schemaSection(contract),
    problemSection(contract),
  );
  const operations = contract.groups.flatMap((group) => group.operations);
  document.addEventListener("search-changed", (event) => {
    const { wanted } = /** @type {CustomEvent} */ (event).detail;
    narrow(found(operations, wanted), Boolean(wanted.trim()));
  });
  addEventListener("hashchange", goToFragment);
}

/** @param {Contract} contract @param {import("./contract.js").Group} group @param {boolean} withKey */
function groupSection(contract, { title, about, operations }, withKey) {
  const shown = operations.map((operation) => {
    const article = /** @type {import("../elements/docs-operation.js").DocsOperation} */ (document.createElement("docs-operation"));
    article.shown = {
      operation,
      curl: curlOf(contract, operation, { origin: location.origin, withKey }),
      exampleOf: ({ kind, schema }) =>
        kind === "application/json" ? JSON.stringify(exampleOf(contract, schema), null, 2) : null,
    };
    return article;
  });
  return element("section", "docs-section", element("h2", "", title), element("p", "docs-about", ...spoken(about)), ...shown);
}

/** @param {Contract} contract */
function schemaSection({ schemas }) {
  const items = [...schemas].map(([name, schema]) => {
    const item = element("article", "docs-schema", element("h3", "", name));
    item.id = `schema-${name}`;
    if (schema.description) item.append(element("p", "docs-about", ...spoken(schema.description)));
    item.append(members(schema) ?? typed(schema));
    return item;
  });
  const section = element("section", "docs-section docs-components", element("h2", "", text("docs.schemas")), ...items);
  section.id = "schemas";
  return section;
}

/** @param {Contract} contract */
function problemSection({ problems }) {
  const items = problems.map(([code, title]) => {
    const item = element("li", "docs-problem", element("code", "", code), element("span", "", title));
    item.id = `problem-${code}`;
    return item;
  });
  const about = element("p", "docs-about", ...spoken(text("docs.problemsAbout")));
  return element("section", "docs-section docs-components", element("h2", "", text("docs.problems")), about, element("ul", "docs-problems", ...items));
}

/** @param {Set<string>} ids @param {boolean} isNarrowed */
function narrow(ids, isNarrowed) {
  nav.found = { ids, isNarrowed };
  for (const operation of document.querySelectorAll("docs-operation")) {
    /** @type {HTMLElement} */ (operation).hidden = !ids.has(operation.id);
  }
  for (const section of document.querySelectorAll(".docs-section")) {
    const operations = [...section.querySelectorAll("docs-operation")];
    /** @type {HTMLElement} */ (section).hidden = isNarrowed && operations.every((each) => /** @type {HTMLElement} */ (each).hidden);
  }
}

/** The address may name what was not there yet when the browser looked, or what the search has hidden. */
function goToFragment() {
  const id = decodeURIComponent(location.hash.slice(1));
  const target = id && document.getElementById(id);
  if (!target) return;
  if (target.closest("[hidden]")) {
    target.hidden = false;
    const section = /** @type {HTMLElement | null} */ (target.closest(".docs-section"));
    if (section) section.hidden = false;
  }
  nav.current = id;
  target.tabIndex = -1;
  target.scrollIntoView();
  target.focus({ preventScroll: true });
}
