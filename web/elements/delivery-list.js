// @ts-check
// <delivery-list>: the webhooks that were sent last, or are on their way.

import { formatWhen } from "../control/figures.js";
import { text } from "../texts.js";
import { icons } from "./icons.js";
import { keyed, mark, write } from "./keyed.js";
import { instance, part, template } from "./template.js";

const markup = template(`
  <h2 data-text="webhooks.title"></h2>
  <p class="deliveries-note"></p>
  <ul class="deliveries" tabindex="0" data-label="webhooks.title"></ul>`);

const rowMarkup = template(`
  <li class="delivery">
    <p class="delivery-head"><strong class="delivery-type"></strong><span class="delivery-state"></span></p>
    <p class="delivery-facts"></p>
    <p class="delivery-why"></p>
    <button type="button" class="button quiet delivery-replay" hidden>${icons.retry}<span data-text="webhooks.replay"></span></button>
  </li>`);

const STATES = /** @type {const} */ ({
  waiting: "webhooks.waiting",
  delivered: "webhooks.delivered",
  gone: "webhooks.gone",
  given_up: "webhooks.givenUp",
});

/** Dispatches `delivery-replay` with {id}. */
export class DeliveryList extends HTMLElement {
  connectedCallback() {
    if (!this.firstElementChild) this.append(instance(markup));
  }

  /** @param {any[]} deliveries of GET /webhooks/deliveries */
  set deliveries(deliveries) {
    write(this, ".deliveries-note", deliveries.length ? "" : text("webhooks.none"));
    mark(this, "data-empty", deliveries.length ? null : "");
    keyed(part(this, ".deliveries"), deliveries, {
      key: ({ id }) => id,
      make: ({ id }) => this.#row(id),
      fill: fillRow,
    });
  }

  /** @param {string} id */
  #row(id) {
    const row = /** @type {HTMLElement} */ (instance(rowMarkup).firstElementChild);
    part(row, ".delivery-replay").addEventListener("click", () =>
      this.dispatchEvent(new CustomEvent("delivery-replay", { bubbles: true, detail: { id } })),
    );
    return row;
  }
}

/** @param {HTMLElement} row @param {any} delivery */
function fillRow(row, { type, state, createdAt, endpoint, url, attempts, lastAttempt, nextAttemptAt, why }) {
  write(row, ".delivery-type", type);
  write(row, ".delivery-state", text(STATES[/** @type {keyof typeof STATES} */ (state)] ?? "webhooks.waiting"));
  mark(row, "data-state", state);
  const facts = [endpoint ?? url ?? "", formatWhen(createdAt), text("failures.attempts", { count: attempts })];
  if (nextAttemptAt) facts.push(text("webhooks.next", { when: formatWhen(nextAttemptAt) }));
  write(row, ".delivery-facts", facts.filter(Boolean).join(" · "));
  const answer = lastAttempt?.status ? text("webhooks.answered", { status: lastAttempt.status }) : (lastAttempt?.error ?? "");
  write(row, ".delivery-why", state === "delivered" ? "" : [why, answer].filter(Boolean).join(": "));
  part(row, ".delivery-replay").hidden = state === "delivered" || state === "waiting";
}

customElements.define("delivery-list", DeliveryList);
