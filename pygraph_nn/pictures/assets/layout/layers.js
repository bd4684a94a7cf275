// Layers: the column of every node, and links from each column to the next.

import { lookUp } from "../model/maps.js";
import { layoutNode } from "./nodes.js";

/** @import { LayoutEdge, LayoutNode, Link } from "./nodes.js" */

/** Height of a lane. */
export const LANE = 9;

// How strongly links pull their ends to one height. State runs as straight as can be.
const WEIGHT = { direct: 3, toLane: 2, betweenLanes: 8 };
const STATE_WEIGHT = 60;

/**
 * Turn the edges that close a cycle or lead from one stacked node to another: they run back, from
 * right to left.
 *
 * @param {LayoutNode[]} nodes
 * @param {LayoutEdge[]} edges
 * @param {Map<string, LayoutNode>} byId
 */
export function turnBackEdges(nodes, edges, byId) {
  /** @type {Map<string, LayoutEdge[]>} */
  const outgoing = new Map(nodes.map((node) => [node.id, []]));
  for (const edge of edges) {
    edge.turned = lookUp(byId, edge.from).stacked && lookUp(byId, edge.to).stacked;
    if (!edge.turned) lookUp(outgoing, edge.from).push(edge);
  }
  /** @type {Map<string, "open" | "done">} */
  const state = new Map();
  for (const root of nodes) {
    if (state.has(root.id)) continue;
    const path = [{ id: root.id, next: 0 }];
    state.set(root.id, "open");
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const edge = lookUp(outgoing, top.id)[top.next++];
      if (!edge) {
        state.set(top.id, "done");
        path.pop();
        continue;
      }
      edge.turned = state.get(edge.to) === "open";
      if (!state.has(edge.to)) {
        state.set(edge.to, "open");
        path.push({ id: edge.to, next: 0 });
      }
    }
  }
}

/**
 * Set the layer of every node and return the layers, each a list of its nodes.
 *
 * A node is placed as far to the left as its ins allow; one without ins goes next to its first out.
 *
 * @param {LayoutNode[]} nodes
 */
export function assignLayers(nodes) {
  if (nodes.some((node) => node.column !== undefined)) return assignColumns(nodes);
  let sorted = sortByIns(nodes, 0);
  const stacked = nodes.filter((node) => node.stacked);
  if (stacked.length) sorted = sortByIns(nodes, Math.max(...stacked.map((node) => node.layer)));
  for (const node of sorted) {
    if (!node.ins.length && node.outs.length && node.side !== "left" && node.end !== "left") {
      node.layer = Math.max(node.layer, Math.min(...node.outs.map((next) => next.layer)) - 1);
    }
  }
  const farthest = Math.max(0, ...nodes.map((node) => node.layer));
  for (const node of nodes) if (node.end === "right" && !node.outs.length) node.layer = farthest;
  const last = Math.max(0, ...nodes.map((node) => node.layer + (node.side === "right" ? 0 : 1)));
  for (const node of nodes) if (node.side === "right") node.layer = last;
  const count = Math.max(...nodes.map((node) => node.layer)) + 1;
  return Array.from({ length: count }, (_, i) => nodes.filter((node) => node.layer === i));
}

/**
 * Put every node into the layer that is its column.
 *
 * @param {LayoutNode[]} nodes
 */
function assignColumns(nodes) {
  for (const node of nodes) node.layer = node.column ?? 0;
  const count = Math.max(...nodes.map((node) => node.layer)) + 1;
  return Array.from({ length: count }, (_, i) => nodes.filter((node) => node.layer === i));
}

/**
 * Sort the nodes so that each follows its ins, and set their layers by that alone.
 *
 * @param {LayoutNode[]} nodes
 * @param {number} leastOfStacked the leftmost layer for stacked nodes
 */
