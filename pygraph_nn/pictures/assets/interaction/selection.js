// The chosen node.

import { visible } from "../model/graph.js";
import { boxElement, drawing, firstBox } from "../paint/scene.js";
import { describe } from "./about.js";

/** @import { Item } from "../model/graph.js" */

/**
 * The item that is drawn for the chosen one.
 *
 * @type {Item | null}
 */
export let chosen = null;

/**
 * Choose `item` and describe it; null chooses nothing.
 *
 * @param {Item | null} item
 * @param {boolean} focus whether its box takes the keyboard's focus
 */
export function choose(item, focus = true) {
  chosen = item && visible(item);
  markChosen();
  describe(item);
  if (chosen && focus && drawing.boxes.has(chosen.id)) {
    boxElement(chosen.id).focus({ preventScroll: true });
  }
}

/** Mark the chosen box. It alone, or else the first box, is a stop of the Tab key. */
export function markChosen() {
  for (const { item } of drawing.boxes.values()) {
    const element = boxElement(item.id);
    element.classList.toggle("chosen", item === chosen);
    element.setAttribute("tabindex", item === chosen ? "0" : "-1");
  }
  const first = firstBox();
  if (first && !(chosen && drawing.boxes.has(chosen.id))) {
    boxElement(first.item.id).setAttribute("tabindex", "0");
  }
}
