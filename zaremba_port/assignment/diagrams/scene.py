"""The items and arrows of a diagram, from the graph of a network or of its clones in time.

Dropout becomes a property of arrows. The cell of a layer becomes one item, and so does the state at
either end of a layer. Arrows connect the states of consecutive clones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch

import pygraph_nn as nngraph


class Place(NamedTuple):
    """The identity of an item.

    Attributes:
        kind: "layer", "box", or "prev" and "next" for the state before and after a layer or box.
        name: the name of a layer's group, or the id of a box.
    """

    kind: str
    name: str
    step: int


@dataclass
class Item:
    """A part of the diagram: a box of the picture, the boxes of a layer, or a state.

    Attributes:
        kind: "input", "output", "state", "layer", "module" or "symbol".
        row: identifies the same item at different steps.
        names: the names of the state's parts, for a "state".
    """

    place: Place
    kind: str
    row: tuple[str, str]
    boxes: list[nngraph.Box] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    @property
    def step(self) -> int:
        """Return the time step, relative to t."""
        return self.place.step

    @property
    def name(self) -> str:
        """Return the name or text of the first box."""
        return self.boxes[0].name or self.boxes[0].text

    @property
    def group(self) -> str:
        """Return the name of the group of a layer and of its state, "lstm 2"; empty for a box."""
        kind, name = self.row
        return name if kind == "layer" else ""

    @property
    def layer(self) -> str:
        """Return the last word of the group's name, usually a number."""
        return (self.group.split() or [self.group])[-1]

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        """Return the parameters of all boxes, each once."""
        modules = [box.module for box in self.boxes if box.module is not None]
        return list(dict.fromkeys(p for module in modules for p in module.parameters()))

    @property
    def weights(self) -> tuple[int, ...]:
        """Return the ids of the parameters, which are equal for items that share them."""
        return tuple(map(id, self.parameters))


@dataclass
class Arrow:
    """A value that one item passes to another.

    Attributes:
        dropout: the probability with which dropout zeroes an element.
        names: the names of the values.
    """

    source: Place
    target: Place
    is_state: bool = False
    dropout: float = 0.0
    names: list[str] = field(default_factory=list)


@dataclass
class Scene:
    """Items and the arrows between them, in the order in which they are drawn."""

    items: dict[Place, Item] = field(default_factory=dict)
    arrows: list[Arrow] = field(default_factory=list)

    def add(self, item: Item) -> Item:
        """Add an item unless there is one at its place. Return the item at the place."""
        return self.items.setdefault(item.place, item)

    def connect(self, arrow: Arrow) -> None:
        """Add an arrow, or its names to an equal arrow."""
        for other in self.arrows:
            if replace(other, names=[]) == replace(arrow, names=[]):
                other.names += [name for name in arrow.names if name not in other.names]
                return
        self.arrows.append(arrow)

    def into(self, place: Place) -> list[Arrow]:
        """Return the arrows that end at `place`."""
        return [arrow for arrow in self.arrows if arrow.target == place]

    def out_of(self, place: Place) -> list[Arrow]:
        """Return the arrows that start at `place`."""
        return [arrow for arrow in self.arrows if arrow.source == place]


def is_dropout(box: nngraph.Box) -> bool:
    """Return whether a box is a dropout layer."""
    return type(_unwrapped(box.module)).__name__ == "Dropout"


def _unwrapped(module: torch.nn.Module | None) -> torch.nn.Module | None:
    """Unwrap a module of torch.nn from the layer that `nngraph.module` made of it."""
    inner = getattr(module, "module", None)
    return inner if isinstance(inner, torch.nn.Module) else module


def stacked(clones: Sequence[nngraph.gModule], first: int = 0) -> Scene:
    """Build the scene of a network's clones, one for each time step from t + `first` on.

    The output ``next_...`` of a step is the input ``prev_...`` of the following step, part by part.
    """
    scene = Scene()
    previous: dict[int, _StatePart] = {}
    for step, clone in enumerate(clones, first):
        reader = _StepReader(scene, clone, step)
        for part in sorted(reader.taken, key=lambda part: -part.index):
            before = previous.get(part.index)
            source = before.place if before else _terminal(scene, part, "prev", step)
            dropout = max(part.dropout, before.dropout if before else 0.0)
            scene.connect(Arrow(source, part.place, True, dropout, [part.name]))
        previous = {part.index: part for part in reader.returned}
    for part in reversed(previous.values()):
        target = _terminal(scene, part, "next", first + len(clones) - 1)
        scene.connect(Arrow(part.place, target, True, part.dropout, [part.name]))
    return scene


