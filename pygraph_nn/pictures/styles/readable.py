"""The readable style: a Picture in the DOT language."""

from __future__ import annotations

from collections.abc import Iterator

from ..model import Box, Picture, Wire
from .language import markup, quoted

# Kinds differ by outline and lightness, so that they differ also in grey and to the colour-blind.
INK, PALE_INK, STATE = "#1f2933", "#5f6b76", "#1d5c96"
FILL = {"input": "#ffffff", "output": "#ffffff", "module": "#dfe9f3", "graph": "#eef1f4"}
FONT = "Helvetica,Arial,sans-serif"
SIGN_FILL, FRAME_LINE, FRAME_FILL = "#fdf3dc", "#a9b3bd", "#fafbfc"


def readable(picture: Picture, title: str | None = None) -> str:
    """Return `picture` in the DOT language: left to right, with the state along the bottom."""
    lines = [
        "digraph G {",
        '  rankdir=LR; ranksep=0.3; nodesep=0.22; splines=true; bgcolor="white";',
        # Boxes are drawn over the points of arrowheads, which would pierce their outlines.
        "  outputorder=edgesfirst;",
        f'  graph [fontname="{FONT}", fontsize=12, fontcolor="{INK}", pad=0.15];',
        f'  node [fontname="{FONT}", fontsize=12, fontcolor="{INK}", color="{INK}", '
        "penwidth=0.9, shape=plain, margin=0];",
        f'  edge [fontname="{FONT}", fontsize=9, fontcolor="{PALE_INK}", color="{PALE_INK}", '
        "penwidth=0.9, arrowsize=0.55];",
    ]
    if title:
        lines.append(f'  labelloc="t"; label={quoted(title)};')
    inside: dict[tuple[str, ...], list[Box]] = {(): [], **{frame: [] for frame in picture.frames}}
    for box in picture.boxes:
        inside[box.frame].append(box)
    lines += _frame((), inside, 1)
    layers = _layers(picture)
    after = _after_layers(picture, layers)
    lines += _terminals(picture, state_below=not layers)
    lines += [_wire(wire, layers, after, picture.columns) for wire in picture.wires]
    lines += _aligned(picture, layers, after)
    return "\n".join([*lines, "}", ""])


def _layers(picture: Picture) -> dict[str, str]:
    """Return the layer of each box: its outermost frame, if state enters that frame.

    A picture shows these layers of a recurrent network one above the other. With fewer than two of
    them the result is empty.
    """
    frame_of = {box.id: box.frame[0] for box in picture.boxes if box.frame}
    recurrent = {frame_of.get(wire.target) for wire in picture.wires if wire.is_state} - {None}
    if len(recurrent) < 2:
        return {}
    return {id: frame for id, frame in frame_of.items() if frame in recurrent}


def _after_layers(picture: Picture, layers: dict[str, str]) -> set[str]:
    """Return the boxes that take values from layers and lead to no layer, but for outputs.

    They form a row of their own above the layers: the picture does not become so wide.
    """
    leads_on = set(layers)
    for wire in reversed(picture.wires):
        if wire.target in leads_on:
            leads_on.add(wire.source)
    outputs = {box.id for box in picture.boxes if box.kind == "output"}
    return {
        wire.target
        for wire in picture.wires
        if wire.source in layers and wire.target not in leads_on | outputs
    }


def _aligned(picture: Picture, layers: dict[str, str], after: set[str]) -> Iterator[str]:
    """Yield invisible wires that pull the boxes `after` the layers to the left."""
    entering = [
        wire.source
        for wire in picture.wires
        if wire.target in layers and wire.source not in layers and not wire.is_state
    ]
    for target in sorted(after) if entering else ():
        yield f"  {quoted(entering[0])} -> {quoted(target)} [style=invis, weight=20];"


def _frame(
    frame: tuple[str, ...], inside: dict[tuple[str, ...], list[Box]], depth: int
) -> Iterator[str]:
    """Yield the boxes of a group, and the groups inside it, each as a cluster."""
    margin = "  " * depth
    for box in inside[frame]:
        yield f"{margin}{quoted(box.id)} [{_box(box)}];"
    for inner in inside:
        if len(inner) == len(frame) + 1 and inner[: len(frame)] == frame:
            yield f"{margin}subgraph {quoted('cluster ' + '/'.join(inner))} {{"
            yield (
                f'{margin}  label={quoted(inner[-1])}; labeljust="l"; style="rounded,filled"; '
                f'color="{FRAME_LINE}"; fillcolor="{FRAME_FILL}"; fontcolor="{PALE_INK}"; '
                "fontsize=11; margin=12;"
            )
            yield from _frame(inner, inside, depth + 1)
            yield f"{margin}}}"


