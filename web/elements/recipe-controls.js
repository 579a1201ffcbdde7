// @ts-check
// A control for each field of a recipe's schema: drawn, read and written; what is empty is not said.

import { text } from "../texts.js";

/** @typedef {import("../darkroom/schema.js").Field} Field */
/**
 * @typedef {object} Control
 * @property {HTMLElement} element
 * @property {() => unknown} read undefined where nothing is said
 * @property {(value: unknown) => void} write
 */

let drawn = 0;

/** @param {Field} field @returns {Control} */
export function controlFor(field) {
  return DRAW[field.kind](field);
}

/** All fields of a recipe or a group as one control of an object. @param {Field[]} fields @returns {Control} */
export function controlsFor(fields) {
  const controls = fields.map((field) => ({ name: field.name, ...controlFor(field) }));
  return {
    element: make("div", { className: "extra-fields" }, ...controls.map(({ element }) => element)),
    read() {
      const said = controls.map(({ name, read }) => [name, read()]);
      return Object.fromEntries(said.filter(([, value]) => value !== undefined));
    },
    write(value) {
      const values = /** @type {Record<string, unknown>} */ (value ?? {});
      for (const { name, write } of controls) write(values[name]);
    },
  };
}

/** camelCase as words: maxBytes is "Max bytes". @param {string} name */
export function labelOf(name) {
  const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return words[0].toUpperCase() + words.slice(1);
}

/** @template {keyof HTMLElementTagNameMap} T @param {T} tag @param {object} properties @param {...(Node | string)} children */
export function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** @type {Record<Field["kind"], (field: Field) => Control>} */
const DRAW = {
  switch: (field) => (field.isOptional ? drawTernary(field) : drawSwitch(field)),
  choice: drawChoice,
  number: (field) => (field.words.length ? drawNumberOrWord(field) : drawNumber(field)),
  text: drawText,
  list: drawList,
  group: drawGroup,
  rows: drawRows,
};

/** @param {Field} field @returns {Control} */
function drawSwitch(field) {
  const input = make("input", { type: "checkbox" });
  return {
    element: labelled(field, input),
    read: () => (input.checked === Boolean(field.fallback) ? undefined : input.checked),
    write: (value) => void (input.checked = Boolean(value ?? field.fallback)),
  };
}

/** @param {Field} field @returns {Control} */
function drawTernary(field) {
  const words = { true: text("extra.yes"), false: text("extra.no") };
  const select = selectOf(field, Object.entries(words));
  return {
    element: labelled(field, select),
    read: () => (select.value ? select.value === "true" : undefined),
    write: (value) => void (select.value = String(value ?? "")),
  };
}

/** @param {Field} field @returns {Control} */
function drawChoice(field) {
  const select = selectOf(field, field.choices.map((choice) => [String(choice), String(choice)]));
  return {
    element: labelled(field, select),
    read: () => field.choices.find((choice) => String(choice) === select.value), // a number stays one
    write: (value) => void (select.value = String(value ?? "")),
  };
}

/** @param {Field} field @returns {Control} */
function drawNumber(field) {
  const { minimum = "", maximum = "", isWhole, isNeeded } = field;
  const input = make("input", { type: "number", step: isWhole ? "1" : "any", required: isNeeded });
  Object.assign(input, { min: String(minimum), max: String(maximum), placeholder: fallbackText(field) });
  return {
    element: labelled(field, input),
    read: () => (input.value ? input.valueAsNumber : undefined),
    write: (value) => void (input.value = String(value ?? "")),
  };
}

/** @param {Field} field @returns {Control} */
function drawNumberOrWord(field) {
  const input = make("input", { type: "text", placeholder: fallbackText(field) });
  const checked = () => (isGood(field, input.value) ? "" : text("extra.range", bounds(field)));
  input.addEventListener("input", () => input.setCustomValidity(checked()));
  return {
    element: labelled(field, input),
    read: () => (input.value ? scalar(field, input.value) : undefined),
    write(value) {
      input.value = String(value ?? "");
      input.setCustomValidity("");
    },
  };
}

/** @param {Field} field @returns {Control} */
function drawText(field) {
  const input = make("input", { type: "text", required: field.isNeeded, placeholder: fallbackText(field) || field.example || "" });
  const list = datalist(field);
  if (list) input.setAttribute("list", list.id);
  const pattern = new RegExp(field.pattern ?? "", "u"); // the attribute would read it by other rules
  const checked = () => (!input.value || pattern.test(input.value) ? "" : text("extra.like", { example: field.example ?? "" }));
  input.addEventListener("input", () => input.setCustomValidity(checked()));
  return {
    element: labelled(field, input, list),
    read: () => input.value || undefined,
    write(value) {
      input.value = String(value ?? "");
      input.setCustomValidity("");
    },
  };
}

/** Values with commas between them, as their order counts. @param {Field} field @returns {Control} */
function drawList(field) {
  const item = /** @type {Field} */ (field.item);
  const input = make("input", { type: "text", required: field.isNeeded, placeholder: fallbackText(field) || field.example || "" });
  const parts = () => input.value.split(",").map((part) => part.trim()).filter(Boolean);
  const checked = () => parts().length <= (field.most ?? Infinity) && parts().every((part) => isGood(item, part));
  input.addEventListener("input", () => input.setCustomValidity(checked() ? "" : text("extra.list", bounds(item))));
  return {
    element: labelled(field, input),
    read: () => (parts().length ? parts().map((part) => scalar(item, part)) : undefined),
    write(value) {
      input.value = /** @type {unknown[]} */ (value ?? []).join(", ");
      input.setCustomValidity("");
    },
  };
}

