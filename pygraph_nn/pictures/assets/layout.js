// A layered layout, left to right, of what one holder (group, nested graph, page) shows.
//
// nodes: [{id, w, h, side, end, low, stacked}], side "left" or "right" for the places where wires enter and
// leave the holder, end likewise for boxes that belong at an edge, low for what belongs to the
// bottom, stacked for what stands one above the other. edges: [{from, to, fromY, toY, room, low}],
// fromY and toY counted from the node's top, room the width that the label needs. Sets x and y of
// every node and points of every edge, each [x, y, 1 or -1 for going right or left], and returns the
// size of the whole.

const GAP_Y = 14, GAP_X = 34, LANE = 9;

function layOut(nodes, edges) {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const ports = nodes.some((node) => node.side === "left");
  for (const node of nodes) Object.assign(node, { ins: [], outs: [], layer: 0 });
  const straight = edges.filter((edge) => edge.from !== edge.to);
  turnRound(nodes, straight, byId);
  for (const edge of straight) {
    if (edge.turned) continue;
    byId.get(edge.from).outs.push(byId.get(edge.to));
    byId.get(edge.to).ins.push(byId.get(edge.from));
  }
  assignLayers(nodes, ports);
  const layers = [];
  for (const node of nodes) (layers[node.layer] ??= []).push(node);
  for (let i = 0; i < layers.length; i++) layers[i] ??= [];
  const links = makeLinks(straight, byId, layers);
  order(layers, links);
  placeVertically(layers, links);
  for (let again = 0; again < 2; again++) straight.forEach((edge) => straighten(edge.lanes, layers));
  const size = placeHorizontally(layers, straight, byId);
  for (const edge of straight) edge.points = route(edge, byId);
  for (const edge of edges) if (edge.from === edge.to) edge.points = [];
  return size;
}

// Edges that close a cycle, or lead from one of the stacked nodes to another, are turned: they run
// back, from right to left.
function turnRound(nodes, edges, byId) {
  for (const edge of edges) edge.turned = byId.get(edge.from).stacked && byId.get(edge.to).stacked;
  const out = new Map(nodes.map((node) => [node.id, []]));
  for (const edge of edges) if (!edge.turned) out.get(edge.from).push(edge);
  const state = new Map();
  for (const root of nodes) {
    if (state.has(root.id)) continue;
    const path = [[root.id, 0]];
    state.set(root.id, 1);
    while (path.length) {
      const top = path[path.length - 1];
      const edge = out.get(top[0])[top[1]++];
      if (!edge) {
        state.set(top[0], 2);
        path.pop();
        continue;
      }
      edge.turned = state.get(edge.to) === 1;
      if (!state.has(edge.to)) {
        state.set(edge.to, 1);
        path.push([edge.to, 0]);
      }
    }
  }
}

// As far left as the ins allow; what has no ins moves next to its first out.
function assignLayers(nodes, ports) {
  let sorted = byIns(nodes, ports, 0);
  const stacked = nodes.filter((node) => node.stacked);
  if (stacked.length) sorted = byIns(nodes, ports, Math.max(...stacked.map((node) => node.layer)));
  for (const node of sorted) {
    if (!node.ins.length && node.outs.length && node.side !== "left" && node.end !== "left") {
      node.layer = Math.max(node.layer, Math.min(...node.outs.map((next) => next.layer)) - 1);
    }
  }
  const farthest = Math.max(0, ...nodes.map((node) => node.layer));
  for (const node of nodes) if (node.end === "right" && !node.outs.length) node.layer = farthest;
  const last = Math.max(0, ...nodes.map((node) => node.layer + (node.side === "right" ? 0 : 1)));
  for (const node of nodes) if (node.side === "right") node.layer = last;
}

function byIns(nodes, ports, leastOfStacked) {
  const waiting = new Map(nodes.map((node) => [node, node.ins.length]));
  const sorted = nodes.filter((node) => !node.ins.length);
  for (const node of nodes) node.layer = node.stacked ? leastOfStacked : 0;
  for (const node of sorted) {
    if (!node.ins.length && ports && node.side !== "left") node.layer = Math.max(node.layer, 1);
    for (const next of node.outs) {
      next.layer = Math.max(next.layer, node.layer + 1);
      waiting.set(next, waiting.get(next) - 1);
      if (!waiting.get(next)) sorted.push(next);
    }
  }
  return sorted;
}

