// The order of the nodes in each layer, with few crossings of wires.

/** @import { LayoutNode } from "./nodes.js" */

const ORDER_SWEEPS = 8;
// Crossings of more links than this take too long to count; the order is good enough there.
const MOST_COUNTED = 400;
const BOTTOM = 1e6;

/**
 * Sort every layer and set the ranks of its nodes.
 *
 * Each sweep sorts the layers by the mean rank of the neighbours on one side (Sugiyama, Tagawa and
 * Toda, 1981). The order with the fewest crossings is kept.
 *
 * @param {LayoutNode[][]} layers
 */
export function orderLayers(layers) {
  /** @type {LayoutNode[][]} */
  let best = [];
  let fewest = Infinity;
  layers.forEach(setRanks);
  for (let sweep = 0; sweep < ORDER_SWEEPS; sweep++) {
    const toRight = sweep % 2 === 0;
    for (const layer of toRight ? layers : layers.toReversed()) sortLayer(layer, toRight);
    const crossings = countCrossings(layers);
    if (crossings < fewest) {
      fewest = crossings;
      best = layers.map((layer) => layer.slice());
    }
    if (!crossings) break;
  }
  best.forEach((layer, i) => (layers[i] = layer));
  layers.forEach(setRanks);
}

/** @param {LayoutNode[]} layer */
function setRanks(layer) {
  layer.forEach((node, i) => (node.rank = i));
}

/**
 * Sort `layer` by the mean ranks of its nodes' neighbours; nodes of the bottom go last.
 *
 * @param {LayoutNode[]} layer
 * @param {boolean} toRight whether the layer on the left decides
 */
function sortLayer(layer, toRight) {
  for (const node of layer) {
    let sum = 0;
    for (const { a, b, aY, bY } of toRight ? node.toLeft : node.toRight) {
      sum += toRight ? a.rank + aY / (a.h + 1) : b.rank + bY / (b.h + 1);
    }
    const count = (toRight ? node.toLeft : node.toRight).length;
    node.wish = count ? sum / count : node.rank + 0.5;
    if (node.low) node.wish += BOTTOM;
  }
  for (const node of layer) {
    if (node.between.length) node.wish = (node.between[0].wish + node.between[1].wish) / 2;
  }
  layer.sort((x, y) => x.wish - y.wish || x.rank - y.rank);
  setRanks(layer);
}

/** @param {LayoutNode[][]} layers */
function countCrossings(layers) {
  let count = 0;
  for (const layer of layers) {
    const ends = layer.flatMap(endsOf);
    if (ends.length > MOST_COUNTED) continue;
    for (let i = 0; i < ends.length; i++) {
      for (let j = 0; j < i; j++) if (ends[j] > ends[i]) count++;
    }
  }
  return count;
}

/**
 * Return where the links of `node` end in the next layer, in the order in which they leave it.
 *
 * @param {LayoutNode} node
 */
function endsOf(node) {
  const links = node.toRight.map(({ b, aY, bY }) => ({ aY, end: b.rank + bY / (b.h + 1) }));
  links.sort((x, y) => x.aY - y.aY || x.end - y.end);
  return links.map(({ end }) => end);
}