function sortByIns(nodes, leastOfStacked) {
  const hasPorts = nodes.some((node) => node.side === "left");
  const waiting = new Map(nodes.map((node) => [node, node.ins.length]));
  const sorted = nodes.filter((node) => !node.ins.length);
  for (const node of nodes) node.layer = node.stacked ? leastOfStacked : 0;
  for (const node of sorted) {
    if (!node.ins.length && hasPorts && node.side !== "left") node.layer = Math.max(node.layer, 1);
    for (const next of node.outs) {
      next.layer = Math.max(next.layer, node.layer + 1);
      waiting.set(next, lookUp(waiting, next) - 1);
      if (!waiting.get(next)) sorted.push(next);
    }
  }
  return sorted;
}

/**
 * Link neighbouring layers along every edge; set the edges' lanes.
 *
 * An edge gets a lane in each layer that it crosses. Edges that leave a node at the same height
 * share their lanes.
 *
 * @param {LayoutEdge[]} edges
 * @param {Map<string, LayoutNode>} byId
 * @param {LayoutNode[][]} layers lanes are added to them
 */
export function linkLayers(edges, byId, layers) {
  /** @type {Map<string, LayoutNode>} */
  const lanes = new Map();
  for (const edge of edges) {
    const from = lookUp(byId, edge.from);
    const to = lookUp(byId, edge.to);
    if (from.layer < to.layer) edge.turned = false;
    if (edge.turned) linkBack(edge, from, to, lanes, layers);
    else linkForward(edge, from, to, lanes, layers);
  }
}

/**
 * Link the layers that a turned edge crosses, those of its ends included.
 *
 * @param {LayoutEdge} edge
 * @param {LayoutNode} from
 * @param {LayoutNode} to
 * @param {Map<string, LayoutNode>} lanes
 * @param {LayoutNode[][]} layers
 */
function linkBack(edge, from, to, lanes, layers) {
  for (let layer = to.layer; layer <= from.layer; layer++) {
    const { lane } = laneOf(edge, layer, lanes, layers);
    if (from.layer === to.layer) lane.between = [from, to];
    const before = edge.lanes.at(-1);
    if (before)
      addLink({ a: before, b: lane, aY: LANE / 2, bY: LANE / 2, weight: WEIGHT.betweenLanes });
    edge.lanes.push(lane);
  }
}

/**
 * Link the ends of an edge and its lanes in between.
 *
 * @param {LayoutEdge} edge
 * @param {LayoutNode} from
 * @param {LayoutNode} to
 * @param {Map<string, LayoutNode>} lanes
 * @param {LayoutNode[][]} layers
 */
function linkForward(edge, from, to, lanes, layers) {
  const factor = edge.low ? STATE_WEIGHT : 1;
  let before = from;
  let aY = edge.fromY;
  for (let layer = from.layer + 1; layer < to.layer; layer++) {
    const { lane, isNew } = laneOf(edge, layer, lanes, layers);
    if (isNew) {
      const weight = (before.isLane ? WEIGHT.betweenLanes : WEIGHT.toLane) * factor;
      addLink({ a: before, b: lane, aY, bY: LANE / 2, weight });
    }
    edge.lanes.push(lane);
    before = lane;
    aY = LANE / 2;
  }
  const weight = (before.isLane ? WEIGHT.toLane : WEIGHT.direct) * factor;
  addLink({ a: before, b: to, aY, bY: edge.toY, weight });
}

/**
 * Return the lane of `edge` in `layer`, and whether it is the first edge to use it.
 *
 * @param {LayoutEdge} edge
 * @param {number} layer
 * @param {Map<string, LayoutNode>} lanes
 * @param {LayoutNode[][]} layers
 */
function laneOf(edge, layer, lanes, layers) {
  const key = `${edge.from} ${edge.fromY} ${layer} ${edge.turned ? edge.to : ""}`;
  const shared = lanes.get(key);
  if (shared) return { lane: shared, isNew: false };
  const lane = layoutNode({ id: "", w: 0, h: LANE, layer, low: edge.low, isLane: true });
  lanes.set(key, lane);
  layers[layer].push(lane);
  return { lane, isNew: true };
}

/**
 * Make a link known to both its ends.
 *
 * @param {Link} link
 */
function addLink(link) {
  link.a.toRight.push(link);
  link.b.toLeft.push(link);
}
