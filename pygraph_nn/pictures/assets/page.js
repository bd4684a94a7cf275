// What the page does: shows the graph, folds and unfolds it, finds, tells, walks.

const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const svg = $("picture"), about = $("about"), query = $("query"), step = $("step");

const items = new Map([["", { id: "", inside: [] }]]);
for (const item of data.items) items.set(item.id, Object.assign(item, { inside: [] }));
for (const item of data.items) {
  item.in ??= "";
  items.get(item.in).inside.push(item);
}
const wiresTo = group(data.wires, "to"), wiresFrom = group(data.wires, "from");
const copyCounts = markCopies(); // id of the first copy -> how many there are

const HEAD = 24, PAD = 14, BIG = 120;
const folded = new Set(); // ids of holders that are closed
let copiesFolded = copyCounts.size > 0;
let shown = new Map(); // id -> what is drawn: {item, x, y, w, h, element}
let drawnWires = [];
let chosen = null, matches = [], view = { x: 0, y: 0, scale: 1 };

function group(list, key) {
  const found = new Map();
  for (const entry of list) {
    if (!found.has(entry[key])) found.set(entry[key], []);
    found.get(entry[key]).push(entry);
  }
  return found;
}

// Copies stand for the first of them while copies are folded: original says which item that is.
function markCopies() {
  const counts = new Map();
  for (const item of data.items) item.original = item;
  for (const item of data.items) {
    if (!item.copyOf) continue;
    counts.set(item.copyOf, (counts.get(item.copyOf) || 0) + 1);
    if (item.copyOf !== item.id) standFor(item, items.get(item.copyOf));
  }
  return counts;
}

function standFor(copy, first) {
  copy.original = first;
  copy.inside.forEach((inner, i) => standFor(inner, first.inside[i]));
}

const holds = (item) => item.inside.length > 0;
const isOpen = (item) => holds(item) && !folded.has(item.id);
const timesOf = (item) => (copiesFolded ? copyCounts.get(item.id) || 1 : 1);

// The item that is drawn for this one: the outermost closed holder, of the first copy.
function visible(item) {
  if (copiesFolded) {
    let one = item;
    while (one !== one.original) one = one.original;
    item = one;
  }
  let seen = item;
  for (let at = items.get(item.in); at && at.id !== ""; at = items.get(at.in)) {
    if (folded.has(at.id)) seen = at;
  }
  return seen;
}

// Sizes

const canvas = document.createElement("canvas").getContext("2d");
const widths = new Map();
function textWidth(text, font) {
  const key = font + text;
  if (!widths.has(key)) {
    canvas.font = font;
    widths.set(key, canvas.measureText(text).width);
  }
  return widths.get(key);
}
const FONT = "Helvetica, Arial, sans-serif";

function linesOf(item) {
  const lines = [];
  if (item.caption && item.kind !== "symbol") lines.push([item.caption, "name"]);
  lines.push([nameOf(item), item.kind === "graph" && !item.caption ? "name" : ""]);
  if (item.caption && item.kind === "symbol") lines.push([item.caption, "small"]);
  if (item.kind !== "symbol") for (const detail of item.details || []) lines.push([detail, "small"]);
  if (holds(item)) lines.push([`${count(item)} nodes`, "small"]);
  return lines;
}

// Of folded copies "x", where the first alone is "x 0".
const nameOf = (item) => (timesOf(item) > 1 ? item.text.replace(/ \d+$/, "") : item.text);

function count(item) {
  return item.inside.reduce((sum, inner) => sum + (holds(inner) ? count(inner) : 1), 0);
}

function sizeOfClosed(item) {
  const lines = linesOf(item);
  const wide = (text, kind) =>
    textWidth(text, `${kind === "name" ? "bold " : ""}${kind === "small" ? 11 : 13}px ${FONT}`);
  const w = Math.max(30, ...lines.map(([text, kind]) => wide(text, kind) + 18)) + (holds(item) ? 16 : 0);
  const h = Math.max(30, lines.reduce((sum, [, kind]) => sum + (kind === "small" ? 14 : 16), 12));
  return { w: w + (timesOf(item) > 1 ? 26 : 0), h };
}

