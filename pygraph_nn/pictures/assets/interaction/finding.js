// Finding nodes by name or module.

import { closed, data, holdersOf, isDrawn, visible } from "../model/graph.js";
import { element } from "../model/dom.js";
import { lookUp } from "../model/maps.js";
import { boxElement, draw, drawing } from "../paint/scene.js";
import { choose } from "./selection.js";
import { bringIntoView } from "./view.js";

/** @import { Item } from "../model/graph.js" */

/** The field for the words to find. */
export const query = element("query", HTMLInputElement);
const outcome = element("found", HTMLOutputElement);

/** @type {Item[]} */
let matches = [];
let next = 0;
/** Whether a match is shown: arrows then move from it, and no longer in the field. */
export let hasShown = false;

/** Mark the boxes that match, or hold a match. */
export function markMatches() {
  const drawn = new Set(matches.map((item) => visible(item).id));
  for (const id of drawing.boxes.keys()) {
    boxElement(id).classList.toggle("match", drawn.has(id));
  }
}

/** Find what the field asks for. */
function find() {
  const words = query.value.trim().toLowerCase();
  matches = words ? data.items.filter((item) => isDrawn(item) && matchesWords(item, words)) : [];
  next = 0;
  hasShown = false;
  outcome.textContent = words ? `${matches.length} found` : "";
  markMatches();
}

/**
 * @param {Item} item
 * @param {string} words
 */
function matchesWords({ name, caption, text, module }, words) {
  return [name, caption, text, module].some((field) => field?.toLowerCase().includes(words));
}

/** Choose the next match, opening what holds it. */
function showNext() {
  if (!matches.length) return;
  const i = next++ % matches.length;
  const item = matches[i];
  const opened = holdersOf(item).filter((holder) => closed.delete(holder.id));
  if (opened.length) draw();
  choose(item, false);
  bringIntoView(lookUp(drawing.boxes, visible(item).id), true);
  outcome.textContent = `${i + 1} of ${matches.length}`;
  hasShown = true;
}

/** Clear the field and its marks. */
export function clearFinding() {
  query.value = "";
  find();
}

/** Find while the reader types; go from match to match with Enter. */
export function startFinding() {
  query.addEventListener("input", find);
  element("find", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    showNext();
  });
}
