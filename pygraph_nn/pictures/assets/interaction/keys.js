// The keyboard: along wires, to neighbours, open and close, zoom, find, clear.

import { isHolder } from "../model/graph.js";
import { picture } from "../model/dom.js";
import { lookUp } from "../model/maps.js";
import { drawing, firstBox } from "../paint/scene.js";
import { described } from "./about.js";
import { clearFinding, hasShown, query } from "./finding.js";
import { toggle } from "./folding.js";
import { choose, chosen } from "./selection.js";
import { bringIntoView, fit, zoom } from "./view.js";
import { play } from "./walking.js";

/** @import { Item } from "../model/graph.js" */

const KEY_ZOOM = 1.3;
/** A box aside from the direction counts as this much farther. */
const ASIDE = 2.5;

/**
 * Return the item at the other end of a wire from or to `item`.
 *
 * @param {Item} item
 * @param {boolean} forward
 */
function alongWire(item, forward) {
  for (const { a, b } of drawing.wires) {
    const [here, there] = forward ? [a, b] : [b, a];
    if (here === item && there !== item && drawing.boxes.has(there.id)) return there;
  }
  return null;
}

/**
 * Return the nearest closed box in the direction (dx, dy).
 *
 * @param {Item} item
 * @param {number} dx
 * @param {number} dy
 */
function neighbour(item, dx, dy) {
  const here = lookUp(drawing.boxes, item.id);
  /** @type {Item | null} */
  let nearest = null;
  let least = Infinity;
  for (const box of drawing.boxes.values()) {
    if (box.item === item || box.open) continue;
    const x = box.x + box.w / 2 - (here.x + here.w / 2);
    const y = box.y + box.h / 2 - (here.y + here.h / 2);
    const along = x * dx + y * dy;
    const distance = along + ASIDE * (Math.abs(x * dy) + Math.abs(y * dx));
    if (along > 2 && distance < least) [nearest, least] = [box.item, distance];
  }
  return nearest;
}

/** @param {Item | null} item */
function go(item) {
  if (!item) return;
  choose(item);
  bringIntoView(lookUp(drawing.boxes, item.id));
}

/**
 * Return what a key does in the drawing.
 *
 * @param {string} key
 * @returns {(() => void) | undefined}
 */
function actionOf(key) {
  const first = firstBox()?.item ?? null;
  const current = chosen && drawing.boxes.has(chosen.id) ? chosen : null;
  const open = () => (current && isHolder(current) ? toggle(current) : choose(current ?? first));
  /** @type {Record<string, () => void>} */
  const actions = {
    ArrowRight: () => go(current ? (alongWire(current, true) ?? neighbour(current, 1, 0)) : first),
    ArrowLeft: () => go(current ? (alongWire(current, false) ?? neighbour(current, -1, 0)) : first),
    ArrowDown: () => go(current ? neighbour(current, 0, 1) : first),
    ArrowUp: () => go(current ? neighbour(current, 0, -1) : first),
    Enter: open,
    " ": open,
    Home: () => go(first),
    "+": () => zoom(KEY_ZOOM),
    "=": () => zoom(KEY_ZOOM),
    "-": () => zoom(1 / KEY_ZOOM),
    0: fit,
  };
  return Object.hasOwn(actions, key) ? actions[key] : undefined;
}

/**
 * Whether a key belongs to the drawing: nothing else has the focus, or an arrow follows a search.
 *
 * @param {KeyboardEvent} event
 */
function isForDrawing({ key, target, ctrlKey, metaKey, altKey }) {
  if (ctrlKey || metaKey || altKey || !(target instanceof Element)) return false;
  if (target === query) return hasShown && key.startsWith("Arrow");
  return target === document.body || picture.contains(target);
}

/** Have the keys move in the drawing, "/" go to the field, and Escape clear what was found. */
export function startKeys() {
  document.addEventListener("keydown", (event) => {
    const action = isForDrawing(event) ? actionOf(event.key) : undefined;
    if (!action) return;
    event.preventDefault();
    action();
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target === query;
    if (event.key === "/" && !isTyping) {
      event.preventDefault();
      query.focus();
      query.select();
    } else if (event.key === "Escape") {
      play(false);
      clearFinding();
      // After a search, what was found stays chosen.
      if (isTyping) query.blur();
      choose(isTyping ? described : null);
    }
  });
}
