// The drawing as SVG markup.

import { LOOP } from "../layout/arrangement.js";
import { isHolder, nameOf, timesOf } from "../model/graph.js";
import { escaped } from "../model/dom.js";
import { inked } from "./scripts.js";
import { headingOf, lineHeight, linesOf, TIMES_WIDTH } from "../layout/text.js";

/** @import { Item, Kind } from "../model/graph.js" */
/** @import { DrawnBox, Drawing } from "../layout/arrangement.js" */
/** @import { DrawnWire } from "../layout/pieces.js" */
/** @import { Point } from "../layout/nodes.js" */

/**
 * Names of the kinds of items, for the panel and for screen readers.
 *
 * @type {Record<Kind, string>}
 */
export const KIND_NAMES = {
  input: "input",
  output: "output",
  symbol: "operation",
  module: "module",
  graph: "nested graph",
  group: "group",
};

/** @type {Record<Kind, number>} */
const CORNERS = { symbol: 15, input: 14, output: 14, module: 6, graph: 6, group: 6 };
const OPEN_CORNERS = 10;
/** Distance between the starts of loops. */
const LOOP_GAP = 4;

/**
 * Return the markup of a drawing: open holders at the back, then wires, closed boxes and labels.
 *
 * @param {Drawing} drawing
 */
export function markup(drawing) {
  const boxes = [...drawing.boxes.values()];
  const boxOf = (/** @type {DrawnBox} */ box) => boxMarkup(box, drawing.wires);
  const holders = boxes.filter((box) => box.open).map(boxOf);
  const closed = boxes.filter((box) => !box.open).map(boxOf);
  const { wires, labels } = wireMarkup(drawing);
  const layer = (/** @type {string} */ id, /** @type {string[]} */ parts) =>
    `<g id="${id}">${parts.join("")}</g>`;
  const layers = [
    layer("holders", holders),
    layer("wires", wires),
    layer("boxes", closed),
    layer("labels", labels),
  ];
  return layer("scene", layers);
}

// Wires

/** @param {Drawing} drawing */
function wireMarkup({ boxes, wires }) {
  const paths = /** @type {string[]} */ ([]);
  const labels = /** @type {string[]} */ ([]);
  /** @type {Map<string, number>} */
  const loopCounts = new Map();
  wires.forEach(({ wire, pieces, loop }, i) => {
    const state = wire.state ? " state" : "";
    const path = (/** @type {Point[]} */ points) =>
      `<path class="wire${state}" data-wire="${i}" d="${curve(points)}"/>`;
    if (loop) {
      const box = boxes.get(loop.id);
      if (!box) return;
      const count = loopCounts.get(loop.id) || 0;
      loopCounts.set(loop.id, count + 1);
      const points = loopPoints(box, count);
      paths.push(path(points), arrow(points[points.length - 1], state));
      return;
    }
    for (const piece of pieces) paths.push(path(piece.absolute));
    const { absolute, label } = pieces[pieces.length - 1];
    const end = absolute[absolute.length - 1];
    paths.push(arrow(end, state));
    if (label) labels.push(labelMarkup(label, end));
  });
  return { wires: paths, labels };
}

/**
 * Return the points of loop number `count` of a folded copy: round below the box, to its start.
 *
 * @param {DrawnBox} box
 * @param {number} count
 * @returns {Point[]}
 */
function loopPoints(box, count) {
  const right = box.x + box.w;
  const y = box.y + (box.stateY ?? box.h / 2) + LOOP_GAP * count;
  const low = box.y + box.h + LOOP.first + LOOP.each * count;
  return [
    [right, y, 1],
    [right, low, -1],
    [box.x, low, -1],
    [box.x, y, 1],
  ];
}

/**
 * Return a path through `points`, level at each of them.
 *
 * @param {Point[]} points
 */
function curve(points) {
  const at = (/** @type {number[]} */ ...numbers) => numbers.map((n) => n.toFixed(1)).join(" ");
  let path = `M${at(points[0][0], points[0][1])}`;
  for (let i = 1; i < points.length; i++) {
    const [ax, ay, aWay] = points[i - 1];
    const [bx, by, bWay] = points[i];
    if (Math.abs(ay - by) < 0.5 && aWay === bWay) {
      path += `L${at(bx, by)}`;
    } else {
      const reach = Math.max(aWay === bWay ? 14 : 24, Math.abs(bx - ax) / 2);
      path += `C${at(ax + aWay * reach, ay, bx - bWay * reach, by, bx, by)}`;
    }
  }
  return path;
}

/**
 * @param {Point} end
 * @param {string} state
 */
const arrow = ([x, y], state) =>
  `<path class="arrow${state}" d="M${x.toFixed(1)} ${y.toFixed(1)}l-8 -3.5v7z"/>`;

