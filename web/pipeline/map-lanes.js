// @ts-check
// The lanes of the service as a list within the map.

const MOST_LANES = 16;

/**
 * Says whether there are other lanes than before.
 * @param {HTMLElement} list
 * @param {import("./service.js").LaneShown[]} lanes
 * @param {Set<string | null>} busy keys of those with a picture
 */
export function showLanes(list, lanes, busy) {
  let hasChanged = false;
  const shown = new Map([...list.children].map((item) => [/** @type {HTMLElement} */ (item).dataset.key, item]));
  for (const { key, name, state } of lanes.slice(0, MOST_LANES)) {
    const item = /** @type {HTMLElement} */ (shown.get(key) ?? document.createElement("li"));
    shown.delete(key);
    item.className = "map-lane";
    item.dataset.key = key;
    item.dataset.state = state === "idle" && busy.has(key) ? "working" : state;
    item.textContent = name;
    if (item.parentElement) continue;
    list.append(item);
    hasChanged = true;
  }
  for (const gone of shown.values()) gone.remove();
  return hasChanged || shown.size > 0;
}
