"""Diagrams in Graphviz's language, for slides: a cell, and layers in columns of time steps."""

from __future__ import annotations

import html
from collections.abc import Iterator

import pygraph_nn as nngraph
from pygraph_nn import nn

from ... import model
from .scene import Arrow, Item, Scene
from .symbols import CODE, LETTERS, Symbol, at, font, map_symbol, symbol

WORDS = "Helvetica,Arial,sans-serif"
# Kinds differ by outline and lightness, too: printed in grey they stay apart.
INK, STATE, PALE = "#1b2430", "#1d5c96", "#4d5963"
GATE, MAP, PLAIN = "#fbe3ab", "#d7e6f4", "#ffffff"
SHARED = ("#f6eed8", "#cfe2f5", "#f3b98f", "#9ecfb4", "#c3b1dd", "#e8d36f", "#8fb4d9", "#d9a3a3")
SLIDE = "13.333,7.5"  # inches
PAPER_WORDS = {
    "LookupTable": "embedding",
    "Linear": "affine map",
    "LogSoftMax": "softmax",
    "ClassNLLCriterion": "negative log-likelihood",
}
SIGNS = {"CAddTable": "+", "CMulTable": "×", "CSubTable": "−"}


def _head(direction: str, *more: str) -> list[str]:
    return [
        "digraph G {",
        f'  rankdir={direction}; bgcolor="white"; pad=0.2; ratio={9 / 16}; size="{SLIDE}!";',
        f'  graph [fontname="{WORDS}", fontsize=18, fontcolor="{INK}"];',
        f'  node [fontname="{WORDS}", fontcolor="{INK}", color="{INK}", penwidth=1.6];',
        f'  edge [fontcolor="{INK}", color="{INK}", penwidth=1.6, arrowsize=0.9];',
        *more,
    ]


def _node(id: str, label: str, **attributes: object) -> str:
    written = ", ".join(f'{key}="{value}"' for key, value in attributes.items())
    return f'  "{id}" [label=<{label}>, {written}];'


def _edge(source: str, target: str, **attributes: object) -> str:
    written = ", ".join(
        f"label=<{value}>" if key == "label" else f'{key}="{value}"'
        for key, value in attributes.items()
    )
    return f'  "{source}" -> "{target}" [{written}];'


def _lines(*lines: str) -> str:
    """Lines of a label, each of which may be a table itself."""
    rows = "".join(f"<TR><TD>{line}</TD></TR>" for line in lines)
    return f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0">{rows}</TABLE>'


# The cell


def cell_source(g: nngraph.gModule, notation: str, n: int) -> str:
    """The diagram of a cell of `n` units, from its inputs at the left to its outputs at the right.

    Every sum, product and function of the graph is one sign, every affine map a box; what only
    hands values on is part of the arrows.
    """
    drawn = nngraph.picture_of(g)
    lines = _head("LR", f"  ranksep={0.62 if notation == 'paper' else 0.35}; nodesep=0.34;")
    lines += [_cell_node(box, notation, n) for box in drawn.boxes]
    for kind, rank in (("input", "source"), ("output", "sink")):
        ends = [box for box in drawn.boxes if box.kind == kind]
        # x above the state, and of that h, which a cell gives last, above c
        ends = [b for b in ends if not b.is_state] + [b for b in ends[::-1] if b.is_state]
        lines += _in_one_rank([box.id for box in ends], rank)
    for side in _side_by_side(drawn):
        lines += _in_one_rank(side, "same")
    for wire in drawn.wires:
        style = {"color": STATE, "penwidth": 3.2} if wire.is_state else {}
        lines.append(_edge(wire.source, wire.target, **style))
    return "\n".join([*lines, "}", ""])


def _cell_node(box: nngraph.Box, notation: str, n: int) -> str:
    named = symbol(box.name or box.text, notation)
    if box.kind in ("input", "output"):
        if notation == "paper" and box.name == "x":
            named = Symbol("h", "t", "l−1")
        return _node(box.id, named.label(30), shape="plaintext", margin="0.1,0.02")
    sign = SIGNS.get(type(box.module).__name__)
    if box.kind == "symbol" and (sign or (len(box.text) <= 2 and not box.name)):
        shown = font(sign or html.escape(box.text), 30 if sign else 22)
        circle = {"shape": "circle", "fixedsize": "true", "style": "filled", "fillcolor": PLAIN}
        if notation == "code" and box.caption:
            shown = _lines(shown, font(html.escape(box.caption), 15, CODE))
            return _node(box.id, shown, shape="box", style="rounded,filled", fillcolor=PLAIN,
                         margin="0.1,0.02")  # fmt: skip
        return _node(box.id, shown, width=0.52, **circle)
    if box.kind == "symbol":
        return _gate(box, named, notation)
    label = _affine(box, notation, n)
    return _node(box.id, label, shape="box", style="filled", fillcolor=MAP, margin="0.14,0.08")


