// Wires cut into pieces, one for each holder that a wire runs through.

import { data, holdersOf, items, loopOf, visible } from "../model/graph.js";
import { lookUp } from "../model/maps.js";
import { layoutNode } from "./nodes.js";
import { labelWidth } from "./text.js";

/** @import { Item, Wire } from "../model/graph.js" */
/** @import { LayoutEdge, LayoutNode, Point } from "./nodes.js" */

/**
 * A wire as it is drawn, between the boxes that stand for its ends.
 *
 * @typedef {object} DrawnWire
 * @property {Wire} wire
 * @property {Item} a
 * @property {Item} b
 * @property {Piece[]} pieces in the order from a to b
 * @property {Item | null} loop the folded copy that the wire leaves and enters again
 */

/**
 * The properties of a piece beyond those of an edge: ports where it ends at an open holder's edge, and its points on
 * the page.
 *
 * @typedef {object} PieceOnly
 * @property {string | null} fromPort
 * @property {string | null} toPort
 * @property {string} label
 * @property {Point[]} absolute
 */

/** @typedef {LayoutEdge & PieceOnly} Piece */

/**
 * Ports, pieces of wires, and loops within one holder.
 *
 * @typedef {object} Scope
 * @property {Map<string, LayoutNode>} ports by id
 * @property {Map<string, Piece>} pieces by what they connect
 * @property {Map<string, number>} loops number of loops by the id of the copy
 */

/**
 * Return the scope of a holder, by its id.
 *
 * @typedef {(id: string) => Scope} ScopeOf
 */

const PORT_HEIGHT = 10;

/**
 * Return the wires to draw, without repetitions and those inside closed holders, and the scopes
 * that hold their pieces.
 */
export function cutWires() {
  /** @type {Map<string, Scope>} */
  const scopes = new Map();
  const scopeOf = (/** @type {string} */ id) => {
    const scope = scopes.get(id) ?? { ports: new Map(), pieces: new Map(), loops: new Map() };
    scopes.set(id, scope);
    return scope;
  };
  const wires = wiresToDraw();
  for (const drawn of wires) {
    if (drawn.loop) {
      const { loops } = scopeOf(drawn.loop.in);
      loops.set(drawn.loop.id, (loops.get(drawn.loop.id) || 0) + 1);
    } else cutWire(drawn, scopeOf);
  }
  return { wires, scopeOf };
}

function wiresToDraw() {
  /** @type {Map<string, DrawnWire>} */
  const wires = new Map();
  for (const wire of data.wires) {
    const from = lookUp(items, wire.from);
    const to = lookUp(items, wire.to);
    const [a, b, loop] = [visible(from), visible(to), loopOf(from, to)];
    if (a === b && !loop) continue;
    const key = `${a.id}\n${b.id}\n${wire.label || ""}\n${loop ? loop.id : ""}`;
    if (!wires.has(key)) wires.set(key, { wire, a, b, pieces: [], loop });
  }
  return [...wires.values()];
}

/**
 * Cut a wire at the edges of the open holders that it leaves and enters.
 *
 * @param {DrawnWire} drawn
 * @param {ScopeOf} scopeOf
 */
function cutWire(drawn, scopeOf) {
  const { a, b, wire } = drawn;
  const left = holdersOf(a); // innermost first
  const entered = holdersOf(b).reverse(); // outermost first
  while (left.length && entered.length && left.at(-1) === entered[0]) {
    left.pop();
    entered.shift();
  }
  const top = (left.at(-1) ?? entered[0] ?? a).in;
  const label = labelOf(wire, b);
  const [out, into] = [`${a.id} out`, `${a.id} in`];
  let from = { id: a.id, port: /** @type {string | null} */ (null) };
  for (const holder of left) {
    addPort(scopeOf(holder.id), out, "right", wire);
    addPiece(scopeOf(holder.id), from, { id: out, port: null }, "", drawn);
    from = { id: holder.id, port: out };
  }
  const ends = [...entered.map(({ id }) => ({ id, port: into })), { id: b.id, port: null }];
  addPiece(scopeOf(top), from, ends[0], entered.length ? "" : label, drawn);
  entered.forEach((holder, i) => {
    const isLast = i + 1 === entered.length;
    addPort(scopeOf(holder.id), into, "left", wire);
    addPiece(scopeOf(holder.id), { id: into, port: null }, ends[i + 1], isLast ? label : "", drawn);
  });
}

/**
 * Return the label at the end of `wire`: none where the input that it leads to shows it.
 *
 * @param {Wire} wire
 * @param {Item} b
 */
const labelOf = (wire, b) => (wire.label === b.text && b.kind === "input" ? "" : wire.label || "");

/**
 * Add a place on the holder's edge where wires enter or leave.
 *
 * @param {Scope} scope
 * @param {string} id
 * @param {"left" | "right"} side
 * @param {Wire} wire
 */
function addPort(scope, id, side, wire) {
  scope.ports.set(id, layoutNode({ id, w: 0, h: PORT_HEIGHT, side, low: !!wire.state }));
}

/**
 * Add a piece of a wire, or let the wire share one that connects the same.
 *
 * @param {Scope} scope
 * @param {{ id: string, port: string | null }} from
 * @param {{ id: string, port: string | null }} to
 * @param {string} label
 * @param {DrawnWire} drawn
 */
function addPiece(scope, from, to, label, drawn) {
  const key = [from.id, from.port, to.id, to.port, label].join("\n");
  let piece = scope.pieces.get(key);
  if (!piece) {
    const ends = { from: from.id, fromPort: from.port, to: to.id, toPort: to.port };
    const places = { fromY: 0, toY: 0, turned: false, lanes: [], points: [], absolute: [] };
    piece = { ...ends, label, room: labelWidth(label), low: !!drawn.wire.state, ...places };
    scope.pieces.set(key, piece);
  }
  drawn.pieces.push(piece);
}
