// The places of all that is drawn: each open holder is laid out by itself, then placed as a box.

import { fixedColumn, isDrawn, isHolder, isOpen, page } from "../model/graph.js";
import { groupBy } from "../model/maps.js";
import { layOut } from "./layered.js";
import { layoutNode } from "./nodes.js";
import { cutWires } from "./pieces.js";
import { closedSize, FONT, headingOf, textWidth } from "./text.js";

/** @import { Item } from "../model/graph.js" */
/** @import { LayoutNode } from "./nodes.js" */
/** @import { DrawnWire, Piece, Scope, ScopeOf } from "./pieces.js" */

/**
 * A box as it is drawn.
 *
 * @typedef {object} DrawnBox
 * @property {Item} item
 * @property {number} x
 * @property {number} y
 * @property {number} w
 * @property {number} h
 * @property {boolean} open
 * @property {number} [stateY] height at which state enters and leaves, from the top
 */

/**
 * Everything that is drawn; boxes by their items' ids.
 *
 * @typedef {object} Drawing
 * @property {Map<string, DrawnBox>} boxes
 * @property {DrawnWire[]} wires
 * @property {number} w
 * @property {number} h
 */

/**
 * The properties of a box beyond those of a layout node: its height without the room for loops below it, the
 * plan of an open holder, and the height at which state enters and leaves.
 *
 * @typedef {object} BoxOnly
 * @property {Item} item
 * @property {number} boxH
 * @property {Plan | null} inner
 * @property {number} [stateY]
 */

/** @typedef {LayoutNode & BoxOnly} BoxNode */

/**
 * A laid-out holder: its size, and the heights of its ports by their ids.
 *
 * @typedef {object} Plan
 * @property {number} w
 * @property {number} h
 * @property {number} top height of the heading
 * @property {BoxNode[]} nodes
 * @property {Piece[]} pieces
 * @property {Map<string, number>} left
 * @property {Map<string, number>} right
 */

const HEADING = 24;
const PADDING = 14;
const LABEL_HEIGHT = 21;
/** Height of a loop below its box, and of each further one. */
export const LOOP = { first: 14, each: 8 };
const PORT_MIDDLE = 5;

/**
 * Lay out what is visible at present.
 *
 * @returns {Drawing}
 */
export function arrange() {
  const { wires, scopeOf } = cutWires();
  const plan = planHolder(page, scopeOf);
  const boxes = new Map();
  place(plan, 0, 0, boxes);
  return { boxes, wires, w: plan.w, h: plan.h };
}

/**
 * Lay out what `holder` shows, open holders within it first.
 *
 * @param {Item} holder
 * @param {ScopeOf} scopeOf
 * @returns {Plan}
 */
function planHolder(holder, scopeOf) {
  const scope = scopeOf(holder.id);
  const nodes = boxNodes(holder, scope, scopeOf);
  const pieces = [...scope.pieces.values()];
  const byId = new Map(nodes.map((node) => [node.id, node]));
  markState(nodes, pieces);
  const labelled = growForLabels(pieces, byId);
  for (const piece of pieces) attach(piece, byId, labelled);
  const ports = [...scope.ports.values()];
  const all = [...nodes, ...ports];
  const size = all.length ? layOut(all, pieces) : { w: 0, h: 0 };
  const isPage = holder === page;
  const top = isPage ? PADDING : HEADING + 6;
  const headingW = isPage ? 0 : textWidth(headingOf(holder), `bold 12px ${FONT}`) + 60;
  const heights = (/** @type {"left" | "right"} */ side) =>
    new Map(ports.filter((p) => p.side === side).map((p) => [p.id, p.y + PORT_MIDDLE + top]));
  return {
    w: Math.max(size.w + 2 * PADDING, headingW),
    h: size.h + top + PADDING,
    top,
    nodes,
    pieces,
    left: heights("left"),
    right: heights("right"),
  };
}

/**
 * Return a node for every item that `holder` shows, state last.
 *
 * The layout keeps this order where wires do not ask for another, so that state is at the bottom.
 *
 * @param {Item} holder
 * @param {Scope} scope
 * @param {ScopeOf} scopeOf
 */
function boxNodes(holder, scope, scopeOf) {
  const drawn = holder.inside.filter(isDrawn);
  const sorted = [...drawn.filter((item) => !item.state), ...drawn.filter((item) => item.state)];
  return sorted.map((item) => {
    const inner = isOpen(item) ? planHolder(item, scopeOf) : null;
    const { w, h } = inner ?? closedSize(item);
    const loops = scope.loops.get(item.id) || 0;
    const node = layoutNode({
      id: item.id,
      w,
      h: h + (loops ? LOOP.first + LOOP.each * loops : 0),
      end: item.state ? edgeOf(item) : undefined,
      low: !!item.state,
      column: holder === page ? fixedColumn(item) : undefined,
    });
    return /** @type {BoxNode} */ (Object.assign(node, { item, boxH: h, inner }));
  });
}

