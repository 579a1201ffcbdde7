// @ts-check
// Uploads that a closed page left behind: whoever chooses the same files again sends the rest only.

import { text } from "../texts.js";

const MOST_NAMES = 3;

/** @param {HTMLElement} line @param {{name: string}[]} begun */
export function showUnfinished(line, begun) {
  line.hidden = begun.length === 0;
  if (!begun.length) return;
  const names = begun.slice(0, MOST_NAMES).map(({ name }) => name);
  const more = begun.length > MOST_NAMES ? " …" : "";
  line.textContent = text("unfinished.told", { count: begun.length, names: names.join(", ") + more });
}
