"""The diagram of a cell."""

from __future__ import annotations

from collections.abc import Iterator

import pygraph_nn as nngraph
from pygraph_nn import nn

from .drawing import GATE, MAP, PLAIN, STATE, Drawing
from .labels import CODE, font, stacked_lines, symbol_label
from .symbols import LETTERS, Symbol, map_symbol, symbol

_SIGNS = {"CAddTable": "+", "CMulTable": "×", "CSubTable": "−"}


def cell_source(g: nngraph.gModule, notation: str, n: int) -> str:
    """Draw a cell of `n` units, from its inputs at the left to its outputs at the right.

    Every sum, product and function of the graph is one sign, and every affine map a box. Nodes
    that only pass values on become part of the arrows.

    Returns:
        The diagram in Graphviz's language.
    """
    picture = nngraph.picture_of(g)
    drawing = Drawing("LR", ranksep=0.62 if notation == "paper" else 0.35, nodesep=0.34)
    for box in picture.boxes:
        _draw_box(drawing, box, notation, n)
    for kind, rank in (("input", "source"), ("output", "sink")):
        ends = [box for box in picture.boxes if box.kind == kind]
        # x above the state, and h, which a cell returns last, above c
        ends = [b for b in ends if not b.is_state] + [b for b in ends[::-1] if b.is_state]
        drawing.rank([box.id for box in ends], rank, ordered=True)
    for side in _side_by_side(picture):
        drawing.rank(side, ordered=True)
    for wire in picture.wires:
        style = {"color": STATE, "penwidth": "3.2"} if wire.is_state else {}
        drawing.arrow(wire.source, wire.target, **style)
    return drawing.source


def _draw_box(drawing: Drawing, box: nngraph.Box, notation: str, n: int) -> None:
    named = symbol(box.name or box.text, notation)
    if box.kind in ("input", "output"):
        if notation == "paper" and box.name == "x":
            named = Symbol("h", "t", "l−1")
        drawing.box(box.id, symbol_label(named, 30), shape="plaintext", margin="0.1,0.02")
    elif box.kind != "symbol":
        _draw_map(drawing, box, notation, n)
    elif _sign(box) or (len(box.text) <= 2 and not box.name):
        _draw_sign(drawing, box, notation)
    else:
        _draw_gate(drawing, box, named, notation)


def _sign(box: nngraph.Box) -> str | None:
    return _SIGNS.get(type(box.module).__name__)


def _draw_sign(drawing: Drawing, box: nngraph.Box, notation: str) -> None:
    sign = _sign(box)
    label = font(sign or box.text, 30 if sign else 22)
    if notation == "code" and box.caption:
        label = stacked_lines(label, font(box.name, 15, CODE))
        style = {"shape": "box", "style": "rounded,filled", "margin": "0.1,0.02"}
    else:
        style = {"shape": "circle", "style": "filled", "fixedsize": "true", "width": "0.52"}
    drawing.box(box.id, label, fillcolor=PLAIN, **style)


def _draw_gate(drawing: Drawing, box: nngraph.Box, named: Symbol, notation: str) -> None:
    """Draw a function, with the name of its result if that has one."""
    is_gate = box.name in LETTERS
    label = font(box.text, 22)
    size = {"height": "0.5"}
    if is_gate or (notation == "code" and box.caption):
        name = symbol_label(named, 30 if notation == "paper" else 26)
        label = stacked_lines(name, font(box.text, 19))
        size = {"width": "0.75"}
    fill = GATE if is_gate else PLAIN
    style = {"shape": "box", "style": "rounded,filled", "margin": "0.12,0.05", "fillcolor": fill}
    drawing.box(box.id, label, **style, **size)


def _draw_map(drawing: Drawing, box: nngraph.Box, notation: str, n: int) -> None:
    """Draw an affine map or another module that has no sign."""
    if notation == "paper" and isinstance(box.module, nn.Linear):
        outputs, inputs = box.module.weight.shape
        label = symbol_label(map_symbol(inputs, outputs, n), 30)
    else:
        name = [font(box.name, 19, CODE)] if box.name else []
        label = stacked_lines(*name, font(box.text, 16))
    drawing.box(box.id, label, shape="box", style="filled", fillcolor=MAP, margin="0.14,0.08")


def _side_by_side(picture: nngraph.Picture) -> Iterator[list[str]]:
    """Find boxes that take parts of the same value, as gates do, and are independent."""
    after: dict[str, set[str]] = {box.id: set() for box in picture.boxes}
    for wire in reversed(picture.wires):
        after[wire.source] |= {wire.target} | after[wire.target]
    kinds = {box.id: box.kind for box in picture.boxes}
    for box in picture.boxes:
        parts = [w.target for w in picture.wires if w.source == box.id and w.via]
        parts = [id for id in dict.fromkeys(parts) if kinds[id] == "symbol"]
        independent = [id for id in parts if not any(id in after[other] for other in parts)]
        if len(independent) > 1:
            yield independent[::-1]
