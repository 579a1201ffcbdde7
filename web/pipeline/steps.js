// @ts-check
// From hops, the browser's and the server's, to the steps that are told: pure functions on times.

import { WAYS, partOf } from "./ways.js";

/**
 * @typedef {import("./parts.js").PartName} PartName
 *
 * @typedef {object} Hop times in ms since the visitor asked; `uncertainMs` where two clocks meet
 * @property {string} name
 * @property {string} part as the server names it
 * @property {number} startMs
 * @property {number} durationMs
 * @property {number | null} attempt
 * @property {unknown} message
 * @property {number} [uncertainMs]
 *
 * @typedef {object} Step one thing that happens, told in one sentence
 * @property {StepName} name
 * @property {PartName} part
 * @property {number} startMs
 * @property {number} durationMs
 * @property {number | null} attempt
 * @property {Hop[]} hops
 *
 * @typedef {keyof typeof HOPS_OF} StepName
 */

/** Steps, and the hops that each is made of. A name that ends in * stands for many. */
const HOPS_OF = Object.freeze({
  ask: ["ask"],
  agree: ["agree"],
  send: ["send", "request"],
  order: ["order", "wait to fetch"],
  fetch: ["fetch", "download"],
  body: ["body"],
  spool: ["spool"],
  probe: ["probe"],
  check: ["check"],
  original: ["store original"],
  admit: ["admit"],
  accepted: ["accepted"],
  shared: ["shared result"],
  wait: ["wait"],
  died: ["died"],
  back: ["given back"],
  claim: ["claim", "prepare"],
  handover: ["hand over"],
  decode: ["open", "decoding"],
  process: ["processing", "look"],
  encode: ["save *"],
  fault: ["fault"],
  answer: ["answer"],
  results: ["store results"],
  settle: ["settle"],
  notify: ["publish", "event"],
  record: ["record"],
  webhook: ["webhook"],
  deliver: ["get", "download image"],
  paint: ["paint"],
});

const STEP_OF = new Map(
  Object.entries(HOPS_OF).flatMap(([step, names]) =>
    names.map((name) => [name, /** @type {StepName} */ (step)]),
  ),
);

/** @param {string} name of a hop @returns {StepName | undefined} */
function stepOf(name) {
  return STEP_OF.get(name.startsWith("save ") ? "save *" : name);
}

/**
 * @param {Hop[]} hops in the order they are to be told
 * @returns {Step[]}
 */
export function stepsOf(hops) {
  /** @type {Step[]} */
  const steps = [];
  for (const hop of hops) {
    const name = stepOf(hop.name);
    if (!name) continue; // a newer server knows more than this page
    const part = partOf(name, WAYS[name]);
    const last = steps[steps.length - 1];
    if (last && last.name === name && last.attempt === hop.attempt) lengthen(last, hop);
    else steps.push({ name, part, startMs: hop.startMs, durationMs: hop.durationMs, attempt: hop.attempt, hops: [hop] });
  }
  return steps;
}

/** @param {Step} step @param {Hop} hop */
function lengthen(step, hop) {
  step.hops.push(hop);
  const endMs = Math.max(step.startMs + step.durationMs, hop.startMs + hop.durationMs);
  step.startMs = Math.min(step.startMs, hop.startMs);
  step.durationMs = endMs - step.startMs;
}

/**
 * Moments of the browser, in ms since 1970 by its own clock; null where there was no such moment.
 * @typedef {object} Moments
 * @property {number} asked
 * @property {number | null} agreeing the request for a URL left
 * @property {number | null} agreed and was answered
 * @property {number} sent
 * @property {number} answered
 * @property {number | null} told of its end
 * @property {number | null} getting the picture
 * @property {number | null} firstByte of it
 * @property {number | null} gotten
 * @property {number | null} painted
 *
 * @typedef {object} Trace what GET /job/{id}/trace answers
 * @property {string} jobId
 * @property {string} status
 * @property {number} atMs
 * @property {number} nowMs
 * @property {number} totalMs
 * @property {number} attempts
 * @property {boolean} cached
 * @property {Hop[]} hops
 */

/**
 * One line of hops from both clocks, all in ms since the visitor asked. What lies between the clocks
 * is stretched or cut so that nothing arrives before it left.
 * @param {Moments} moments
 * @param {Trace} trace
 * @param {{offsetMs: number, uncertainMs: number}} clock how far the server's is ahead of ours
 * @param {Record<string, unknown>} messages of the browser's hops, by name
 * @returns {Hop[]}
 */
export function merged(moments, trace, clock, messages) {
  const ours = (/** @type {number} */ at) => at - moments.asked;
  const begun = Math.max(ours(moments.sent), ours(trace.atMs - clock.offsetMs));
  const own = ownHops(moments, messages);
  const server = trace.hops.map((hop) => ({ ...hop, startMs: begun + hop.startMs }));
  const send = hop("send", ours(moments.sent), begun, messages.send, clock.uncertainMs);
  const ends = (/** @type {string} */ name) => {
    const found = server.find((one) => one.name === name);
    return found ? found.startMs + found.durationMs : null;
  };
  const accepted = between("accepted", ends("admit"), ours(moments.answered), messages.accepted, clock);
  const event = between("event", ends("publish"), moments.told === null ? null : ours(moments.told), messages.event, clock);
  const place = (/** @type {Hop[]} */ hops, /** @type {string} */ after, /** @type {Hop | null} */ one) => {
    const index = hops.findLastIndex((hop) => hop.name === after);
    return one && index >= 0 ? hops.toSpliced(index + 1, 0, one) : hops;
  };
  const middle = place(place(server, "admit", accepted), "publish", event);
  return [...own.before, send, ...middle, ...own.after];
}

/** @param {Moments} moments @param {Record<string, unknown>} messages */
function ownHops(moments, messages) {
  const { asked, agreeing, agreed, sent, getting, firstByte, gotten, painted } = moments;
  const chain = (/** @type {[string, number | null, number | null][]} */ spans) =>
    spans.flatMap(([name, from, to]) =>
      from === null || to === null ? [] : [hop(name, from - asked, to - asked, messages[name])],
    );
  return {
    before: chain([
      ["ask", asked, agreeing ?? sent],
      ["agree", agreeing, agreed],
    ]),
    after: chain([
      ["get", getting, firstByte],
      ["download image", firstByte, gotten],
      ["paint", gotten, painted],
    ]),
  };
}

/**
 * @param {string} name
 * @param {number | null} from
 * @param {number | null} to
 * @param {unknown} message
 * @param {{uncertainMs: number}} clock
 */
function between(name, from, to, message, { uncertainMs }) {
  return from === null || to === null ? null : hop(name, from, to, message, uncertainMs);
}

/** @param {string} name @param {number} from @param {number} to @param {unknown} message @param {number} [uncertainMs] @returns {Hop} */
function hop(name, from, to, message, uncertainMs = 0) {
  const durationMs = Math.max(0, to - from);
  return { name, part: "browser", startMs: from, durationMs, attempt: null, message: message ?? null, uncertainMs };
}