def _gate(box: nngraph.Box, named: Symbol, notation: str) -> str:
    function = html.escape(box.text)
    fill = {"shape": "box", "style": "rounded,filled", "margin": "0.12,0.05", "fillcolor": PLAIN}
    is_gate = box.name in LETTERS
    if not is_gate and (notation == "paper" or not box.caption):
        return _node(box.id, font(function, 22), height=0.5, **fill)
    if is_gate:
        fill["fillcolor"] = GATE
    label = _lines(named.label(30 if notation == "paper" else 26), font(function, 19))
    return _node(box.id, label, width=0.75, **fill)


def _affine(box: nngraph.Box, notation: str, n: int) -> str:
    module = box.module
    if notation == "paper" and isinstance(module, nn.Linear):
        outputs, inputs = module.weight.shape
        return map_symbol(inputs, outputs, n).label(30)
    named = [font(html.escape(box.name), 19, CODE)] if box.name else []
    return _lines(*named, font(html.escape(box.text), 16))


def _in_one_rank(ids: list[str], rank: str) -> list[str]:
    """These boxes one above, or beside, the other, in this order."""
    chain = " -> ".join(f'"{id}"' for id in ids)
    return [f"  {{rank={rank}; {chain}{' [style=invis]' if len(ids) > 1 else ''};}}"]


def _side_by_side(drawn: nngraph.Picture) -> Iterator[list[str]]:
    """Boxes that take parts of the same value, as gates do, and do not depend on each other."""
    after: dict[str, set[str]] = {box.id: set() for box in drawn.boxes}
    for wire in reversed(drawn.wires):
        after[wire.source] |= {wire.target} | after[wire.target]
    kinds = {box.id: box.kind for box in drawn.boxes}
    for box in drawn.boxes:
        parts = [w.target for w in drawn.wires if w.source == box.id and w.via]
        parts = [id for id in dict.fromkeys(parts) if kinds[id] == "symbol"]
        independent = [id for id in parts if not any(id in after[other] for other in parts)]
        if len(independent) > 1:
            yield independent[::-1]


# Layers and steps


def stack_source(scene: Scene, notation: str) -> str:
    """The diagram of layers one above the other, each step a column, the state from left to right.

    That of a single step says also what the arrows between layers carry, and what boxes hold.
    """
    steps = len({item.step for item in scene.items.values()})
    colours = _colours(scene)
    lines = _head("BT", f"  ranksep={0.42 if steps > 1 else 0.32}; nodesep=0.5;")
    lines += [_stack_node(item, colours, notation, steps) for item in scene.items.values()]
    rows: dict[str, list[str]] = {}
    for item in scene.items.values():
        rows.setdefault(_rank_of(scene, item), []).append(f'"{item.id}"')
    lines += [f"  {{rank=same; {'; '.join(ids)};}}" for ids in rows.values()]
    lines += [_stack_edge(scene, arrow, notation, steps) for arrow in scene.arrows]
    lines += _legend(scene, colours, notation)
    return "\n".join([*lines, "}", ""])


def _rank_of(scene: Scene, item: Item) -> str:
    """Its row; for what a criterion compares with, and for what it gives, the criterion's."""
    for arrow in scene.out_of(item.id) if item.kind == "input" else ():
        if any(scene.items[a.source].kind != "input" for a in scene.into(arrow.target)):
            return scene.items[arrow.target].row
    for arrow in scene.into(item.id) if item.kind == "output" else ():
        if any(scene.items[a.source].kind == "input" for a in scene.into(arrow.source)):
            return scene.items[arrow.source].row
    return item.row


def _colours(scene: Scene) -> dict[tuple[int, ...], str]:
    weights = [item.weights for item in scene.items.values() if item.weights]
    return {w: SHARED[i % len(SHARED)] for i, w in enumerate(dict.fromkeys(weights))}


def _stack_node(item: Item, colours: dict[tuple[int, ...], str], notation: str, steps: int) -> str:
    if item.kind == "state":
        named = [symbol(name, notation, item.layer, item.step).label(24) for name in item.names]
        return _node(item.id, _lines(*named), shape="plaintext", margin="0.1,0")
    column = {"group": f"t{item.step}"}
    if item.kind in ("input", "output"):
        label = _end(item, notation, steps).label(28)
        return _node(item.id, label, shape="plaintext", margin="0.05,0.02", **column)
    fill = {"style": "filled", "fillcolor": colours.get(item.weights, PLAIN), **column}
    if item.kind == "layer":
        fill |= {"style": "filled,bold", "penwidth": "2.2"}
    label = _lines(*_texts(item, notation, steps == 1))
    return _node(item.id, label, shape="box", margin="0.16,0.07", width=1.15, **fill)


