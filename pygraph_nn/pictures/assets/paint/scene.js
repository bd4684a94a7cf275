// The current drawing and its elements on the screen.

import { arrange } from "../layout/arrangement.js";
import { picture } from "../model/dom.js";
import { data, items, visible } from "../model/graph.js";
import { lookUp } from "../model/maps.js";
import { markup } from "./markup.js";

/** @import { Drawing } from "../layout/arrangement.js" */

/**
 * The current drawing.
 *
 * @type {Drawing}
 */
export let drawing = { boxes: new Map(), wires: [], w: 1, h: 1 };
/**
 * The elements of the boxes, by their items' ids.
 *
 * @type {Map<string, SVGElement>}
 */
const boxElements = new Map();
/**
 * The elements of each wire.
 *
 * @type {SVGElement[][]}
 */
export let wireElements = [];
/** @type {(() => void)[]} */
const listeners = [];

/**
 * Call `listener` after every drawing, to mark what is new on the screen.
 *
 * @param {() => void} listener
 */
export function afterDrawing(listener) {
  listeners.push(listener);
}

/** Draw what is visible at present. */
export function draw() {
  drawing = arrange();
  picture.innerHTML = markup(drawing);
  boxElements.clear();
  for (const element of elements(".box")) boxElements.set(element.dataset.id ?? "", element);
  wireElements = drawing.wires.map(() => []);
  for (const element of elements(".wire")) wireElements[Number(element.dataset.wire)].push(element);
  for (const listener of listeners) listener();
}

/**
 * @param {string} selector
 * @returns {NodeListOf<SVGElement>}
 */
const elements = (selector) => picture.querySelectorAll(selector);

/**
 * Return the element of the box that is drawn for the item `id`.
 *
 * @param {string} id
 */
export const boxElement = (id) => lookUp(boxElements, id);

/** Return the box that stands for the first of the forward pass. */
export const firstBox = () =>
  data.forward.length ? drawing.boxes.get(visible(lookUp(items, data.forward[0])).id) : undefined;
