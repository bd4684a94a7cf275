"""The parts of a cell's diagram, from the picture of its graph.

A sign, a gate, an affine map and a split are parts. A split stands where parts of one value go
different ways: the graph computes all gates in one product, and the gates take a slice each.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pygraph_nn as nngraph
from pygraph_nn import nn

from .symbols import GATES

_SIGNS = {"CAddTable": "+", "CMulTable": "×", "CSubTable": "−"}


@dataclass
class Part:
    """A part of the diagram.

    Attributes:
        key: its text and name, different from all others: "σ forget_gate", "× 1", "split gates".
        kind: "input", "output", "map", "gate", "function", "sign", "module" or "split".
        box: the box that it shows; a split shows the box before it.
        is_memory: whether it computes a state that is not the cell's output, as c of the LSTM.
        letter: for a map the name that the paper notation gives it.
        slices: for each slice of a split, its gate, if it has one, and the label of its wire.
    """

    key: str
    kind: str
    box: nngraph.Box
    is_memory: bool = False
    letter: str = ""
    slices: list[tuple[str, str]] = field(default_factory=list)

    @property
    def sign(self) -> str | None:
        """Return the sign of a sum, product or difference."""
        return _SIGNS.get(type(self.box.module).__name__)


@dataclass
class Wire:
    """A value that one part passes to another; from a split, slice number `slice`."""

    source: str
    target: str
    is_state: bool = False
    slice: int | None = None


@dataclass
class CellParts:
    """All parts, by their keys, and the wires between them."""

    parts: dict[str, Part]
    wires: list[Wire]


def cell_parts(picture: nngraph.Picture) -> CellParts:
    """Return the parts and wires for the picture of a cell's graph."""
    parts: dict[str, Part] = {}
    keys: dict[str, str] = {}
    for box in picture.boxes:
        part = Part("", _kind(box), box)
        part.key = keys[box.id] = _unused(_title(box), parts)
        parts[part.key] = part
    wires = []
    for source, going in _by_source(picture).items():
        slices = [_slice(wire) for wire in going]
        is_split = None not in slices and len(set(slices)) > 1
        if is_split:
            before, order = parts[keys[source]], sorted(set(slices), key=str)
            split = Part(_unused(f"split {before.box.name}".strip(), parts), "split", before.box)
            for index in order:
                wire = going[slices.index(index)]
                split.slices.append((_gate_of(wire, picture), wire.label))
            parts[split.key] = split
            wires.append(Wire(before.key, split.key))
        for wire, index in zip(going, slices, strict=True):
            start = split.key if is_split else keys[source]
            number = order.index(index) if is_split else None
            wires.append(Wire(start, keys[wire.target], wire.is_state, number))
    _mark_memory(parts, wires)
    _name_maps(parts, wires)
    return CellParts(parts, wires)


def _title(box: nngraph.Box) -> str:
    text = type(box.module).__name__ if box.kind == "module" else box.text
    return text if box.kind in ("input", "output") else f"{text} {box.name}".strip()


def _unused(key: str, parts: dict[str, Part]) -> str:
    """Return `key`, or with the first number that makes it different from the keys of `parts`."""
    number, tried = 1, key
    while tried in parts:
        number += 1
        tried = f"{key} {number}"
    return tried


def _kind(box: nngraph.Box) -> str:
    if box.kind in ("input", "output"):
        return box.kind
    if isinstance(box.module, nn.Linear):
        return "map"
    if box.kind != "symbol":
        return "module"
    if type(box.module).__name__ in _SIGNS or (len(box.text) <= 2 and not box.name):
        return "sign"
    return "gate" if box.name in GATES else "function"


def _by_source(picture: nngraph.Picture) -> dict[str, list[nngraph.Wire]]:
    going: dict[str, list[nngraph.Wire]] = {}
    for wire in picture.wires:
        going.setdefault(wire.source, []).append(wire)
    return going


def _slice(wire: nngraph.Wire) -> int | str | None:
    """Return the index of the slice that the wire takes, or None if it takes the whole value."""
    for node in wire.via:
        index = getattr(node.module, "index", None) if node.module else node.selectindex
        if isinstance(index, (int, str)):
            return index
    return None


def _gate_of(wire: nngraph.Wire, picture: nngraph.Picture) -> str:
    """Return the name of the gate that the wire leads to, directly or by a sum; or nothing."""
    boxes = {box.id: box for box in picture.boxes}
    target = boxes[wire.target]
    if not target.name and _kind(target) == "sign":
        following = [w for w in picture.wires if w.source == target.id]
        target = boxes[following[0].target] if len(following) == 1 else target
    return target.name if target.name in GATES else ""


def _mark_memory(parts: dict[str, Part], wires: list[Wire]) -> None:
    """Mark what computes the states before the last, which is the cell's output."""
    outputs = [part.key for part in parts.values() if part.kind == "output" and part.box.is_state]
    for wire in wires:
        if wire.target in outputs[:-1] and parts[wire.source].kind in ("sign", "function"):
            parts[wire.source].is_memory = True


def _name_maps(parts: dict[str, Part], wires: list[Wire]) -> None:
    """Name the maps of x W, those of the state U and others V, with a number if there are more."""
    named: dict[str, list[Part]] = {}
    for wire in wires:
        source, target = parts[wire.source], parts[wire.target]
        if target.kind == "map" and not any(target in group for group in named.values()):
            letter = "U" if source.box.is_state else "W" if source.kind == "input" else "V"
            named.setdefault(letter, []).append(target)
    for letter, group in named.items():
        for number, part in enumerate(group, 1):
            part.letter = f"{letter}{number}" if len(group) > 1 else letter