// Layout: every open holder is laid out by itself, then stands as a box in the one around it.

function draw() {
  const scopes = new Map(); // holder id -> {nodes, edges}
  const scope = (id) => {
    if (!scopes.has(id)) scopes.set(id, { nodes: new Map(), edges: new Map(), loops: new Map() });
    return scopes.get(id);
  };
  const seen = new Set();
  drawnWires = [];
  for (const wire of data.wires) {
    const from = items.get(wire.from), to = items.get(wire.to);
    const a = visible(from), b = visible(to), loop = copiesFolded ? loopOf(from, to) : null;
    if (a === b && !loop) continue; // inside a closed holder
    const key = `${a.id}\n${b.id}\n${wire.label || ""}\n${loop ? loop.id : ""}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const one = { wire, a, b, pieces: [], loop };
    drawnWires.push(one);
    if (loop) continue;
    thread(one, scope);
  }
  for (const one of drawnWires) {
    if (!one.loop) continue;
    const { loops } = scope(one.loop.in);
    loops.set(one.loop.id, (loops.get(one.loop.id) || 0) + 1);
  }
  const placed = measure(items.get(""), scope);
  shown = new Map();
  place(items.get(""), 0, 0, placed, scope);
  paint(placed);
}

// Wires from a folded copy to the next one: round the box, back to its start.
function loopOf(from, to) {
  for (let x = from; x.id !== ""; x = items.get(x.in)) {
    if (!x.copyOf) continue;
    for (let y = to; y.id !== ""; y = items.get(y.in)) {
      if (y.copyOf === x.copyOf && y !== x) return visible(items.get(x.copyOf));
    }
  }
  return null;
}

// The pieces of a wire, one for each holder that it runs through.
function thread(one, scope) {
  const up = chain(one.a), down = chain(one.b);
  while (up.length && down.length && up[up.length - 1] === down[down.length - 1]) {
    up.pop();
    down.pop();
  }
  // up: holders of a that do not hold b, innermost first; down: likewise for b.
  const outermost = up[up.length - 1] || down[down.length - 1] || one.a;
  const top = items.get(outermost.in);
  const label = labelOf(one.wire, one.b);
  const source = one.a.id;
  let from = one.a.id, fromHolder = null;
  for (const holder of up) {
    const port = `${source} out`;
    addEdge(scope(holder.id), from, fromHolder, port, null, "right", one, "");
    from = holder.id;
    fromHolder = port;
  }
  const entered = down.slice().reverse();
  const target = entered.length ? entered[0].id : one.b.id;
  const way = `${source} in`;
  addEdge(scope(top.id), from, fromHolder, target, entered.length ? way : null, "", one, entered.length ? "" : label);
  entered.forEach((holder, i) => {
    const next = i + 1 < entered.length ? entered[i + 1].id : one.b.id;
    const last = i + 1 === entered.length;
    addEdge(scope(holder.id), way, null, next, last ? null : way, "left", one, last ? label : "");
  });
}

// An open graph's own input says what the label would.
const labelOf = (wire, b) => (wire.label === b.text && b.kind === "input" ? "" : wire.label || "");

function chain(item) {
  const found = [];
  for (let at = items.get(item.in); at.id !== ""; at = items.get(at.in)) found.push(at);
  return found;
}

// fromPort, toPort: where on an open holder's edge the piece starts or ends.
function addEdge(scope, from, fromPort, to, toPort, side, one, label) {
  const key = `${from}\n${fromPort}\n${to}\n${toPort}\n${label}`;
  let edge = scope.edges.get(key);
  if (!edge) {
    edge = { from, fromPort, to, toPort, label, low: !!one.wire.state, room: label ? textWidth(label, `10px ${FONT}`) + 8 : 0 };
    scope.edges.set(key, edge);
  }
  const low = !!one.wire.state;
  if (side === "right") scope.nodes.set(to, { id: to, w: 0, h: 10, side, low });
  if (side === "left") scope.nodes.set(from, { id: from, w: 0, h: 10, side, low });
  one.pieces.push([scope, edge]);
}

function measure(holder, scopeOf) {
  const scope = scopeOf(holder.id);
  const nodes = [];
  const inside = holder.inside.filter((item) => !copiesFolded || item.original === item);
  // State at the bottom: the layout keeps this order where wires do not ask for another.
  const sorted = inside.filter((item) => !item.state).concat(inside.filter((item) => item.state));
  for (const item of sorted) {
    const inner = isOpen(item) ? measure(item, scopeOf) : null;
    const size = inner ? { w: inner.w, h: inner.h } : sizeOfClosed(item);
    const loops = scope.loops.get(item.id) || 0;
    const end = item.state ? { input: "left", output: "right" }[item.kind] : undefined;
    nodes.push({ id: item.id, item, end, low: !!item.state, w: size.w, boxH: size.h, h: size.h + (loops ? 14 + 8 * loops : 0), inner });
  }
  const known = new Map(nodes.map((node) => [node.id, node]));
  // What hands state on stands at the bottom too, so that the state runs straight.
  const states = [...scope.edges.values()].filter((edge) => edge.low);
  const given = new Set(states.map((edge) => edge.from)), taken = new Set(states.map((edge) => edge.to));
  for (const node of nodes) node.low ||= holds(node.item) && given.has(node.id) && taken.has(node.id);
  // Groups that take state are the layers of a recurrent network: one above the other.
  const layers = nodes.filter((node) => node.item.kind === "group" && taken.has(node.id));
  if (layers.length > 1) for (const node of layers) Object.assign(node, { stacked: true, low: false });
  const portNodes = [...scope.nodes.values()];
  const height = (id, port, isFrom) => {
    const node = known.get(id);
    if (!node) return 5;
    const at = port && node.inner ? (isFrom ? node.inner.right : node.inner.left).get(port) : undefined;
    return at ?? node.boxH / 2;
  };
  const all = nodes.concat(portNodes), edges = [...scope.edges.values()];
  // Labelled wires into one box end one below the other, state last.
  const labelled = group(edges.slice().sort((a, b) => a.low - b.low), "to");
  for (const [id, several] of labelled) {
    const node = known.get(id), apart = new Set(several.map((edge) => edge.label)).size > 1;
    if (!node || node.inner || !apart) labelled.delete(id);
    else {
      node.h += grow(node, 14 * several.length + 6);
      // State leaves at the height at which it enters.
      if (several[several.length - 1].low) node.stateY = (node.boxH * several.length) / (several.length + 1);
    }
  }
  for (const edge of edges) {
    edge.fromY = height(edge.from, edge.fromPort, true);
    edge.toY = height(edge.to, edge.toPort, false);
    const several = labelled.get(edge.to), node = known.get(edge.to);
    const stateY = edge.low && known.get(edge.from)?.stateY;
    if (stateY) edge.fromY = stateY;
    if (several) edge.toY = (node.boxH * (several.indexOf(edge) + 1)) / (several.length + 1);
  }
  const size = all.length ? layOut(all, edges) : { w: 0, h: 0 };
  const top = holder.id === "" ? PAD : HEAD + 6;
  const title = holder.id === "" ? 0 : textWidth(headOf(holder), `bold 12px ${FONT}`) + 60;
  const w = Math.max(size.w + 2 * PAD, title), h = size.h + top + PAD;
  const left = new Map(), right = new Map();
  for (const port of portNodes) (port.side === "left" ? left : right).set(port.id, port.y + 5 + top);
  return { w, h, nodes, edges, left, right, top };
}

// Makes a box at least this high, for its labelled wires; gives what it grew by.
function grow(node, least) {
  const by = Math.max(0, least - node.boxH);
  node.boxH += by;
  return by;
}

const headOf = (item) => item.caption || nameOf(item);

function place(holder, x, y, placed, scopeOf) {
  for (const node of placed.nodes) {
    const at = { item: node.item, x: x + PAD + node.x, y: y + placed.top + node.y, w: node.w, h: node.boxH, open: !!node.inner, stateY: node.stateY };
    shown.set(node.id, at);
    if (node.inner) place(node.item, at.x, at.y, node.inner, scopeOf);
  }
  for (const edge of placed.edges) {
    edge.absolute = edge.points.map(([px, py, way]) => [px + x + PAD, py + y + placed.top, way]);
    // From and to a holder's edge, not to its inner margin.
    const first = edge.absolute[0], last = edge.absolute[edge.absolute.length - 1];
    if (placed.left.has(edge.from)) edge.absolute.unshift([x, first[1], 1]);
    if (placed.right.has(edge.to)) edge.absolute.push([x + placed.w, last[1], 1]);
  }
}

// Painting

const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

function curve(points) {
  let path = `M${points[0][0].toFixed(1)} ${points[0][1].toFixed(1)}`;
  for (let i = 1; i < points.length; i++) {
    const [ax, ay, aWay] = points[i - 1], [bx, by, bWay] = points[i];
    if (Math.abs(ay - by) < 0.5 && aWay === bWay) {
      path += `L${bx.toFixed(1)} ${by.toFixed(1)}`;
    } else {
      const reach = Math.max(aWay === bWay ? 14 : 24, Math.abs(bx - ax) / 2);
      path += `C${(ax + aWay * reach).toFixed(1)} ${ay.toFixed(1)} ${(bx - bWay * reach).toFixed(1)} ${by.toFixed(1)} ${bx.toFixed(1)} ${by.toFixed(1)}`;
    }
  }
  return path;
}

function paint(placed) {
  const boxes = [], wires = [], labels = [];
  for (const at of shown.values()) boxes.push(boxMarkup(at));
  const loopsDone = new Map();
  drawnWires.forEach((one, i) => {
    const kind = one.wire.state ? " state" : "";
    let points;
    if (one.loop) {
      const at = shown.get(one.loop.id);
      if (!at) return;
      const n = loopsDone.get(one.loop.id) || 0;
      loopsDone.set(one.loop.id, n + 1);
      const right = at.x + at.w, y = at.y + (at.stateY ?? at.h / 2) + 4 * n, low = at.y + at.h + 14 + 8 * n;
      const round = [[right, y, 1], [right, low, -1], [at.x, low, -1], [at.x, y, 1]];
      wires.push(`<path class="wire${kind}" data-wire="${i}" d="${curve(round)}"/>`, arrow([at.x, y], kind));
      return;
    }
    one.pieces.forEach(([, edge], p) => {
      points = edge.absolute;
      wires.push(`<path class="wire${kind}" data-wire="${i}" d="${curve(points)}"/>`);
      if (p === one.pieces.length - 1) {
        const end = points[points.length - 1];
        wires.push(arrow(end, kind));
        if (edge.label) labels.push(`<text class="label" x="${(end[0] - 10).toFixed(1)}" y="${(end[1] - 5).toFixed(1)}">${escaped(edge.label)}</text>`);
      }
    });
  });
  svg.innerHTML = `<g id="scene"><g id="holders">${boxes.filter((b) => b.open).map((b) => b.markup).join("")}</g><g id="wires">${wires.join("")}</g><g id="boxes">${boxes.filter((b) => !b.open).map((b) => b.markup).join("")}</g><g id="labels">${labels.join("")}</g></g>`;
  size = { w: placed.w, h: placed.h };
  for (const element of svg.querySelectorAll(".box")) {
    const at = shown.get(element.dataset.id);
    at.element = element;
  }
  for (const one of drawnWires) one.elements = [];
  for (const element of svg.querySelectorAll(".wire")) drawnWires[+element.dataset.wire].elements.push(element);
  moveView();
  markMatches();
  markChosen();
  light();
}

let size = { w: 1, h: 1 };
const arrow = ([x, y], kind) =>
  `<path class="arrow${kind}" d="M${x.toFixed(1)} ${y.toFixed(1)}l-8 -3.5v7z"/>`;

function boxMarkup(at) {
  const { item, x, y, w, h, open } = at;
  const round = item.kind === "symbol" ? 15 : item.kind === "input" || item.kind === "output" ? 14 : open ? 10 : 6;
  const times = timesOf(item);
  let inner = "";
  if (times > 1) inner += `<rect class="more" x="${x + 4}" y="${y + 4}" width="${w}" height="${h}" rx="${round}"/>`;
  inner += `<rect class="own" x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${w.toFixed(1)}" height="${h.toFixed(1)}" rx="${Math.min(round, h / 2)}"/>`;
  if (open) {
    inner += `<text class="head" x="${x + 10}" y="${y + 17}"><tspan class="toggle">▾</tspan> ${escaped(headOf(item))}</text>`;
  } else {
    const lines = linesOf(item);
    const tall = lines.reduce((sum, [, kind]) => sum + (kind === "small" ? 14 : 16), 0);
    let at = y + (h - tall) / 2;
    const middle = x + (w - (times > 1 ? 26 : 0)) / 2 + (holds(item) ? 6 : 0);
    for (const [text, kind] of lines) {
      at += kind === "small" ? 14 : 16;
      inner += `<text class="${kind}" x="${middle.toFixed(1)}" y="${(at - 4).toFixed(1)}">${escaped(text)}</text>`;
    }
    if (holds(item)) inner += `<text class="head" x="${x + 7}" y="${y + 17}"><tspan class="toggle">▸</tspan></text>`;
  }
  if (times > 1) inner += `<text class="times" x="${x + w - 8}" y="${y + 17}">×${times}</text>`;
  const classes = ["box", item.kind, open ? "open" : "", item.state ? "state" : ""].filter(Boolean).join(" ");
  const expanded = holds(item) ? ` aria-expanded="${open}"` : "";
  return {
    open,
    markup: `<g class="${classes}" data-id="${escaped(item.id)}" tabindex="-1" role="button" aria-label="${escaped(spoken(item, times))}"${expanded}>${inner}</g>`,
  };
}

const SAID = { input: "input", output: "output", symbol: "operation", module: "module", graph: "nested graph", group: "group" };
function spoken(item, times) {
  const words = [item.caption, nameOf(item), SAID[item.kind], ...(item.details || [])];
  if (times > 1) words.push(`${times} copies`);
  return words.filter(Boolean).join(", ");
}

// Zoom and pan

function moveView() {
  $("scene").setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.scale})`);
}

function fit() {
  const { width, height } = svg.getBoundingClientRect();
  const scale = Math.min(width / (size.w + 20), height / (size.h + 20), 1.6);
  view = { scale, x: (width - size.w * scale) / 2, y: (height - size.h * scale) / 2 };
  moveView();
}

function zoom(by, x, y) {
  const box = svg.getBoundingClientRect();
  x ??= box.width / 2;
  y ??= box.height / 2;
  const scale = Math.min(8, Math.max(0.02, view.scale * by));
  const ratio = scale / view.scale;
  view = { scale, x: x - (x - view.x) * ratio, y: y - (y - view.y) * ratio };
  moveView();
}

function bringIntoView(at, readable = false) {
  const box = svg.getBoundingClientRect();
  if (readable && view.scale < 0.6) view.scale = 0.9;
  const x = view.x + at.x * view.scale, y = view.y + at.y * view.scale;
  const w = at.w * view.scale, h = at.h * view.scale, edge = 40;
  if (x < edge || x + w > box.width - edge) view.x += box.width / 2 - (x + Math.min(w, box.width) / 2);
  if (y < edge || y + h > box.height - edge) view.y += box.height / 2 - (y + Math.min(h, box.height) / 2);
  moveView();
}

svg.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = svg.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.clientX - box.left, event.clientY - box.top);
}, { passive: false });

let held = null, pressed = false;
svg.addEventListener("pointerdown", (event) => {
  pressed = true;
  held = { x: event.clientX, y: event.clientY, moved: false, target: event.target };
});
svg.addEventListener("pointermove", (event) => {
  if (!held || !event.buttons) return;
  const dx = event.clientX - held.x, dy = event.clientY - held.y;
  if (!held.moved && Math.hypot(dx, dy) < 4) return;
  if (!held.moved) svg.setPointerCapture(event.pointerId);
  Object.assign(held, { x: event.clientX, y: event.clientY, moved: true });
  svg.classList.add("held");
  view.x += dx;
  view.y += dy;
  moveView();
});
window.addEventListener("pointerup", () => {
  pressed = false;
  svg.classList.remove("held");
});
svg.addEventListener("click", (event) => {
  if (held && held.moved) return;
  const element = event.target.closest(".box");
  if (!element) return choose(null);
  const item = items.get(element.dataset.id);
  if (event.target.classList.contains("toggle")) return toggle(item);
  choose(item);
  if (!isOpen(item)) bringIntoView(shown.get(item.id)); // the panel may have come over it
});
svg.addEventListener("dblclick", (event) => {
  const element = event.target.closest(".box");
  if (element && holds(items.get(element.dataset.id))) toggle(items.get(element.dataset.id));
});

// Folding

function toggle(item, open = folded.has(item.id)) {
  if (!holds(item)) return;
  const before = shown.get(item.id);
  if (open) folded.delete(item.id);
  else folded.add(item.id);
  draw();
  const after = shown.get(item.id);
  if (before && after) { // what was under the pointer stays there
    view.x += (before.x - after.x) * view.scale;
    view.y += (before.y - after.y) * view.scale;
    moveView();
  }
  choose(visible(item));
}

function foldAll(close) {
  folded.clear();
  if (close) for (const item of data.items) if (holds(item)) folded.add(item.id);
  draw();
  fit();
}

$("expand").addEventListener("click", () => foldAll(false));
$("collapse").addEventListener("click", () => foldAll(true));
$("copies").hidden = !copyCounts.size;
$("copies").addEventListener("click", () => {
  copiesFolded = !copiesFolded;
  $("copies").setAttribute("aria-pressed", copiesFolded);
  draw();
  fit();
});
$("in").addEventListener("click", () => zoom(1.3));
$("out").addEventListener("click", () => zoom(1 / 1.3));
$("fit").addEventListener("click", fit);

// The chosen node

function choose(item, focus = true) {
  chosen = item ? visible(item) : null;
  markChosen();
  tell(item);
  if (chosen && focus) shown.get(chosen.id)?.element.focus({ preventScroll: true });
}

function markChosen() {
  for (const at of shown.values()) {
    at.element.classList.toggle("chosen", at.item === chosen);
    at.element.setAttribute("tabindex", at.item === chosen ? "0" : "-1");
  }
  if (!chosen || !shown.has(chosen.id)) {
    const first = shown.values().next().value;
    first?.element.setAttribute("tabindex", "0");
  }
}

function tell(item) {
  if (!item) return about.replaceChildren();
  const parts = [`<h2>${escaped(item.caption || item.text)}</h2>`];
  const kind = [SAID[item.kind], item.caption && item.text].filter(Boolean).join(": ");
  parts.push(`<p>${escaped(kind)}</p>`);
  if (timesOf(item) > 1) parts.push(`<p>${timesOf(item)} copies with the same parameters; this is the first.</p>`);
  if (holds(item)) parts.push(`<p>${count(item)} nodes <button type="button" id="toggle">${isOpen(item) ? "Close" : "Open"}</button></p>`);
  if (item.module) parts.push("<h3>Module</h3>", `<pre>${escaped(item.module)}</pre>`);
  if (item.inputs || item.shape) {
    parts.push("<h3>Shapes</h3>");
    for (const shape of item.inputs || []) parts.push(`<p>in: ${escaped(shape)}</p>`);
    if (item.shape) parts.push(`<p>out: ${escaped(item.shape)}</p>`);
  }
  if (item.parameters) {
    const total = item.parameters.reduce((sum, p) => sum + p[2], 0);
    parts.push(`<h3>${total.toLocaleString("en")} parameters</h3><table>`);
    for (const [name, shape, n] of item.parameters) {
      parts.push(`<tr><td>${escaped(name)}</td><td>${escaped(shape)}</td><td class="number">${n.toLocaleString("en")}</td></tr>`);
    }
    parts.push("</table>");
  }
  parts.push(statisticsTable("Value", item.value), statisticsTable("Gradient", item.gradient));
  if (item.nodes && item.nodes.length) {
    parts.push("<h3>Nodes</h3>", ...item.nodes.map((node) => `<p>${escaped(node)}</p>`));
  }
  if (item.source) parts.push("<h3>Declared at</h3>", `<p>${escaped(item.source)}</p>`);
  about.innerHTML = parts.join("");
  $("toggle")?.addEventListener("click", () => toggle(item));
}

function statisticsTable(title, rows) {
  if (!rows || !rows.length) return "";
  const short = (x) => (x && Math.abs(x) < 1e-3 ? x.toExponential(2) : String(Number(x.toPrecision(4))));
  const cell = (x) => `<td class="number">${x === null ? "–" : short(x).replace("-", "−")}</td>`;
  const body = rows.map(([shape, mean, std, low, high, nan, inf]) =>
    `<tr><td>${escaped(shape)}</td>${[mean, std, low, high].map(cell).join("")}<td class="number${nan || inf ? " bad" : ""}">${nan}${inf ? ` + ${inf} inf` : ""}</td></tr>`);
  return `<h3>${title}</h3><table><tr><th>shape</th><th>mean</th><th>std</th><th>min</th><th>max</th><th>NaN</th></tr>${body.join("")}</table>`;
}

// Finding

function markMatches() {
  const drawn = new Set(matches.map((item) => visible(item).id));
  for (const at of shown.values()) at.element.classList.toggle("match", drawn.has(at.item.id));
}

function find() {
  const wanted = query.value.trim().toLowerCase();
  const fits = (item) => [item.name, item.caption, item.text, item.module].some((x) => x && x.toLowerCase().includes(wanted));
  matches = wanted ? data.items.filter((item) => (!copiesFolded || item.original === item) && fits(item)) : [];
  $("found").textContent = wanted ? `${matches.length} found` : "";
  markMatches();
}

function showMatch(which) {
  if (!matches.length) return;
  const item = matches[which % matches.length];
  let changed = false;
  for (const holder of chain(item)) changed = folded.delete(holder.id) || changed;
  if (changed) draw();
  choose(item, false);
  bringIntoView(shown.get(visible(item).id), true);
  $("found").textContent = `${(which % matches.length) + 1} of ${matches.length}`;
}

let nextMatch = 0;
query.addEventListener("input", () => {
  nextMatch = 0;
  find();
});
$("find").addEventListener("submit", (event) => {
  event.preventDefault();
  showMatch(nextMatch++);
});

// Walking through the passes

const walk = data.forward.concat(data.backward);
step.max = walk.length;

function light() {
  const at = +step.value, half = data.forward.length;
  const done = new Map(); // drawn id -> "lit" or "lit back"
  const isBack = at > half;
  for (let i = 0; i < at; i++) {
    const drawn = visible(items.get(walk[i])).id;
    done.set(drawn, i >= half ? "back" : "forward");
  }
  const now = at ? visible(items.get(walk[at - 1])).id : null;
  for (const drawn of shown.values()) {
    const state = done.get(drawn.item.id);
    const { classList } = drawn.element;
    classList.toggle("lit", !!state);
    classList.toggle("back", state === "back");
    classList.toggle("now", drawn.item.id === now);
  }
  for (const one of drawnWires) {
    const from = done.get(one.a.id), to = done.get(one.b.id);
    const back = isBack && to === "back";
    for (const element of one.elements) {
      element.classList.toggle("lit", !!from && (back || !!to));
      element.classList.toggle("back", back);
    }
  }
  document.querySelector("footer").classList.toggle("back", isBack);
  const item = at ? items.get(walk[at - 1]) : null;
  const pass = isBack ? "backward" : "forward";
  const place = isBack ? at - half : at, of = isBack ? walk.length - half : half;
  const text = item ? `${pass} ${place} of ${of}: ${item.caption || item.name || item.text}` : `${half} steps forward, ${walk.length - half} backward`;
  $("where").textContent = text;
  step.setAttribute("aria-valuetext", text);
}

let playing = null;
function play(on) {
  clearInterval(playing);
  playing = on ? setInterval(() => {
    if (+step.value >= walk.length) return play(false);
    step.value = +step.value + 1;
    light();
  }, Math.max(30, Math.min(350, 20000 / walk.length))) : null;
  $("play").textContent = on ? "Stop" : "Play";
  $("play").setAttribute("aria-pressed", on);
}
$("play").addEventListener("click", () => {
  if (+step.value >= walk.length) step.value = 0;
  play(!playing);
});
step.addEventListener("input", light);

// Keys

function neighbour(item, forward) {
  for (const one of drawnWires) {
    if (forward && one.a === item && shown.has(one.b.id) && one.b !== item) return one.b;
    if (!forward && one.b === item && shown.has(one.a.id) && one.a !== item) return one.a;
  }
  return null;
}

function nearest(item, dx, dy) {
  const here = shown.get(item.id);
  const cx = here.x + here.w / 2, cy = here.y + here.h / 2;
  let best = null, least = Infinity;
  for (const at of shown.values()) {
    if (at.item === item || at.open) continue;
    const x = at.x + at.w / 2 - cx, y = at.y + at.h / 2 - cy;
    const along = x * dx + y * dy, across = Math.abs(x * dy) + Math.abs(y * dx);
    if (along <= 2) continue;
    const far = along + 2.5 * across;
    if (far < least) [best, least] = [at.item, far];
  }
  return best;
}

function go(item) {
  if (!item) return;
  choose(item);
  bringIntoView(shown.get(item.id));
}

svg.addEventListener("keydown", (event) => {
  const current = (chosen && shown.has(chosen.id) && chosen) || null;
  const first = shown.values().next().value.item;
  const moves = {
    ArrowRight: () => go(current ? neighbour(current, true) || nearest(current, 1, 0) : first),
    ArrowLeft: () => go(current ? neighbour(current, false) || nearest(current, -1, 0) : first),
    ArrowDown: () => go(current ? nearest(current, 0, 1) : first),
    ArrowUp: () => go(current ? nearest(current, 0, -1) : first),
    Enter: () => (current && holds(current) ? toggle(current) : choose(current || first)),
    " ": () => (current && holds(current) ? toggle(current) : choose(current || first)),
    Home: () => go(first),
    "+": () => zoom(1.3),
    "=": () => zoom(1.3),
    "-": () => zoom(1 / 1.3),
    0: fit,
  };
  if (!moves[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  moves[event.key]();
});
svg.addEventListener("focusin", (event) => {
  const element = event.target.closest(".box");
  if (pressed) return; // a click chooses, the start of a drag does not
  if (element && items.get(element.dataset.id) !== chosen) choose(items.get(element.dataset.id), false);
});

document.addEventListener("keydown", (event) => {
  const typing = event.target === query;
  if (event.key === "/" && !typing) {
    event.preventDefault();
    query.focus();
    query.select();
  } else if (event.key === "Escape") {
    play(false);
    query.value = "";
    find();
    choose(null);
    if (typing) query.blur();
  }
});

// Start: what is too large to read at once starts closed.
if (data.items.length > BIG) {
  for (const item of data.items) if (holds(item)) folded.add(item.id);
}
draw();
fit();
window.addEventListener("resize", fit);
