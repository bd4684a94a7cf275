// The places of nodes and the routes of edges, once layers and their order are settled.

import { lookUp } from "../model/maps.js";
import { LANE } from "./layers.js";

/** @import { LayoutEdge, LayoutNode, Point } from "./nodes.js" */

/**
 * Nodes that stand together where their wishes overlap.
 *
 * @typedef {{ nodes: LayoutNode[], y: number, pull: number, h: number }} Block
 */

const GAP_X = 34;
const GAP_Y = 14;
const LANE_GAP = 5;
const PLACE_SWEEPS = 10;
/** From this sweep on the neighbours on both sides count. */
const BOTH_SIDES = 6;
/** Straight end of a wire before its label. */
const LABEL_GAP = 6;

/**
 * Set y of every node: as level as possible with the nodes that it is wired to.
 *
 * @param {LayoutNode[][]} layers
 */
export function placeVertically(layers) {
  for (const layer of layers) stack(layer, 0);
  for (let sweep = 0; sweep < PLACE_SWEEPS; sweep++) {
    const toRight = sweep % 2 === 0;
    const isLate = sweep >= BOTH_SIDES;
    for (const layer of toRight ? layers : layers.toReversed()) {
      for (const node of layer) wishForLevel(node, toRight || isLate, !toRight || isLate);
      settle(layer);
    }
  }
}

/**
 * Give the boxes of all steps of an unrolled network the same heights: those of the first step, for
 * outputs those of the last, which share their column with state.
 *
 * @param {LayoutNode[][]} layers
 */
export function alignColumns(layers) {
  const [STEP, OUTPUTS] = [3, 2]; // inputs, the step itself, outputs
  layers.forEach((layer, i) => {
    const place = i % STEP;
    const model = layers[place === OUTPUTS ? layers.length - 1 : place].filter(isAligned);
    layer.filter(isAligned).forEach((node, j) => (node.y = model[j]?.y ?? node.y));
  });
}

/** @param {LayoutNode} node */
const isAligned = (node) => node.column !== undefined && !node.end;

/**
 * Place `nodes` one below the other, from `y` on.
 *
 * @param {LayoutNode[]} nodes
 * @param {number} y
 */
function stack(nodes, y) {
  for (const node of nodes) {
    node.y = y;
    y += node.h + gap(node);
  }
}

/** @param {LayoutNode} node */
const gap = (node) => (node.isLane && !node.between.length ? LANE_GAP : GAP_Y);

/**
 * Set the wish of `node` to where its links would be level, on average.
 *
 * @param {LayoutNode} node
 * @param {boolean} byLeft whether the links to the left count
 * @param {boolean} byRight whether the links to the right count
 */
function wishForLevel(node, byLeft, byRight) {
  let sum = 0;
  let weights = 0;
  if (byLeft) {
    for (const link of node.toLeft) {
      sum += (link.a.y + link.aY - link.bY) * link.weight;
      weights += link.weight;
    }
  }
  if (byRight) {
    for (const link of node.toRight) {
      sum += (link.b.y + link.bY - link.aY) * link.weight;
      weights += link.weight;
    }
  }
  node.wish = weights ? sum / weights : node.y;
  node.pull = weights || 0.1;
}

/**
 * Place the nodes of a layer as near to their wishes as their order and the gaps permit.
 *
 * Neighbours that would overlap form a block, which is placed at the mean of its wishes.
 *
 * @param {LayoutNode[]} layer
 */
function settle(layer) {
  /** @type {Block[]} */
  const blocks = [];
  for (const node of layer) {
    let block = { nodes: [node], y: node.wish, pull: node.pull, h: node.h + gap(node) };
    for (let above = blocks.at(-1); above && above.y + above.h > block.y; above = blocks.at(-1)) {
      blocks.pop();
      block = joined(above, block);
    }
    blocks.push(block);
  }
  for (const block of blocks) stack(block.nodes, block.y);
}

/**
 * Join two blocks into one, at the weighted mean of their wishes.
 *
 * @param {Block} above
 * @param {Block} below
 * @returns {Block}
 */
