"""Overview of a large Picture: each group is one box, and so are all copies of a network."""

from __future__ import annotations

import re
from dataclasses import replace

from . import symbols
from .build import Values
from .model import Box, Picture, Wire
from .unrolled import alike

MOST_BOXES = 60
"""A picture with more boxes starts folded: overview first, then detail."""


def group_details(boxes: list[Box], values: Values) -> tuple[str, ...]:
    """Return the lines of a folded group: its boxes, its parameters, the shape of its last value.

    >>> group_details([Box("a", "symbol", "+"), Box("b", "symbol", "×")], {})
    ('2 boxes',)
    """
    parameters = {id(p): p for box in boxes if box.module for p in box.module.parameters()}
    lines = [f"{len(boxes)} box{'es' * (len(boxes) != 1)}"]
    if parameters:
        lines.append(f"{sum(p.numel() for p in parameters.values()):,} parameters")
    last = boxes[-1].node
    if last is not None and last in values:
        lines.append(symbols.shape_text(values[last]))
    return tuple(lines)


def overview(picture: Picture, values: Values) -> Picture:
    """Return `picture` with each outermost group, and all copies of a network, as one box."""
    folded = _fold_groups(picture, values)
    return _fold_copies(folded) if len(folded.boxes) > MOST_BOXES else folded


def _fold_groups(picture: Picture, values: Values) -> Picture:
    groups: dict[str, list[Box]] = {}
    for box in picture.boxes:
        if box.frame:
            groups.setdefault(box.frame[0], []).append(box)
    shown: dict[str, Box] = {}
    stands_for: dict[str, str] = {}
    for box in picture.boxes:
        if not box.frame:
            shown[box.id] = box
            continue
        name = box.frame[0]
        stands_for[box.id] = id = f"group:{name}"
        details = group_details(groups[name], values)
        tips = tuple(line for inner in groups[name] for line in inner.described)
        shown.setdefault(id, Box(id, "graph", name, details=details, described=tips))
    wires = _joined(picture.wires, stands_for)
    return Picture(picture.g, list(shown.values()), wires, columns=picture.columns)


def _fold_copies(picture: Picture) -> Picture:
    first = alike(picture)
    times = {id: sum(other == id for other in first.values()) for id in set(first.values())}
    boxes = [
        replace(box, text=f"{re.sub(r' [0-9]+$', '', box.text)} ×{times[box.id]}")
        if box.id in times
        else box
        for box in picture.boxes
        if first.get(box.id, box.id) == box.id
    ]
    loops = {id for id, original in first.items() if original in times}
    return Picture(picture.g, boxes, _joined(picture.wires, first, loops))


def _joined(
    wires: list[Wire], stands_for: dict[str, str], loops: set[str] | frozenset[str] = frozenset()
) -> list[Wire]:
    """Return the wires between the boxes that stand for others; one for each pair of boxes.

    Wires inside a folded box are left out, but for those from a box of `loops` to another.
    """
    joined: dict[tuple[str, str, bool], Wire] = {}
    labels: dict[tuple[str, str, bool], dict[str, None]] = {}
    for wire in wires:
        ends = [stands_for.get(id, id) for id in (wire.source, wire.target)]
        if ends[0] == ends[1] and wire.source not in loops:
            continue
        key = (ends[0], ends[1], wire.is_state)
        joined.setdefault(key, replace(wire, source=ends[0], target=ends[1]))
        labels.setdefault(key, {}).setdefault(wire.label)
    return [
        replace(wire, label=", ".join(filter(None, labels[key]))) for key, wire in joined.items()
    ]
