/**
 * Building and updating elements in place. Text goes in as text only: everything the server sends is untrusted.
 *
 * @module
 */
import { shortId, verdictName } from "./format.js";

/** @import { FinalVerdict } from "../../../schemas/verdict.ts" */

/**
 * An element of the page that is there from the start.
 *
 * @param {string} selector
 * @returns {HTMLElement}
 */
export function find(selector) {
  const element = document.querySelector(selector);
  if (element instanceof HTMLElement) return element;
  throw new Error(`index.html has no ${selector}`);
}

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string>} [attributes]
 * @param {(Node | string)[]} children strings become text nodes
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Writes only what changed, so that a selection, a hover or a screen reader is not disturbed. */
export function setText(/** @type {Node} */ node, /** @type {string} */ text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {Element} element @param {string} name @param {string} value */
export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * Keeps one child of `parent` for each item: makes it once, updates it in place, moves it only if the order changed.
 *
 * @template Item
 * @param {Element} parent
 * @param {(item: Item) => string} keyOf
 * @param {(item: Item) => { element: Element, update: (item: Item, index: number) => void }} create
 */
export function keyedChildren(parent, keyOf, create) {
  /** @type {Map<string, ReturnType<typeof create>>} */
  let rows = new Map();
  return (/** @type {Item[]} */ items) => {
    const wanted = new Map(items.map((item) => [keyOf(item), item]));
    for (const [key, row] of rows) if (!wanted.has(key)) row.element.remove();
    let place = parent.firstElementChild;
    let index = 0;
    /** @type {typeof rows} */
    const kept = new Map();
    for (const [key, item] of wanted) {
      const row = rows.get(key) ?? create(item);
      kept.set(key, row);
      row.update(item, index++);
      if (row.element === place) place = place.nextElementSibling;
      else parent.insertBefore(row.element, place);
    }
    rows = kept;
  };
}

/** A button "Show 50 more" below a list of which only the beginning is drawn. */
export function pager(
  /** @type {HTMLElement} */ button,
  /** @type {number} */ page,
  /** @type {() => void} */ redraw,
) {
  let shown = page;
  button.addEventListener("click", () => {
    shown += page;
    redraw();
  });
  return {
    /** @template Item @param {Item[]} items */
    cut(items) {
      const left = items.length - shown;
      button.hidden = left <= 0;
      setText(button, `Show ${Math.min(page, left)} more of ${items.length}`);
      return items.slice(0, shown);
    },
  };
}

/**
 * The short form of an id; the whole on hover, and on a tap to copy.
 *
 * @param {string} name what it is the id of, for those who hear the page
 * @param {string} id
 */
export function idButton(name, id, short = shortId(id)) {
  const button = make("button", { type: "button", class: "id", title: id }, short);
  button.setAttribute("aria-label", `${name} ${short}, show and copy`);
  button.addEventListener("click", () => showId(button, id));
  return button;
}

/** The whole value next to its button, copied where the browser lets us and selectable where not (plain HTTP). */
async function showId(/** @type {HTMLElement} */ button, /** @type {string} */ id) {
  const card = find("#id-card");
  const note = find("#id-card-note");
  setText(find("#id-card-value"), id);
  setText(note, "");
  card.showPopover();
  const at = button.getBoundingClientRect();
  const left = Math.min(at.left, innerWidth - card.offsetWidth - 12);
  const below = at.bottom + 6 + card.offsetHeight <= innerHeight;
  card.style.left = `${Math.max(12, left)}px`;
  card.style.top = `${below ? at.bottom + 6 : at.top - 6 - card.offsetHeight}px`;
  const copied = await Promise.resolve(navigator.clipboard?.writeText(id).then(() => true)).catch(
    () => false,
  );
  setText(note, copied ? "Copied." : "Select it to copy.");
}

const SHAPES = {
  tick: "M3 8.5 6.5 12 13 4.5",
  cross: "M4 4 12 12 M12 4 4 12",
  bar: "M3.5 8 12.5 8",
  ring: "M8 4.5V8l2.5 2 M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12",
};

/** @type {Record<FinalVerdict, keyof typeof SHAPES>} */
const VERDICT_SHAPES = {
  selected: "tick",
  refused: "cross",
  "not-selected": "bar",
  "not-checked": "bar",
  incomplete: "ring",
  late: "ring",
  absent: "ring",
};

/** Colour, shape and word say the same, so that each of them is enough. */
export function verdictMark() {
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  shape.setAttribute("viewBox", "0 0 16 16");
  shape.setAttribute("aria-hidden", "true");
  shape.append(path);
  const word = make("span");
  const element = make("span", { class: "verdict" }, shape, word);
  return {
    element,
    update(/** @type {FinalVerdict} */ verdict) {
      setAttribute(element, "data-verdict", verdict);
      setAttribute(path, "d", SHAPES[VERDICT_SHAPES[verdict]] ?? SHAPES.bar);
      setText(word, verdictName(verdict));
    },
  };
}