function joined(above, below) {
  const pull = above.pull + below.pull;
  return {
    nodes: above.nodes.concat(below.nodes),
    y: (above.y * above.pull + (below.y - above.h) * below.pull) / pull,
    pull,
    h: above.h + below.h,
  };
}

/**
 * Bring the lanes of one edge to one height, as far as their neighbours leave room.
 *
 * @param {LayoutNode[]} lanes
 * @param {LayoutNode[][]} layers
 */
export function straighten(lanes, layers) {
  let start = 0;
  while (start < lanes.length) {
    let top = -Infinity;
    let bottom = Infinity;
    let sum = 0;
    let end = start;
    for (; end < lanes.length; end++) {
      const room = roomOf(lanes[end], layers);
      if (Math.max(top, room.top) > Math.min(bottom, room.bottom)) break;
      top = Math.max(top, room.top);
      bottom = Math.min(bottom, room.bottom);
      sum += lanes[end].y;
    }
    const y = Math.min(bottom, Math.max(top, sum / (end - start)));
    for (let i = start; i < end; i++) lanes[i].y = y;
    start = Math.max(end, start + 1);
  }
}

/**
 * Return between which heights `lane` can move without touching its neighbours.
 *
 * @param {LayoutNode} lane
 * @param {LayoutNode[][]} layers
 */
function roomOf(lane, layers) {
  const above = layers[lane.layer][lane.rank - 1];
  const below = layers[lane.layer][lane.rank + 1];
  return {
    top: above ? above.y + above.h + gap(above) : -Infinity,
    bottom: below ? below.y - lane.h - gap(lane) : Infinity,
  };
}

/**
 * Set x and span of every node, move all up to y = 0, and return the size of the whole.
 *
 * @param {LayoutNode[][]} layers
 * @param {LayoutEdge[]} edges
 * @param {Map<string, LayoutNode>} byId
 */
export function placeHorizontally(layers, edges, byId) {
  const room = layers.map(() => 0);
  const incoming = layers.map(() => 0);
  for (const edge of edges) {
    const { layer } = lookUp(byId, edge.to);
    room[layer] = Math.max(room[layer], edge.room);
    incoming[layer] += 1;
  }
  const top = Math.min(...layers.map((layer) => Math.min(...layer.map((node) => node.y))));
  let x = 0;
  let h = 0;
  layers.forEach((layer, i) => {
    const span = Math.max(0, ...layer.map((node) => node.w));
    if (i) x += GAP_X + room[i] + Math.min(30, incoming[i]);
    for (const node of layer) {
      node.x = x + (node.isLane ? 0 : (span - node.w) / (node.side === "right" ? 1 : 2));
      node.span = span;
      node.levelFrom = room[i] ? x - room[i] - LABEL_GAP : NaN;
      node.y -= top;
      h = Math.max(h, node.y + node.h);
    }
    x += span;
  });
  return { w: x, h };
}

/**
 * Return the points of `edge`: its start, both ends of its lanes, its end.
 *
 * @param {LayoutEdge} edge
 * @param {Map<string, LayoutNode>} byId
 */
export function route(edge, byId) {
  const from = lookUp(byId, edge.from);
  const to = lookUp(byId, edge.to);
  /** @type {Point[]} */
  const points = [[from.x + from.w, from.y + edge.fromY, 1]];
  for (const lane of edge.turned ? edge.lanes.toReversed() : edge.lanes) {
    if (!edge.turned) levelOut(points, lane.levelFrom, lane.y + LANE / 2);
    const ends = [lane.x, lane.x + lane.span];
    if (edge.turned) ends.reverse();
    for (const x of ends) points.push([x, lane.y + LANE / 2, edge.turned ? -1 : 1]);
  }
  if (!edge.turned) levelOut(points, to.levelFrom, to.y + edge.toY);
  points.push([to.x, to.y + edge.toY, 1]);
  return points;
}

/**
 * Add the point from which a wire is level, if labels stand beside it.
 *
 * @param {Point[]} points
 * @param {number} x
 * @param {number} y
 */
function levelOut(points, x, y) {
  if (x > points[points.length - 1][0]) points.push([x, y, 1]);
}