/** @param {Item} item */
const edgeOf = ({ kind }) => (kind === "input" ? "left" : kind === "output" ? "right" : undefined);

/**
 * Mark the boxes that state runs through: at the bottom, or one above the other.
 *
 * A holder that hands state on is at the bottom, so that the state runs straight. Several groups
 * that take state are the layers of a recurrent network and are stacked.
 *
 * @param {BoxNode[]} nodes
 * @param {Piece[]} pieces
 */
function markState(nodes, pieces) {
  const states = pieces.filter((piece) => piece.low);
  const sources = new Set(states.map((piece) => piece.from));
  const targets = new Set(states.map((piece) => piece.to));
  for (const node of nodes) {
    node.low ||= isHolder(node.item) && sources.has(node.id) && targets.has(node.id);
  }
  const layers = nodes.filter((node) => node.item.kind === "group" && targets.has(node.id));
  if (layers.length < 2) return;
  for (const node of layers) Object.assign(node, { stacked: true, low: false });
}

/**
 * Grow the closed boxes that wires with different labels lead to, so that these end one below the
 * other, state last. Return these wires by the id of the box.
 *
 * @param {Piece[]} pieces
 * @param {Map<string, BoxNode>} byId
 */
function growForLabels(pieces, byId) {
  const sorted = pieces.toSorted((a, b) => Number(a.low) - Number(b.low));
  const labelled = groupBy(sorted, (piece) => piece.to);
  for (const [id, incoming] of labelled) {
    const node = byId.get(id);
    const labels = new Set(incoming.map((piece) => piece.label));
    if (!node || node.inner || labels.size < 2) {
      labelled.delete(id);
      continue;
    }
    const growth = Math.max(0, LABEL_HEIGHT * incoming.length + 6 - node.boxH);
    node.boxH += growth;
    node.h += growth;
    const isStateLast = incoming[incoming.length - 1].low;
    if (isStateLast) node.stateY = (node.boxH * incoming.length) / (incoming.length + 1);
  }
  return labelled;
}

/**
 * Set the heights at which `piece` leaves and enters its boxes.
 *
 * @param {Piece} piece
 * @param {Map<string, BoxNode>} byId
 * @param {Map<string, Piece[]>} labelled
 */
function attach(piece, byId, labelled) {
  const from = byId.get(piece.from);
  const to = byId.get(piece.to);
  piece.fromY = heightOf(from, from?.inner?.right, piece.fromPort);
  piece.toY = heightOf(to, to?.inner?.left, piece.toPort);
  // State leaves at the height at which it enters.
  if (piece.low && from?.stateY) piece.fromY = from.stateY;
  const incoming = labelled.get(piece.to);
  if (to && incoming) {
    piece.toY = (to.boxH * (incoming.indexOf(piece) + 1)) / (incoming.length + 1);
  }
}

/**
 * Return the height of a port of `node`, or its middle; the middle of a port without a node.
 *
 * @param {BoxNode | undefined} node
 * @param {Map<string, number> | undefined} ports
 * @param {string | null} port
 */
function heightOf(node, ports, port) {
  if (!node) return PORT_MIDDLE;
  const height = port === null ? undefined : ports?.get(port);
  return height ?? node.boxH / 2;
}

/**
 * Add the boxes of a plan at (x, y) to `boxes`, and set the points of its pieces on the page.
 *
 * @param {Plan} plan
 * @param {number} x
 * @param {number} y
 * @param {Map<string, DrawnBox>} boxes
 */
function place(plan, x, y, boxes) {
  for (const node of plan.nodes) {
    const { item, w, boxH: h, inner, stateY } = node;
    const box = {
      item,
      x: x + PADDING + node.x,
      y: y + plan.top + node.y,
      w,
      h,
      open: !!inner,
      stateY,
    };
    boxes.set(item.id, box);
    if (inner) place(inner, box.x, box.y, boxes);
  }
  for (const piece of plan.pieces) {
    piece.absolute = piece.points.map(([px, py, way]) => [
      px + x + PADDING,
      py + y + plan.top,
      way,
    ]);
    // From and to the holder's edge, not to its inner margin.
    const start = piece.absolute[0];
    const end = piece.absolute[piece.absolute.length - 1];
    if (plan.left.has(piece.from)) piece.absolute.unshift([x, start[1], 1]);
    if (plan.right.has(piece.to)) piece.absolute.push([x + plan.w, end[1], 1]);
  }
}
