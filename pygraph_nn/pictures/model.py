"""Picture, the model of a drawing: boxes, the wires between them, and the groups around them."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from ..graph import GraphStructure
from ..node import Node


@dataclass
class Box:
    """A box of a picture.

    Attributes:
        id: unique in the picture, also among the boxes of nested graphs.
        kind: "input", "output", "symbol" (a gate, a sum), "module" or "graph" (a nested gModule).
        text: the text in the box.
        name: the annotation of its node.
        shown: the name that pictures show: the annotation, made different from others.
        caption: the same, if the box shows it besides `text`.
        details: smaller lines below: contents, number of parameters, shape.
        frame: the names of the groups around it, from the outside.
        nodes: the nodes that it shows; its value is the value of the last.
        module: the module of its node.
        inner: the picture of a nested gModule.
        is_state: whether a recurrent network carries its value from step to step (prev_c, next_s).
        output: the index of an output.
        described: a line for each of its nodes that has a module, and for folded nodes whose name
            on a wire is not their key: names, module, source line.
    """

    id: str
    kind: str
    text: str
    name: str = ""
    shown: str = ""
    caption: str = ""
    details: tuple[str, ...] = ()
    frame: tuple[str, ...] = ()
    nodes: tuple[Node, ...] = ()
    module: torch.nn.Module | None = None
    inner: Picture | None = None
    is_state: bool = False
    output: int | None = None
    described: tuple[str, ...] = ()

    @property
    def node(self) -> Node | None:
        """The node whose value the box shows, or None."""
        return self.nodes[-1] if self.nodes else None

    def terminal(self, kind: str, index: int | None) -> Box | None:
        """Return input or output `index` of the nested graph, or None if there is none."""
        if self.inner is None or index is None:
            return None
        ends = [box for box in self.inner.boxes if box.kind == kind]
        return ends[index] if index < len(ends) else None


@dataclass
class Wire:
    """A value that goes from one box to another.

    Attributes:
        source, target: the ids of the boxes.
        label: the text at the wire.
        is_state: whether the value is state, see `Box`.
        via: the folded nodes that it passes.
        output: the output of a nested graph that it leaves; None if unknown.
        input: the input of a nested graph that it enters; None if unknown.
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
    """Boxes and wires, which every style and the HTML page draw.

    Attributes:
        g: the gModule.
        boxes: in forward order.
        wires: the wires between them.
        frames: the groups, outer ones first, as the names of all groups from the outside.
        columns: for a network unrolled in time, the ids of the boxes of each step.
    """

    g: GraphStructure
    boxes: list[Box] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    frames: list[tuple[str, ...]] = field(default_factory=list)
    columns: list[list[str]] = field(default_factory=list)
