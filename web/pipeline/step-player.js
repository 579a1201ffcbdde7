// @ts-check
// <step-player>: play, pause, step, scrub; by mouse and by keyboard.

import { instance, part, template } from "../elements/template.js";
import { text } from "../texts.js";
import { formatMs } from "./duration.js";

/** @typedef {import("./playback.js").Playback} Playback */

const drawn = (/** @type {string} */ path) =>
  `<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">${path}</svg>`;
const PLAY = drawn(`<path d="M8 5.5v13l10.5-6.5z" fill="currentColor"/>`);
const PAUSE = drawn(`<path d="M8.5 6v12M15.5 6v12" stroke-width="3.2"/>`);

const markup = template(`
  <div class="player" role="group" data-label="pipeline.player">
    <button type="button" class="button icon-only player-back" data-label="player.back" data-title="player.back">${drawn(`<path d="M17 6v12L9 12zM7 6v12" fill="currentColor"/>`)}</button>
    <button type="button" class="button icon-only player-toggle"></button>
    <button type="button" class="button icon-only player-forward" data-label="player.forward" data-title="player.forward">${drawn(`<path d="M7 6v12l8-6zM17 6v12" fill="currentColor"/>`)}</button>
    <label class="field player-scrub"><span class="visually-hidden" data-text="player.scrub"></span>
      <input type="range" min="0" max="0" step="1" value="0"></label>
    <label class="player-speed"><span class="visually-hidden" data-text="player.speed"></span>
      <select><option value="0.5">½×</option><option value="1" selected>1×</option><option value="2">2×</option><option value="4">4×</option></select></label>
    <span class="player-keys" data-text="player.keys"></span>
  </div>`);

/** Give it a `playback`. */
export class StepPlayer extends HTMLElement {
  /** @type {Playback | null} */
  #playback = null;
  /** @type {AbortController | null} */
  #listening = null;

  connectedCallback() {
    if (!this.firstElementChild) {
      this.append(instance(markup));
      part(this, ".player-toggle").append(template(PLAY).content);
    }
    if (this.#playback) this.playback = this.#playback;
  }

  disconnectedCallback() {
    this.#listening?.abort();
  }

  /** @param {Playback} playback */
  set playback(playback) {
    this.#playback = playback;
    this.#listening?.abort();
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const press = (/** @type {string} */ selector, /** @type {() => void} */ act) =>
      part(this, selector).addEventListener("click", act, { signal });
    press(".player-toggle", () => playback.toggle());
    press(".player-back", () => playback.walk(-1));
    press(".player-forward", () => playback.walk(1));
    this.#scrubber.addEventListener("input", () => playback.walk(Number(this.#scrubber.value) - playback.index), { signal });
    const speed = /** @type {HTMLSelectElement} */ (part(this, "select"));
    speed.addEventListener("change", () => (playback.speed = Number(speed.value)), { signal });
    playback.addEventListener("position-changed", () => this.#show(), { signal });
    playback.addEventListener("playing-changed", () => this.#showPlaying(), { signal });
    document.addEventListener("keydown", (event) => this.#pressed(event), { signal });
    this.#show();
    this.#showPlaying();
  }

  get #scrubber() {
    return /** @type {HTMLInputElement} */ (part(this, "input"));
  }

  /** Keys that nothing else on the page wants. @param {KeyboardEvent} event */
  #pressed(event) {
    const playback = this.#playback;
    if (!playback?.steps.length || this.closest("[hidden]") || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = /** @type {Element} */ (event.target);
    if (target.closest("input, select, textarea, summary, [tabindex='0']")) return;
    if (event.key === " " && target.closest("button, a")) return;
    const acts = {
      " ": () => playback.toggle(),
      ArrowLeft: () => playback.walk(-1),
      ArrowRight: () => playback.walk(1),
      Home: () => playback.walk(-playback.index),
      End: () => playback.walk(playback.steps.length),
    };
    const act = acts[/** @type {keyof typeof acts} */ (event.key)];
    if (!act) return;
    event.preventDefault();
    act();
  }

  #show() {
    const { steps, index, step, share } = /** @type {Playback} */ (this.#playback);
    const scrubber = this.#scrubber;
    for (const control of this.querySelectorAll("button, input, select")) {
      /** @type {HTMLButtonElement} */ (control).disabled = !step;
    }
    if (!step) return scrubber.style.setProperty("--filled", "0%");
    scrubber.max = String(steps.length - 1);
    scrubber.value = String(index);
    scrubber.style.setProperty("--filled", `${(100 * (index + (index < steps.length - 1 ? share : 0))) / Math.max(1, steps.length - 1)}%`);
    const told = { number: index + 1, count: steps.length, time: formatMs(step.durationMs) };
    scrubber.setAttribute("aria-valuetext", text("player.value", { ...told, title: text(`step.${step.name}`) }));
  }

  #showPlaying() {
    const { isPlaying } = /** @type {Playback} */ (this.#playback);
    const toggle = part(this, ".player-toggle");
    toggle.replaceChildren(template(isPlaying ? PAUSE : PLAY).content);
    toggle.title = text(isPlaying ? "player.pause" : "player.play");
    toggle.setAttribute("aria-label", toggle.title);
  }
}

customElements.define("step-player", StepPlayer);