/**
 * @param {string} label
 * @param {Point} end
 */
const labelMarkup = (label, [x, y]) =>
  `<text class="label" x="${(x - 10).toFixed(1)}" y="${(y - 7).toFixed(1)}">${inked(label, 10)}</text>`;

// Boxes

/**
 * @param {DrawnBox} box
 * @param {DrawnWire[]} wires
 */
function boxMarkup(box, wires) {
  const { item, open } = box;
  const times = timesOf(item);
  const classes = ["box", item.kind, open ? "open" : "", item.state ? "state" : ""];
  const attributes = [
    `class="${classes.filter(Boolean).join(" ")}"`,
    `data-id="${escaped(item.id)}"`,
    `tabindex="-1"`,
    `role="button"`,
    `aria-label="${escaped(spokenName(box, times))}"`,
    `aria-description="${escaped(spokenRelations(box, wires))}"`,
  ];
  if (isHolder(item)) attributes.push(`aria-expanded="${open}"`);
  const content = frame(box, times) + (open ? heading(box) : textMarkup(box, times));
  const mark =
    times > 1
      ? ` <text class="times" aria-hidden="true" x="${box.x + box.w - 8}" y="${box.y + 17}">×${times}</text>`
      : "";
  return `<g ${attributes.join(" ")}>${content}${mark}</g>`;
}

/**
 * Return the box's outline, and a second one behind it for folded copies.
 *
 * @param {DrawnBox} box
 * @param {number} times
 */
function frame({ item, x, y, w, h, open }, times) {
  const corners = open && item.kind !== "symbol" ? OPEN_CORNERS : CORNERS[item.kind];
  const behind =
    times > 1
      ? `<rect class="more" x="${x + 4}" y="${y + 4}" width="${w}" height="${h}" rx="${corners}"/>`
      : "";
  const place = `x="${x.toFixed(1)}" y="${y.toFixed(1)}"`;
  const size = `width="${w.toFixed(1)}" height="${h.toFixed(1)}"`;
  return `${behind}<rect class="own" ${place} ${size} rx="${Math.min(corners, h / 2)}"/>`;
}

/** @param {DrawnBox} box */
const heading = ({ item, x, y }) =>
  `<text class="head" x="${x + 10}" y="${y + 17}">` +
  `<tspan class="toggle" aria-hidden="true">▾</tspan> ${inked(headingOf(item), 12)}</text>`;

/**
 * @param {DrawnBox} box
 * @param {number} times
 */
function textMarkup({ item, x, y, w, h }, times) {
  const lines = linesOf(item);
  const middle = x + (w - (times > 1 ? TIMES_WIDTH : 0)) / 2 + (isHolder(item) ? 6 : 0);
  let base = y + (h - lines.reduce((sum, line) => sum + lineHeight(line), 0)) / 2;
  /** @type {string[]} */
  const texts = [];
  for (const line of lines) {
    base += lineHeight(line);
    const place = `x="${middle.toFixed(1)}" y="${(base - 4).toFixed(1)}"`;
    const size = line[1] === "small" ? 11 : 13;
    texts.push(`<text class="${line[1]}" ${place}>${inked(line[0], size)}</text>`);
  }
  // The document has a name before its sign, as a screen reader says them.
  const text = (item.kind === "symbol" ? texts.toReversed() : texts).join(" ");
  if (!isHolder(item)) return text;
  return `${text} <text class="head" x="${x + 7}" y="${y + 17}"><tspan class="toggle" aria-hidden="true">▸</tspan></text>`;
}

/**
 * Return what a screen reader says for a box: its lines, a name before its sign, and the kind of its item.
 *
 * @param {DrawnBox} box
 * @param {number} times
 */
function spokenName({ item, open }, times) {
  const shown = linesOf(item).map(([text]) => text);
  const lines = open ? [headingOf(item)] : item.kind === "symbol" ? shown.toReversed() : shown;
  const copies = times > 1 ? `×${times} copies` : "";
  const words = [...lines, copies, KIND_NAMES[item.kind]];
  return words.filter(Boolean).join(", ");
}

/**
 * Return what a screen reader says of the wires of a box: where they come from and lead to.
 *
 * @param {DrawnBox} box
 * @param {DrawnWire[]} wires
 */
function spokenRelations({ item }, wires) {
  const name = (/** @type {Item} */ other) => other.caption || nameOf(other);
  const from = wires.filter(({ a, b }) => b === item && a !== item).map(({ a }) => name(a));
  const to = wires.filter(({ a, b }) => a === item && b !== item).map(({ b }) => name(b));
  const words = [from.length && `from ${from.join(", ")}`, to.length && `to ${to.join(", ")}`];
  return words.filter(Boolean).join("; ");
}