// Edges between neighbouring layers: longer ones get a lane in each layer that they cross, shared
// by the edges that leave a node at the same height.
function makeLinks(edges, byId, layers) {
  const links = [], lanes = new Map();
  const laneOf = (edge, layer) => {
    const key = `${edge.from} ${edge.fromY} ${layer} ${edge.turned ? edge.to : ""}`;
    const known = lanes.get(key);
    if (known) return [known, false];
    const lane = { lane: true, w: 0, h: LANE, layer, low: edge.low };
    lanes.set(key, lane);
    layers[layer].push(lane);
    return [lane, true];
  };
  for (const edge of edges) {
    const from = byId.get(edge.from), to = byId.get(edge.to);
    if (edge.turned && from.layer < to.layer) edge.turned = false;
    const state = edge.low ? 60 : 1;
    edge.lanes = [];
    if (edge.turned) {
      for (let layer = to.layer; layer <= from.layer; layer++) {
        const [lane] = laneOf(edge, layer), before = edge.lanes[edge.lanes.length - 1];
        if (from.layer === to.layer) lane.between = [from, to];
        if (before) links.push({ a: before, b: lane, aY: LANE / 2, bY: LANE / 2, weight: 8 });
        edge.lanes.push(lane);
      }
      continue;
    }
    let before = from, beforeY = edge.fromY;
    for (let layer = from.layer + 1; layer < to.layer; layer++) {
      const [lane, isNew] = laneOf(edge, layer);
      if (isNew) {
        const weight = (before.lane ? 8 : 2) * state;
        links.push({ a: before, b: lane, aY: beforeY, bY: LANE / 2, weight });
      }
      edge.lanes.push(lane);
      before = lane;
      beforeY = LANE / 2;
    }
    links.push({ a: before, b: to, aY: beforeY, bY: edge.toY, weight: (before.lane ? 2 : 3) * state });
  }
  for (const layer of layers) for (const node of layer) Object.assign(node, { toLeft: [], toRight: [] });
  for (const link of links) {
    link.a.toRight.push(link);
    link.b.toLeft.push(link);
  }
  return links;
}

function order(layers, links) {
  const number = () => layers.forEach((layer) => layer.forEach((node, i) => { node.rank = i; }));
  let best = null, fewest = Infinity;
  number();
  for (let sweep = 0; sweep < 8; sweep++) {
    const toRight = sweep % 2 === 0;
    for (const layer of toRight ? layers : layers.slice().reverse()) {
      for (const node of layer) {
        const near = toRight ? node.toLeft : node.toRight;
        let sum = 0;
        for (const link of near) {
          const other = toRight ? link.a : link.b;
          sum += other.rank + (toRight ? link.aY : link.bY) / (other.h + 1);
        }
        node.wish = near.length ? sum / near.length : node.rank + 0.5;
        if (node.low) node.wish += 1e6;
      }
      for (const node of layer) {
        if (node.between) node.wish = (node.between[0].wish + node.between[1].wish) / 2;
      }
      layer.sort((x, y) => x.wish - y.wish || x.rank - y.rank);
      layer.forEach((node, i) => { node.rank = i; });
    }
    const crossed = crossings(layers);
    if (crossed < fewest) {
      fewest = crossed;
      best = layers.map((layer) => layer.slice());
    }
    if (!crossed) break;
  }
  best?.forEach((layer, i) => { layers[i] = layer; });
  number();
}

function crossings(layers) {
  let count = 0;
  for (const layer of layers) {
    const ends = [];
    for (const node of layer) {
      const links = node.toRight.map((link) => [link.aY, link.b.rank + link.bY / (link.b.h + 1)]);
      links.sort((x, y) => x[0] - y[0] || x[1] - y[1]);
      for (const [, end] of links) ends.push(end);
    }
    if (ends.length > 400) continue; // too many to count in time; the order is good enough
    for (let i = 0; i < ends.length; i++) for (let j = 0; j < i; j++) if (ends[j] > ends[i]) count++;
  }
  return count;
}

