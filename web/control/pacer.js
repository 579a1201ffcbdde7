// @ts-check
// Does something when asked, not more often than once in a while, and never twice at a time.

export class Pacer {
  #work;
  #pause_ms;
  #isBusy = false;
  #isWanted = false;

  /** @param {() => Promise<unknown>} work @param {{pause_ms: number}} settings */
  constructor(work, { pause_ms }) {
    this.#work = work;
    this.#pause_ms = pause_ms;
  }

  /** Now, or as soon as the last time is over and the pause after it. */
  async ask() {
    this.#isWanted = true;
    if (this.#isBusy) return;
    this.#isBusy = true;
    while (this.#isWanted) {
      this.#isWanted = false;
      await this.#work();
      await new Promise((resolve) => setTimeout(resolve, this.#pause_ms));
    }
    this.#isBusy = false;
  }
}
