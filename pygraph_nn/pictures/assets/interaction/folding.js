// Opening and closing groups, nested graphs and copies.

import { closed, copiesFolded, data, hasCopies, isHolder } from "../model/graph.js";
import { switchCopies, visible } from "../model/graph.js";
import { element } from "../model/dom.js";
import { draw, drawing } from "../paint/scene.js";
import { about, described } from "./about.js";
import { choose } from "./selection.js";
import { fitToRead, keepInPlace } from "./view.js";

/** @import { Item } from "../model/graph.js" */

/**
 * Open `item` if it is closed, close it if it is open; what is under the pointer stays there.
 *
 * @param {Item} item
 */
export function toggle(item) {
  if (!isHolder(item)) return;
  const before = drawing.boxes.get(item.id);
  if (!closed.delete(item.id)) closed.add(item.id);
  draw();
  const after = drawing.boxes.get(item.id);
  if (before && after) keepInPlace(before, after);
  choose(visible(item));
}

/** Close all holders. */
export function closeAll() {
  for (const item of data.items) if (isHolder(item)) closed.add(item.id);
}

function redraw() {
  draw();
  fitToRead();
}

/** Have the buttons of the page and of the panel fold and unfold. */
export function startFolding() {
  element("expand", HTMLButtonElement).addEventListener("click", () => {
    closed.clear();
    redraw();
  });
  element("collapse", HTMLButtonElement).addEventListener("click", () => {
    closeAll();
    redraw();
  });
  const foldsNothing = !data.items.some(isHolder);
  element("folding", HTMLElement).hidden = foldsNothing;
  element("fold-keys", HTMLElement).hidden = foldsNothing;
  const copies = element("copies", HTMLButtonElement);
  copies.hidden = !hasCopies;
  copies.addEventListener("click", () => {
    switchCopies();
    copies.setAttribute("aria-pressed", String(copiesFolded));
    redraw();
  });
  about.addEventListener("click", ({ target }) => {
    if (target instanceof HTMLButtonElement && described) toggle(described);
  });
}