// Every node wishes to stand level with what it is wired to; of nodes that wish for the same place
// the order decides.
function placeVertically(layers, links) {
  for (const layer of layers) {
    let y = 0;
    for (const node of layer) {
      node.y = y;
      y += node.h + gap(node);
    }
  }
  for (let sweep = 0; sweep < 10; sweep++) {
    const toRight = sweep % 2 === 0;
    for (const layer of toRight ? layers : layers.slice().reverse()) {
      for (const node of layer) {
        let sum = 0, weight = 0;
        for (const link of toRight || sweep > 5 ? node.toLeft : []) {
          sum += (link.a.y + link.aY - link.bY) * link.weight;
          weight += link.weight;
        }
        for (const link of !toRight || sweep > 5 ? node.toRight : []) {
          sum += (link.b.y + link.bY - link.aY) * link.weight;
          weight += link.weight;
        }
        node.wish = weight ? sum / weight : node.y;
        node.pull = weight || 0.1;
      }
      settle(layer);
    }
  }
}

const gap = (node) => (node.between ? GAP_Y : node.lane ? 5 : GAP_Y);

// The places nearest to the wishes that keep the order and the gaps: neighbours that would overlap
// form a block, which stands at the mean of its wishes.
function settle(layer) {
  const blocks = [];
  for (const node of layer) {
    let block = { nodes: [node], at: node.wish, pull: node.pull, h: node.h + gap(node) };
    while (blocks.length && blocks[blocks.length - 1].at + blocks[blocks.length - 1].h > block.at) {
      const above = blocks.pop();
      const pull = above.pull + block.pull;
      block = {
        nodes: above.nodes.concat(block.nodes),
        at: (above.at * above.pull + (block.at - above.h) * block.pull) / pull,
        pull,
        h: above.h + block.h,
      };
    }
    blocks.push(block);
  }
  for (const block of blocks) {
    let y = block.at;
    for (const node of block.nodes) {
      node.y = y;
      y += node.h + gap(node);
    }
  }
}

// Lanes of one wire at one height, as far as their neighbours leave room.
function straighten(lanes, layers) {
  let start = 0;
  while (start < lanes.length) {
    let low = -Infinity, high = Infinity, end = start, sum = 0;
    for (; end < lanes.length; end++) {
      const lane = lanes[end], layer = layers[lane.layer];
      const above = layer[lane.rank - 1], below = layer[lane.rank + 1];
      const from = Math.max(low, above ? above.y + above.h + gap(above) : -Infinity);
      const to = Math.min(high, below ? below.y - lane.h - gap(lane) : Infinity);
      if (from > to) break;
      [low, high] = [from, to];
      sum += lane.y;
    }
    if (end === start) {
      start++;
      continue;
    }
    const y = Math.min(high, Math.max(low, sum / (end - start)));
    for (let i = start; i < end; i++) lanes[i].y = y;
    start = end;
  }
}

function placeHorizontally(layers, edges, byId) {
  const room = layers.map(() => 0), busy = layers.map(() => 0);
  for (const edge of edges) {
    const to = byId.get(edge.to);
    room[to.layer] = Math.max(room[to.layer], edge.room || 0);
    busy[to.layer] += 1;
  }
  let x = 0, height = 0, top = Infinity;
  for (const layer of layers) for (const node of layer) top = Math.min(top, node.y);
  layers.forEach((layer, i) => {
    const width = Math.max(0, ...layer.map((node) => node.w));
    if (i) x += GAP_X + room[i] + Math.min(30, busy[i]);
    for (const node of layer) {
      node.x = node.side === "right" ? x + width - node.w : node.lane ? x : x + (width - node.w) / 2;
      node.span = width;
      node.y -= top;
      height = Math.max(height, node.y + node.h);
    }
    x += width;
  });
  return { w: x, h: height };
}

function route(edge, byId) {
  const from = byId.get(edge.from), to = byId.get(edge.to);
  const points = [[from.x + from.w, from.y + edge.fromY, 1]];
  const lanes = edge.lanes.map((lane) => [lane.x, lane.x + lane.span, lane.y + LANE / 2]);
  if (edge.turned) for (const [left, right, y] of lanes.reverse()) points.push([right, y, -1], [left, y, -1]);
  else for (const [left, right, y] of lanes) points.push([left, y, 1], [right, y, 1]);
  // The label stands on a straight end.
  if (edge.room) points.push([to.x - edge.room - 6, to.y + edge.toY, 1]);
  points.push([to.x, to.y + edge.toY, 1]);
  return points;
}
