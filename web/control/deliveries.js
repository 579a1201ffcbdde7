// @ts-check
// The webhooks of the service; where there is no such list, or none was ever sent, nothing is shown of it.

import { stylesheet } from "../elements/stylesheet.js";

const LISTED = 20;

export class Deliveries {
  #client;
  #place;
  #isMissing = false;

  /** @param {import("../client.js").SafelightClient} client @param {HTMLElement} place where the list stands */
  constructor(client, place) {
    this.#client = client;
    this.#place = place;
  }

  async load() {
    if (this.#isMissing) return;
    try {
      const { deliveries } = await this.#client.getJson(`/webhooks/deliveries?limit=${LISTED}`);
      if (deliveries.length || this.#place.firstElementChild) await this.#show(deliveries);
    } catch (error) {
      // A service without webhooks, or a key that may not see them: the headline says what matters.
      this.#isMissing = /** @type {import("../client.js").Problem} */ (error).status === 404;
    }
  }

  /** @param {string} id */
  async replay(id) {
    await this.#client.post(`/webhooks/deliveries/${encodeURIComponent(id)}/replay`).catch(() => undefined); // the list shows it
    await this.load();
  }

  /** @param {any[]} deliveries */
  async #show(deliveries) {
    await Promise.all([import("../elements/delivery-list.js"), stylesheet("deliveries")]);
    let list = this.#place.querySelector("delivery-list");
    if (!list) this.#place.append((list = document.createElement("delivery-list")));
    this.#place.hidden = false;
    /** @type {import("../elements/delivery-list.js").DeliveryList} */ (list).deliveries = deliveries;
  }
}