@dataclass
class _StatePart:
    """A tensor of the state: its index in the table, its name, and the item that uses it."""

    index: int
    name: str
    place: Place
    dropout: float = 0.0


def _terminal(scene: Scene, part: _StatePart, end: str, step: int) -> Place:
    row = scene.items[part.place].row
    item = scene.add(Item(Place(end, part.place.name, step), "state", row))
    if part.name not in item.names:
        item.names.append(part.name)
    return item.place


class _StepReader:
    """Adds one network to a scene and collects the parts of its state."""

    def __init__(self, scene: Scene, g: nngraph.gModule, step: int) -> None:
        self.scene, self.step = scene, step
        self.taken: list[_StatePart] = []
        self.returned: list[_StatePart] = []
        picture = nngraph.picture_of(g)
        self.boxes = {box.id: box for box in picture.boxes}
        wires = _without_dropout(picture, self.boxes)
        self.layers = {
            self.boxes[end].frame[0]
            for wire, _ in wires
            for end in (wire.source, wire.target)
            if wire.is_state and self.boxes[end].frame
        }
        for box in picture.boxes:
            if not is_dropout(box) and not (box.kind in ("input", "output") and box.is_state):
                self._item(box)
        for wire, dropout in wires:
            self._connect(wire, dropout)

    def _item(self, box: nngraph.Box) -> Item:
        if box.frame and box.frame[0] in self.layers:
            row, kind = ("layer", box.frame[0]), "layer"
        else:
            row, kind = ("box", box.id), "module" if box.kind == "graph" else box.kind
        item = self.scene.add(Item(Place(*row, self.step), kind, row))
        if box not in item.boxes:
            item.boxes.append(box)
        return item

    def _connect(self, wire: nngraph.Wire, dropout: float) -> None:
        source, target = self.boxes[wire.source], self.boxes[wire.target]
        if source.kind == "input" and source.is_state:
            name = next((n.name for n in reversed(wire.via) if n.name), source.name)
            place = self._item(target).place
            self.taken.append(_StatePart(_index(wire), name or source.text, place, dropout))
        elif target.kind == "output" and target.is_state:
            name, place = source.name or target.text, self._item(source).place
            self.returned.append(_StatePart(len(self.returned), name, place, dropout))
        else:
            ends = self._item(source).place, self._item(target).place
            if ends[0] != ends[1]:
                names = [source.name] if source.name else []
                self.scene.connect(Arrow(*ends, dropout=dropout, names=names))


def _index(wire: nngraph.Wire) -> int:
    """Return the index of the table's part that the wire takes."""
    for node in wire.via:
        index = getattr(node.module, "index", None) if node.module else node.selectindex
        if isinstance(index, int):
            return index
    return 0


def _without_dropout(
    picture: nngraph.Picture, boxes: dict[str, nngraph.Box]
) -> list[tuple[nngraph.Wire, float]]:
    """Join the wires around each Dropout, and return all wires with their dropout probability."""
    into: dict[str, nngraph.Wire] = {wire.target: wire for wire in picture.wires}
    wires = []
    for wire in picture.wires:
        if is_dropout(boxes[wire.target]):
            continue
        passing = 1.0
        while is_dropout(boxes[wire.source]):
            module = _unwrapped(boxes[wire.source].module)
            passing *= 1 - float(module.p)  # type: ignore[union-attr, arg-type]
            before = into[wire.source]
            state = before.is_state or wire.is_state
            wire = replace(wire, source=before.source, via=(*before.via, *wire.via), is_state=state)
        wires.append((wire, 1 - passing))
    return wires


def merge_chains(scene: Scene) -> None:
    """Join each item without parameters to its only predecessor, if nothing else uses its value."""
    for item in list(scene.items.values()):
        into = scene.into(item.place)
        if item.kind not in ("symbol", "module") or item.parameters or len(into) != 1:
            continue
        before = scene.items[into[0].source]
        is_plain = before.kind in ("symbol", "module") and not into[0].dropout
        if is_plain and len(scene.out_of(before.place)) == 1:
            before.boxes += item.boxes
            scene.arrows.remove(into[0])
            for arrow in scene.out_of(item.place):
                arrow.source = before.place
            del scene.items[item.place]