def _terminals(picture: Picture, state_below: bool) -> Iterator[str]:
    """Yield ranks: inputs at the left edge, outputs at the right, state below the others.

    Of a network unrolled in time, each step is a column, and only state is at the edges.
    """
    in_columns = {id for column in picture.columns for id in column}
    for column in picture.columns:
        yield f"  {{rank=same; {'; '.join(map(quoted, column))};}}"
    for kind, rank in (("input", "source"), ("output", "sink")):
        boxes = [b for b in picture.boxes if b.kind == kind and b.id not in in_columns]
        yield f"  {{rank={rank}; {'; '.join(quoted(box.id) for box in boxes)};"
        for above in boxes:
            for below in boxes:
                if state_below and below.is_state and not above.is_state:
                    yield f"    {quoted(above.id)} -> {quoted(below.id)} [style=invis];"
        yield "  }"


def _box(box: Box) -> str:
    tip = f"tooltip={quoted(_tooltip(box))}"
    if box.kind == "symbol":
        return f'{_symbol(box)}, style="rounded,filled", fillcolor="{SIGN_FILL}", {tip}'
    rows = [f"<B>{markup(box.caption)}</B>"] if box.caption else []
    text = markup(box.text)
    rows.append(text if box.caption or box.kind != "graph" else f"<B>{text}</B>")
    rows += [
        f'<FONT POINT-SIZE="9" COLOR="{PALE_INK}">{markup(detail)}</FONT>' for detail in box.details
    ]
    colour, width = INK, 0.9
    if box.kind in ("input", "output"):
        colour = STATE if box.is_state else PALE_INK
        width = 1.8 if box.is_state else 0.9
    peripheries = ", peripheries=2" if box.kind == "graph" else ""
    return (
        f'shape=box, style="rounded,filled", margin="0.11,0.06", height=0.3, width=0.3, '
        f'fillcolor="{FILL[box.kind]}", color="{colour}", penwidth={width}{peripheries}, '
        f"label=<{_lines(rows)}>, {tip}"
    )


def _lines(rows: list[str]) -> str:
    """Return lines of a label, apart enough for an underscore not to touch the line below."""
    cells = "".join(f"<TR><TD>{row}</TD></TR>" for row in rows)
    return f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">{cells}</TABLE>'


def _symbol(box: Box) -> str:
    if not box.caption and len(box.text) <= 2:
        return f"shape=circle, width=0.36, fixedsize=true, label={quoted(box.text)}"
    small = f'<FONT POINT-SIZE="9" COLOR="{PALE_INK}">{markup(box.caption)}</FONT>'
    label = f"<{_lines([markup(box.text), small])}>" if box.caption else quoted(box.text)
    return f'shape=box, margin="0.07,0.04", height=0.36, width=0.36, label={label}'


def _wire(wire: Wire, layers: dict[str, str], after: set[str], columns: list[list[str]]) -> str:
    # The padding keeps underscores off the wire, on which they would vanish.
    padded = f'<TABLE BORDER="0" CELLPADDING="3"><TR><TD>{markup(wire.label)}</TD></TR></TABLE>'
    attributes = [f"label=<{padded}>"] if wire.label else []
    if wire.is_state:
        attributes += [f'color="{STATE}"', "penwidth=1.8"]
    ends = [wire.source, wire.target]
    if layers.get(wire.source, "") != layers.get(wire.target, "") and set(ends) <= layers.keys():
        # A wire from one layer to the next is reversed, with its arrow at the tail, so that both
        # layers start at the same rank.
        ends.reverse()
        attributes.append("dir=back")
    elif wire.source in layers and wire.target in after:
        ends.reverse()
        attributes += ["dir=back", "weight=0"]
    if any({wire.source, wire.target} <= set(column) for column in columns):
        ends.reverse()  # outputs above their step, inputs below
        attributes.append("dir=back")
    listed = f" [{', '.join(attributes)}]" if attributes else ""
    return f"  {' -> '.join(map(quoted, ends))}{listed};"


def _tooltip(box: Box) -> str:
    return "\n".join(box.described) or box.text
