// @ts-check
// <lane-board>: every node with its lanes, and what each does at this moment.

import "./bound-bar.js";
import { formatCount } from "../control/figures.js";
import { formatBytes, formatPercent } from "../format.js";
import { text } from "../texts.js";
import { keyed, mark, write } from "./keyed.js";
import { instance, part, template } from "./template.js";

const markup = template(`<h2 data-text="lanes.title"></h2><div class="nodes"></div>`);

const nodeMarkup = template(`
  <section class="node">
    <header class="node-head"><h3><span data-text="lanes.node"></span> <code class="node-name"></code></h3><p class="node-facts"></p></header>
    <bound-bar class="node-budget"></bound-bar>
    <ul class="lanes"></ul>
  </section>`);

const laneMarkup = template(`
  <li class="lane">
    <p class="lane-head"><span class="lane-name"></span><span class="lane-state"></span></p>
    <div class="lane-work">
      <p class="lane-doing"><span class="lane-stage"></span> <code class="lane-job"></code><span class="lane-percent"></span></p>
      <progress max="100" value="0"></progress>
    </div>
    <p class="lane-facts"><span class="lane-jobs"></span><span class="lane-memory"></span><span class="lane-restarts"></span></p>
  </li>`);

const STATES = /** @type {const} */ ({
  idle: "lane.idle",
  working: "lane.working",
  starting: "lane.starting",
  gone: "lane.gone",
});

const STAGES = /** @type {const} */ ({
  decoding: "stage.decoding",
  processing: "stage.processing",
  enhancing: "stage.enhancing",
  upscaling: "stage.upscaling",
  encoding: "stage.encoding",
  storing: "stage.storing",
});

export class LaneBoard extends HTMLElement {
  connectedCallback() {
    if (!this.firstElementChild) this.append(instance(markup));
  }

  /** @param {any[]} nodes of a `system` message */
  set nodes(nodes) {
    keyed(part(this, ".nodes"), nodes, {
      key: ({ node }) => node,
      make: () => /** @type {HTMLElement} */ (instance(nodeMarkup).firstElementChild),
      fill: fillNode,
    });
  }
}

/** @param {HTMLElement} element @param {any} node */
function fillNode(element, node) {
  write(element, ".node-name", node.node);
  mark(element, "data-gone", node.isGone ? "" : null);
  const facts = node.role === "all" ? [] : [node.role];
  facts.push(text("lanes.memory", { bytes: formatBytes(node.rssBytes) }));
  if (node.fetching) facts.push(text("lanes.fetching", { count: node.fetching }));
  write(element, ".node-facts", node.isGone ? text("lanes.silent") : facts.join(" · "));
  /** @type {import("./bound-bar.js").BoundBar} */ (part(element, ".node-budget")).bound = {
    name: text("lanes.budget"),
    value: text("bound.of", { used: formatBytes(node.budgetUsedBytes), limit: formatBytes(node.budgetBytes) }),
    share: node.budgetBytes ? node.budgetUsedBytes / node.budgetBytes : null,
  };
  keyed(part(element, ".lanes"), node.lanes, {
    key: ({ name }) => name,
    make: () => /** @type {HTMLElement} */ (instance(laneMarkup).firstElementChild),
    fill: fillLane,
  });
}

/** @param {HTMLElement} element @param {any} lane */
function fillLane(element, lane) {
  const isWorking = lane.state === "working" && lane.jobId;
  write(element, ".lane-name", lane.name);
  write(element, ".lane-state", text(STATES[/** @type {keyof typeof STATES} */ (lane.state)] ?? "lane.idle"));
  mark(element, "data-state", lane.state);
  const stage = STAGES[/** @type {keyof typeof STAGES} */ (lane.stage)];
  write(element, ".lane-stage", isWorking ? (stage ? text(stage) : text("lane.begins")) : text("lane.nothing"));
  write(element, ".lane-job", isWorking ? lane.jobId : "");
  write(element, ".lane-percent", isWorking && lane.progress !== null ? formatPercent(lane.progress) : "");
  /** @type {HTMLProgressElement} */
  const bar = part(element, "progress");
  mark(bar, "aria-label", text("lane.bar", { lane: lane.name }));
  bar.value = isWorking ? (lane.progress ?? 0) : 0;
  write(element, ".lane-jobs", text("lane.jobs", { count: lane.jobs, jobs: formatCount(lane.jobs) }));
  write(element, ".lane-memory", lane.rssBytes ? formatBytes(lane.rssBytes) : "–");
  const reasons = Object.entries(lane.restartReasons).map(([reason, times]) => `${reason} ×${times}`);
  const restarts = text("lane.restarts", { count: lane.restarts });
  write(element, ".lane-restarts", reasons.length ? `${restarts}: ${reasons.join(", ")}` : restarts);
}

customElements.define("lane-board", LaneBoard);
