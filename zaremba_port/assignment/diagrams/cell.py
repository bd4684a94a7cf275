"""The diagram of a cell: its parts as boxes with labels, in a frame, with a legend."""

from __future__ import annotations

import pygraph_nn as nngraph

from .cell_labels import Labels
from .cell_parts import CellParts, Wire, cell_parts
from .cell_placed import draw_placed
from .cell_plans import PLANS
from .drawing import STATE, Drawing
from .labels import bold, cell, font, table


def cell_source(g: nngraph.gModule, notation: str, n: int, title: str = "cell") -> str:
    """Draw a cell of `n` units, from its inputs at the left to its outputs at the right.

    Every sum, product and function of the graph is one sign, and every affine map a box. Nodes
    that only pass values on become part of the arrows, and a box where slices of one value part.
    The built-in cells are laid out by hand, others by Graphviz.

    Returns:
        The diagram in Graphviz's language.
    """
    parts = cell_parts(nngraph.picture_of(g))
    labels = Labels(notation, n)
    for plan in PLANS:
        if plan.fits(parts):
            return draw_placed(parts, plan, Labels(notation, n, wraps=True), title)
    return _draw_generic(parts, labels, title)


def _draw_generic(cell_: CellParts, labels: Labels, title: str) -> str:
    """Draw any cell with Graphviz's own layout."""
    code = labels.is_code
    drawing = Drawing(rankdir="LR", ranksep=0.35 if code else 0.5, nodesep=0.3, ratio=9 / 16)
    parts = cell_.parts
    for part in parts.values():
        if part.kind == "split":
            rows = [
                cell(labels.of_slice(part, i), port=f"s{i}", border=1, width=40, height=40)
                for i in range(len(part.slices))
            ]
            style = {"shape": "plaintext", "margin": "0"}
            drawing.box(part.key, table(*rows), **style)
        else:
            drawing.box(part.key, labels.of(part), **labels.style(part))
    inside = [p.key for p in parts.values() if p.kind not in ("input", "output")]
    drawing.frame(inside, font(bold(title), 18))
    for kind, rank in (("input", "source"), ("output", "sink")):
        ends = [part for part in parts.values() if part.kind == kind]
        # x above the state, and h, which a cell returns last, above c
        ends = [p for p in ends if not p.box.is_state] + [p for p in ends[::-1] if p.box.is_state]
        drawing.rank([part.key for part in ends], rank, ordered=True)
    for wire in cell_.wires:
        drawing.arrow(wire.source, wire.target, **_arrow_style(wire))
    drawing.legend(labels.legend(cell_))
    return drawing.source


def _arrow_style(wire: Wire) -> dict[str, object]:
    style: dict[str, object] = {"tailport": "e", "headport": "w"}
    if wire.slice is not None:
        style["tailport"] = f"s{wire.slice}:e"
    if wire.is_state:
        style |= {"color": STATE, "penwidth": "3.2"}
    return style
