"""What a picture consists of: boxes, wires and the groups that boxes stand in."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from ..graph import GraphStructure
from ..node import Node


@dataclass
class Box:
    """One thing in a picture.

    `kind` is "input", "output", "symbol" (a gate, a sum), "module" or "graph" (a nested gModule).
    `nodes` are the nodes that it stands for, the one that gives its value last. `frame` holds the
    names of the groups that it stands in, from the outside.
    """

    id: str
    kind: str
    text: str
    name: str = ""  # by annotation
    caption: str = ""  # the name where it is to be read beside `text`
    details: tuple[str, ...] = ()
    frame: tuple[str, ...] = ()
    nodes: tuple[Node, ...] = ()
    module: torch.nn.Module | None = None
    inner: Picture | None = None
    is_state: bool = False  # what a recurrent network carries: prev_c, next_s
    output: int | None = None  # of an output: which

    @property
    def node(self) -> Node | None:
        return self.nodes[-1] if self.nodes else None

    def terminal(self, kind: str, index: int | None) -> Box | None:
        """An input or output of the nested graph, counted from 0."""
        if self.inner is None or index is None:
            return None
        ends = [box for box in self.inner.boxes if box.kind == kind]
        return ends[index] if index < len(ends) else None


@dataclass
class Wire:
    """A value on its way between two boxes, given by id, through the folded nodes `via`.

    `output` and `input` say which output of a nested graph it leaves and which input of one it
    enters, where that is known.
    """

    source: str
    target: str
    label: str = ""
    is_state: bool = False
    via: tuple[Node, ...] = ()
    output: int | None = None
    input: int | None = None


@dataclass
class Picture:
    """Boxes in forward order, the wires between them, and the groups, outer ones first."""

    g: GraphStructure
    boxes: list[Box] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    frames: list[tuple[str, ...]] = field(default_factory=list)
