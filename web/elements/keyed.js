// @ts-check
// Changing what is there instead of drawing it anew: focus, selection and screen readers stay where they are.

/**
 * Give a list one element per item, in their order; the element of a key that was there stays.
 * @template Item
 * @param {Element} parent whose children are all made here
 * @param {Item[]} items
 * @param {{key: (item: Item) => string, make: (item: Item) => HTMLElement, fill: (element: HTMLElement, item: Item) => void}} ways
 */
export function keyed(parent, items, { key, make, fill }) {
  const before = new Map([...parent.children].map((child) => [/** @type {HTMLElement} */ (child).dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    const element = /** @type {HTMLElement} */ (before.get(name) ?? make(item));
    before.delete(name);
    element.dataset.key = name;
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
    fill(element, item); // now that elements in it are what they are
  }
  for (const left of before.values()) left.remove();
}

/** Texts are written only where they differ. @param {ParentNode} root @param {string} selector @param {string} words */
export function write(root, selector, words) {
  const element = root.querySelector(selector);
  if (!element) throw new Error(`no ${selector} here`);
  if (element.textContent !== words) element.textContent = words;
}

/** @param {Element} element @param {string} name @param {string | null} value null takes it away */
export function mark(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}
