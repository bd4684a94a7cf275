"""From the graph of a network, or of its clones, to what a diagram of it shows.

Dropout becomes a property of arrows, the cell of a layer one item, the state a terminal for each
layer; in clones the state goes on from step to step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

import pygraph_nn as nngraph


@dataclass
class Item:
    """A thing in the diagram: a box of the picture, or the boxes of a whole layer.

    `kind` is "input", "output", "state", "layer", "module" or "symbol". Items of the same `row`
    are the same thing at different steps. `names` are the parts of the state, of a "state".
    """

    id: str
    kind: str
    row: str
    step: int
    boxes: list[nngraph.Box] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.boxes[0].name or self.boxes[0].text

    @property
    def layer(self) -> str:
        """The number in the group's name: 2 of "lstm 2"."""
        return self.row.split()[-1]

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        modules = [box.module for box in self.boxes if box.module is not None]
        return list(dict.fromkeys(p for module in modules for p in module.parameters()))

    @property
    def weights(self) -> tuple[int, ...]:
        """Equal for items that share their parameters; empty for those without any."""
        return tuple(map(id, self.parameters))


@dataclass
class Arrow:
    source: str
    target: str
    is_state: bool = False
    dropout: float = 0.0
    names: list[str] = field(default_factory=list)  # of what it carries


@dataclass
class Scene:
    items: dict[str, Item] = field(default_factory=dict)
    arrows: list[Arrow] = field(default_factory=list)

    def add(self, item: Item) -> Item:
        return self.items.setdefault(item.id, item)

    def connect(self, arrow: Arrow) -> None:
        """Add an arrow, or what it carries to the one that is there."""
        for known in self.arrows:
            if replace(known, names=[]) == replace(arrow, names=[]):
                known.names += [name for name in arrow.names if name not in known.names]
                return
        self.arrows.append(arrow)

    def into(self, id: str) -> list[Arrow]:
        return [arrow for arrow in self.arrows if arrow.target == id]

    def out_of(self, id: str) -> list[Arrow]:
        return [arrow for arrow in self.arrows if arrow.source == id]

    def keep(self, ids: set[str]) -> None:
        self.items = {id: item for id, item in self.items.items() if id in ids}
        self.arrows = [a for a in self.arrows if a.source in ids and a.target in ids]


def is_dropout(box: nngraph.Box) -> bool:
    return type(_unwrapped(box.module)).__name__ == "Dropout"


def _unwrapped(module: torch.nn.Module | None) -> torch.nn.Module | None:
    """What is in the layer that `nngraph.module` makes of a module of torch.nn."""
    inner = getattr(module, "module", None)
    return inner if isinstance(inner, torch.nn.Module) else module


def stacked(clones: Sequence[nngraph.gModule], first: int = 0) -> Scene:
    """The scene of a network's clones, one a time step, the first at step t + `first`.

    The state that a step gives, an output ``next_...``, is what the next takes as ``prev_...``,
    part by part.
    """
    scene = Scene()
    given: dict[int, _Part] = {}
    for t, clone in enumerate(clones):
        step = _Step(scene, clone, first + t)
        for part in sorted(step.taken, key=lambda part: -part.index):
            before = given.get(part.index)
            source = before.item if before else _terminal(scene, part, "prev", first + t)
            dropout = max(part.dropout, before.dropout if before else 0.0)
            scene.connect(Arrow(source, part.item, True, dropout, [part.name]))
        given = {part.index: part for part in step.given}
    for part in reversed(given.values()):
        target = _terminal(scene, part, "next", first + len(clones) - 1)
        scene.connect(Arrow(part.item, target, True, part.dropout, [part.name]))
    return scene


@dataclass
class _Part:
    """One tensor of the state: its place in the table, its name, the item that it goes to."""

    index: int
    name: str
    item: str
    dropout: float = 0.0


def _terminal(scene: Scene, part: _Part, end: str, step: int) -> str:
    row = scene.items[part.item].row
    item = scene.add(Item(f"{end} {part.item}", "state", row, step))
    if part.name not in item.names:
        item.names.append(part.name)
    return item.id


