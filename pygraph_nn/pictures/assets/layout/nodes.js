// Nodes, edges and links of a layout.

/**
 * A box, a port on the holder's edge, or a lane: the place of a wire in a layer that it crosses.
 *
 * @typedef {object} LayoutNode
 * @property {string} id
 * @property {number} w
 * @property {number} h
 * @property {"left" | "right"} [side] of a port: the holder's edge at which wires enter or leave
 * @property {"left" | "right"} [end] the edge at which a box belongs
 * @property {boolean} low whether it belongs at the bottom
 * @property {boolean} stacked whether it shares its layer with others, one above the other
 * @property {boolean} isLane
 * @property {LayoutNode[]} ins the nodes that edges come from, without those of turned edges
 * @property {LayoutNode[]} outs the nodes that edges lead to, likewise
 * @property {Link[]} toLeft
 * @property {Link[]} toRight
 * @property {LayoutNode[]} between of a lane in the layer of both its ends: these
 * @property {number} layer counted from the left
 * @property {number} rank place in the layer, counted from the top
 * @property {number} wish where it would be placed if it were alone, as a rank or a y
 * @property {number} pull weight of the wish
 * @property {number} x
 * @property {number} y
 * @property {number} span width of its layer
 * @property {number} levelFrom x from which the wires into its layer are level, to pass the labels
 * @property {number} [column] the layer that it has to be in
 */

/**
 * A wire, or a part of one, between two nodes.
 *
 * @typedef {object} LayoutEdge
 * @property {string} from
 * @property {string} to
 * @property {number} fromY height of the start, from the node's top
 * @property {number} toY height of the end, from the node's top
 * @property {number} room width of the label
 * @property {boolean} low whether it belongs at the bottom
 * @property {boolean} turned whether it runs from right to left
 * @property {LayoutNode[]} lanes from left to right
 * @property {Point[]} points
 */

/**
 * The part of an edge from one layer to the next.
 *
 * @typedef {object} Link
 * @property {LayoutNode} a on the left
 * @property {LayoutNode} b on the right
 * @property {number} aY height of the start, from the top of `a`
 * @property {number} bY height of the end, from the top of `b`
 * @property {number} weight how strongly it pulls its ends to one height
 */

/**
 * x, y, and 1 or -1 for a wire that goes right or left there.
 *
 * @typedef {[number, number, number]} Point
 */

/**
 * Make a node; the layout fills in the rest.
 *
 * @param {Pick<LayoutNode, "id" | "w" | "h" | "low"> & Partial<LayoutNode>} properties
 * @returns {LayoutNode}
 */
export function layoutNode({ id, w, h, low, side, end, layer = 0, isLane = false, column }) {
  return {
    id,
    w,
    h,
    side,
    end,
    low,
    stacked: false,
    isLane,
    ins: [],
    outs: [],
    toLeft: [],
    toRight: [],
    between: [],
    layer,
    rank: 0,
    wish: NaN,
    pull: NaN,
    x: NaN,
    y: NaN,
    span: NaN,
    levelFrom: NaN,
    column,
  };
}
