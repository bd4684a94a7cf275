// The graph that the page shows: its boxes, holders and wires, and which of them are folded away.

import { element } from "./dom.js";
import { lookUp } from "./maps.js";

/**
 * An input or output of a graph, an operation drawn as a sign, a module, a nested graph, or a group.
 *
 * @typedef {"input" | "output" | "symbol" | "module" | "graph" | "group"} Kind
 */

/**
 * Shape, mean, standard deviation, minimum, maximum, NaN count and infinity count of a tensor. The
 * four in the middle are null where no value is finite.
 *
 * @typedef {[string, ...(number | null)[]]} Statistics
 */

/**
 * A box, or a holder of boxes: a group, a nested graph, or the page itself, whose id is "".
 *
 * @typedef {object} Item
 * @property {string} id
 * @property {string} in id of the holder
 * @property {Kind} kind
 * @property {string} text the sign, the module's class, or the name of a graph, input or output
 * @property {string} [caption] the name where it is shown beside `text`
 * @property {string} [name] the node's annotation, made different from others
 * @property {string[]} [details] further lines in the box
 * @property {boolean} [state] whether it is state of a recurrent network, as prev_c and next_s
 * @property {string} [module] the module in full
 * @property {string} [source] file and line of the declaration
 * @property {string[]} [nodes] descriptions of the nodes that the box stands for
 * @property {[string, string, number][]} [parameters] name, shape and number of elements
 * @property {string} [shape] shape of the output
 * @property {string[]} [inputs] shapes of the inputs
 * @property {Statistics[]} [value]
 * @property {Statistics[]} [gradient]
 * @property {string} [copyOf] id of the first of several copies; the first one has it too
 * @property {Item[]} inside the items that it holds
 * @property {Item} original the item of the first copy; itself where there are no copies
 */

/**
 * A value on its way between two boxes, given by id.
 *
 * @typedef {object} Wire
 * @property {string} from
 * @property {string} to
 * @property {string} [label]
 * @property {boolean} [state] whether it carries state of a recurrent network
 */

/**
 * A graph as Python describes it (`page_data`).
 *
 * @typedef {object} PageData
 * @property {Item[]} items outer ones first, as yet without `inside` and `original`
 * @property {Wire[]} wires
 * @property {string[]} forward ids of boxes in the order of the forward pass
 * @property {string[]} backward ids of boxes in the order of the backward pass
 * @property {string[][]} columns ids of the boxes of each step of an unrolled network
 */

/**
 * The data that Python wrote into the page.
 *
 * @type {PageData}
 */
export const data = JSON.parse(element("data", HTMLScriptElement).textContent || "{}");

/**
 * The page itself, which holds everything.
 *
 * @type {Item}
 */
export const page = {
  id: "",
  in: "",
  kind: "group",
  text: "",
  inside: [],
  get original() {
    return page;
  },
};
/** All items by id. */
export const items = new Map([["", page]]);
/** Ids of the holders that are closed. */
export const closed = /** @type {Set<string>} */ (new Set());

for (const item of data.items) {
  Object.assign(item, { in: item.in ?? "", inside: [], original: item });
  items.set(item.id, item);
}
for (const item of data.items) lookUp(items, item.in).inside.push(item);

/** The column of each box of an unrolled network's steps: inputs, the step, outputs, and so on. */
const columnOf = new Map(
  data.columns.flatMap((ids, step) => ids.map((id) => [id, 3 * step + placeOf(id)])),
);

/** @param {string} id */
function placeOf(id) {
  const { kind } = lookUp(items, id);
  return kind === "input" ? 0 : kind === "output" ? 2 : 1;
}

/**
 * Return the column of a box of an unrolled network whose copies are shown; else undefined.
 *
 * @param {Item} item
 */
export function fixedColumn(item) {
  if (copiesFolded || !columnOf.size) return undefined;
  if (item.state && item.kind === "input") return 0;
  return columnOf.get(item.id) ?? 3 * data.columns.length - 1;
}

/** Number of copies by the id of the first. */
const copyCounts = countCopies();
/** Whether the graph has copies. */
export const hasCopies = copyCounts.size > 0;
/** Whether the first of several copies stands for all of them. */
export let copiesFolded = hasCopies;

/** Fold the copies, or show each of them. */
export function switchCopies() {
  copiesFolded = !copiesFolded;
}

function countCopies() {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const item of data.items) {
    if (!item.copyOf) continue;
    counts.set(item.copyOf, (counts.get(item.copyOf) || 0) + 1);
    if (item.copyOf !== item.id) standFor(item, lookUp(items, item.copyOf));
  }
  return counts;
}

/**
 * Make `first`, and what it holds, the original of `copy`.
 *
 * @param {Item} copy
 * @param {Item} first
 */
function standFor(copy, first) {
  copy.original = first;
  copy.inside.forEach((inner, i) => standFor(inner, first.inside[i]));
}

/**
 * Whether `item` holds others.
 *
 * @param {Item} item
 */
export const isHolder = (item) => item.inside.length > 0;

/**
 * Whether `item` is a holder that shows what it holds.
 *
 * @param {Item} item
 */
export const isOpen = (item) => isHolder(item) && !closed.has(item.id);

/**
 * Whether `item` is drawn where its holder is open.
 *
 * @param {Item} item
 */
export const isDrawn = (item) => !copiesFolded || item.original === item;

/**
 * Return the number of copies that `item` stands for at present.
 *
 * @param {Item} item
 */
export const timesOf = (item) => (copiesFolded && copyCounts.get(item.id)) || 1;

/**
 * Return the name of `item`: of folded copies "x", where the first alone is "x 0".
 *
 * @param {Item} item
 */
export const nameOf = (item) => (timesOf(item) > 1 ? item.text.replace(/ \d+$/, "") : item.text);

/**
 * Return the number of boxes in a holder, at any depth.
 *
 * @param {Item} holder
 * @returns {number}
 */
export function countBoxes(holder) {
  return holder.inside.reduce((sum, item) => sum + (isHolder(item) ? countBoxes(item) : 1), 0);
}

/**
 * Return the holders of `item`, innermost first, without the page.
 *
 * @param {Item} item
 */
export function holdersOf(item) {
  const holders = [];
  for (let holder = lookUp(items, item.in); holder !== page; holder = lookUp(items, holder.in)) {
    holders.push(holder);
  }
  return holders;
}

/**
 * Return the item that is drawn for `item`: the outermost closed holder, of the first copy.
 *
 * @param {Item} item
 */
export function visible(item) {
  let first = item;
  while (copiesFolded && first !== first.original) first = first.original;
  return holdersOf(first).findLast((holder) => closed.has(holder.id)) ?? first;
}

/**
 * Return the folded copy that a wire leaves and enters again, since it leads from one copy to the
 * next; null if it does not.
 *
 * @param {Item} from
 * @param {Item} to
 */
export function loopOf(from, to) {
  if (!copiesFolded) return null;
  for (const source of [from, ...holdersOf(from)]) {
    if (!source.copyOf) continue;
    for (const target of [to, ...holdersOf(to)]) {
      if (target.copyOf === source.copyOf && target !== source) {
        return visible(lookUp(items, source.copyOf));
      }
    }
  }
  return null;
}