class _Step:
    """Takes one network into the scene."""

    def __init__(self, scene: Scene, g: nngraph.gModule, step: int) -> None:
        self.scene, self.step = scene, step
        self.taken: list[_Part] = []
        self.given: list[_Part] = []
        drawn = nngraph.picture_of(g)
        self.boxes = {box.id: box for box in drawn.boxes}
        wires = _without_dropout(drawn, self.boxes)
        self.layers = {
            self.boxes[end].frame[0]
            for wire, _ in wires
            for end in (wire.source, wire.target)
            if wire.is_state and self.boxes[end].frame
        }
        for box in drawn.boxes:
            if not is_dropout(box) and not (box.kind in ("input", "output") and box.is_state):
                self._item(box)
        for wire, dropout in wires:
            self._connect(wire, dropout)

    def _item(self, box: nngraph.Box) -> Item:
        layer = box.frame[0] if box.frame and box.frame[0] in self.layers else ""
        row = layer or box.id
        kind = "layer" if layer else "module" if box.kind == "graph" else box.kind
        item = self.scene.add(Item(f"{self.step}: {row}", kind, row, self.step))
        if box not in item.boxes:
            item.boxes.append(box)
        return item

    def _connect(self, wire: nngraph.Wire, dropout: float) -> None:
        source, target = self.boxes[wire.source], self.boxes[wire.target]
        if source.kind == "input" and source.is_state:
            name = next((n.name for n in reversed(wire.via) if n.name), source.name)
            part = _Part(_index(wire), name or source.text, self._item(target).id, dropout)
            self.taken.append(part)
        elif target.kind == "output" and target.is_state:
            name = source.name or target.text
            self.given.append(_Part(len(self.given), name, self._item(source).id, dropout))
        else:
            ends = self._item(source).id, self._item(target).id
            if ends[0] != ends[1]:
                names = [source.name] if source.name else []
                self.scene.connect(Arrow(*ends, dropout=dropout, names=names))


def _index(wire: nngraph.Wire) -> int:
    """Which part of a table the wire takes."""
    for node in wire.via:
        found = getattr(node.module, "index", None) if node.module else node.selectindex
        if isinstance(found, int):
            return found
    return 0


def _without_dropout(
    drawn: nngraph.Picture, boxes: dict[str, nngraph.Box]
) -> list[tuple[nngraph.Wire, float]]:
    """The wires between other boxes than Dropout, with the probability that a value is dropped."""
    into: dict[str, nngraph.Wire] = {wire.target: wire for wire in drawn.wires}
    found = []
    for wire in drawn.wires:
        if is_dropout(boxes[wire.target]):
            continue
        kept = 1.0
        while is_dropout(boxes[wire.source]):
            module = _unwrapped(boxes[wire.source].module)
            kept *= 1 - float(module.p)  # type: ignore[union-attr, arg-type]
            before = into[wire.source]
            state = before.is_state or wire.is_state
            wire = replace(wire, source=before.source, via=(*before.via, *wire.via), is_state=state)
        found.append((wire, 1 - kept))
    return found


def only_leading_to(scene: Scene, name: str) -> None:
    """Keep what leads to outputs called `name` and to the state; all where there is no such one."""
    wanted = {i.id for i in scene.items.values() if i.kind == "output" and i.name == name}
    if not wanted:
        return
    rest = [*wanted, *(a.source for a in scene.arrows if a.is_state), *_next_states(scene)]
    keep = set(rest)
    while rest:
        for arrow in scene.into(rest.pop()):
            if arrow.source not in keep:
                keep.add(arrow.source)
                rest.append(arrow.source)
    scene.keep(keep)


def _next_states(scene: Scene) -> list[str]:
    return [item.id for item in scene.items.values() if item.kind == "state"]


def merge_chains(scene: Scene) -> None:
    """Put items without parameters into the item before, where they only go on with its value."""
    for item in list(scene.items.values()):
        into = scene.into(item.id)
        if item.kind not in ("symbol", "module") or item.parameters or len(into) != 1:
            continue
        before = scene.items[into[0].source]
        plain = before.kind in ("symbol", "module") and not into[0].dropout
        if plain and len(scene.out_of(before.id)) == 1:
            before.boxes += item.boxes
            scene.arrows.remove(into[0])
            for arrow in scene.out_of(item.id):
                arrow.source = before.id
            del scene.items[item.id]