/** A step with settings: none of them counts before it is switched on. @param {Field} field @returns {Control} */
function drawGroup(field) {
  const inner = controlsFor(field.fields);
  const use = make("input", { type: "checkbox" });
  const settings = make("fieldset", { disabled: true, hidden: true }, inner.element);
  settings.setAttribute("aria-label", labelOf(field.name));
  const show = () => void (settings.disabled = settings.hidden = !use.checked);
  use.addEventListener("input", show);
  return {
    element: make("div", { className: "extra-group" }, labelled(field, use), settings),
    read: () => (use.checked ? inner.read() : undefined),
    write(value) {
      use.checked = value !== undefined && value !== null;
      show();
      inner.write(value);
    },
  };
}

/** @param {Field} field @returns {Control} */
function drawRows(field) {
  /** @type {Map<Element, Control>} */
  const rows = new Map();
  const list = make("div", { className: "extra-rows" });
  const add = make("button", { type: "button", className: "button" }, text("extra.add", { name: labelOf(field.name) }));
  /** @param {unknown} value */
  const append = (value) => {
    const inner = controlsFor(field.fields);
    const remove = make("button", { type: "button", className: "button quiet" }, text("extra.remove"));
    const row = make("fieldset", { className: "extra-row" }, inner.element, remove);
    row.setAttribute("aria-label", labelOf(field.name));
    remove.addEventListener("click", () => {
      row.remove();
      rows.delete(row);
      count();
    });
    inner.write(value);
    rows.set(row, inner);
    list.append(row);
  };
  const count = () => {
    add.disabled = rows.size >= (field.most ?? Infinity);
    list.dispatchEvent(new Event("input", { bubbles: true }));
  };
  add.addEventListener("click", () => {
    append(undefined);
    count();
    list.lastElementChild?.querySelector("input")?.focus();
  });
  const about = make("p", { className: "extra-about" }, field.about);
  return {
    element: make("div", { className: "extra-group" }, make("span", {}, labelOf(field.name)), about, list, add),
    read: () => (rows.size ? [...rows.values()].map((row) => row.read()) : undefined),
    write(value) {
      list.replaceChildren();
      rows.clear();
      /** @type {unknown[]} */ (value ?? []).forEach(append);
    },
  };
}

/** @param {Field} field @param {string[][]} entries value and word @returns {HTMLSelectElement} */
function selectOf(field, entries) {
  const unsaid = make("option", { value: "" }, fallbackText(field) || text("extra.unsaid"));
  const options = entries.map(([value, word]) => make("option", { value }, word));
  return make("select", { required: field.isNeeded }, unsaid, ...options);
}

/** What the server has a use for: names of watermarks, of fonts. @param {Field} field */
function datalist({ suggestions }) {
  if (!suggestions.length) return null;
  return make("datalist", { id: `extra-list-${(drawn += 1)}` }, ...suggestions.map((value) => make("option", { value })));
}

/** The label, the control, and a line on what it means and takes. @param {Field} field @param {HTMLElement} control @param {HTMLElement | null} [list] */
function labelled(field, control, list = null) {
  const id = `extra-${(drawn += 1)}`;
  const name = field.unit ? `${labelOf(field.name)} (${field.unit})` : labelOf(field.name);
  const about = make("p", { className: "extra-about", id }, [field.about, hint(field)].filter(Boolean).join(" "));
  control.setAttribute("aria-describedby", id);
  control.dataset.setting = field.name;
  const isSwitch = control instanceof HTMLInputElement && control.type === "checkbox";
  const label = isSwitch ? make("label", { className: "extra-switch" }, control, name) : make("label", { className: "field" }, name, control);
  return make("div", { className: "extra-field" }, label, about, ...(list ? [list] : []));
}

/** @param {Field} field */
function hint(field) {
  const { minimum, fallback } = field;
  const range = minimum === undefined ? "" : text("extra.range", bounds(field));
  const unsaid = fallback === null || fallback === undefined || field.kind === "group" ? "" : JSON.stringify(fallback);
  const isTold = unsaid && unsaid !== "false" && unsaid !== "[]";
  return [range, isTold ? text("extra.default", { value: unsaid.replaceAll('"', "") }) : ""].filter(Boolean).join(" ");
}

/** @param {Field} field */
function bounds({ minimum, maximum, words, choices }) {
  if (choices.length) return { values: choices.join(", ") };
  const range = minimum === undefined ? "" : text("extra.from", { minimum, maximum: maximum ?? "" });
  return { values: [range, ...words].filter(Boolean).join(", ") };
}

/** @param {Field} field */
function fallbackText({ fallback }) {
  if (fallback === null || fallback === undefined) return "";
  return [fallback].flat().join(", ");
}

/** @param {Field} field @param {string} value */
function isGood({ kind, words, choices, minimum = -Infinity, maximum = Infinity, isWhole }, value) {
  if (value === "" || words.includes(value)) return true;
  if (choices.length) return choices.map(String).includes(value);
  const amount = Number(value);
  return kind !== "number" || (amount >= minimum && amount <= maximum && (!isWhole || Number.isInteger(amount)));
}

/** @param {Field} field @param {string} value */
function scalar({ kind, words }, value) {
  return kind === "number" && !words.includes(value) ? Number(value) : value;
}