def _end(item: Item, notation: str, steps: int) -> Symbol:
    """An input or output: x and y with their step; other names as they are."""
    if notation == "code":
        return Symbol(f"{item.name}[{item.step}]" if steps > 1 else item.name, is_code=True)
    name = "y" if item.name == "pred" else item.name
    return Symbol(name, at(item.step)) if len(name) == 1 else Symbol(name, is_code=True)


def _texts(item: Item, notation: str, with_sizes: bool) -> Iterator[str]:
    if item.kind == "layer" and notation == "code":
        yield font(html.escape(item.row), 22, CODE)
    elif item.kind == "layer":
        cell = item.row.removesuffix(item.layer).strip()
        cell = cell.upper() if cell in model.CELLS else cell
        lines = [font(f"<B>{html.escape(cell)}</B>", 22), font(f"layer {item.layer}", 18)]
        yield from [" ".join(lines)] if with_sizes else lines
    for box in item.boxes if item.kind != "layer" else ():
        if notation == "paper":
            yield font(html.escape(_word(box)), 18)
            continue
        name = font(html.escape(box.name), 18, CODE) if box.name else ""
        text = font(html.escape(box.text), 18) if with_sizes or not name else ""
        yield "  ".join(filter(None, [name, text]))
    if with_sizes and item.parameters:
        yield font(f"{_count(item)} parameters", 15, colour=PALE)


def _word(box: nngraph.Box) -> str:
    kind = type(getattr(box.module, "criterion", box.module)).__name__
    return PAPER_WORDS.get(kind, box.text)


def _count(item: Item) -> str:
    return f"{sum(p.numel() for p in item.parameters):,}"


def _stack_edge(scene: Scene, arrow: Arrow, notation: str, steps: int) -> str:
    source = scene.items[arrow.source]
    attributes: dict[str, object] = {"weight": 1 if arrow.is_state else 8}
    if arrow.is_state:
        attributes |= {"color": STATE, "penwidth": 3}
    elif steps == 1 and source.kind == "layer" and arrow.names:
        carried = symbol(arrow.names[0], notation, source.layer, source.step)
        attributes["label"] = _beside(carried.label(24))
    if arrow.dropout:
        attributes["style"] = "dashed"
    return _edge(arrow.source, arrow.target, **attributes)


def _short_name(item: Item, notation: str) -> str:
    if item.kind == "layer":
        return f"layer {item.layer}" if notation == "paper" else item.row
    return item.name if notation == "code" else _word(item.boxes[0])


def _beside(label: str) -> str:
    """`label` with room at its left, so that it does not touch the arrow."""
    return (
        '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0">'
        f'<TR><TD WIDTH="8"></TD><TD>{label}</TD></TR></TABLE>'
    )


def _legend(scene: Scene, colours: dict[tuple[int, ...], str], notation: str) -> list[str]:
    """Below the diagram: which boxes share their weights, and what dashed arrows mean."""
    uses: dict[tuple[int, ...], list[Item]] = {weights: [] for weights in colours}
    for item in scene.items.values():
        if item.weights:
            uses[item.weights].append(item)
    notes, cells = [], []
    shared = [items for items in uses.values() if len(items) > 1]
    for items in shared:
        fill = colours[items[0].weights]
        cells.append(f'<TD BGCOLOR="{fill}" BORDER="1" WIDTH="26" HEIGHT="18"></TD>')
        text = f"{_short_name(items[0], notation)}: {_count(items[0])}"
        cells.append(f"<TD>{font(html.escape(text), 17)}</TD>")
    if shared:
        times = " or ".join(map(str, sorted({len(items) for items in shared})))
        notes.append(f"same colour: the same weights, shared by {times} steps")
        cells.append(f"<TD>{font('parameters', 17)}</TD>")
    dropouts = sorted({arrow.dropout for arrow in scene.arrows if arrow.dropout})
    if dropouts:
        notes.append(f"dashed: dropout {', '.join(f'{dropout:g}' for dropout in dropouts)}")
    rows = [f"<TD>{font(' · '.join(notes), 18)}</TD>"] if notes else []
    rows += ["".join(cells)] if cells else []
    if not rows:
        return []
    tables = "".join(
        f'<TR><TD><TABLE BORDER="0" CELLBORDER="0" CELLSPACING="6" CELLPADDING="0"><TR>{row}'
        "</TR></TABLE></TD></TR>"
        for row in rows
    )
    return [
        '  labelloc="b";',
        f'  label=<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0">{tables}'
        "</TABLE>>;",
    ]
