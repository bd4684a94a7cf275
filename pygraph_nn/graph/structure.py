"""GraphStructure: the nodes, orders and steps of a gModule, without the code that runs them."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from .. import nn
from ..errors import caller_location
from ..nn.core import as_layer
from ..node import Node
from .checks import check_complete, checked_nodes, feed
from .node_shapes import NodeShapes
from .order import Graph, against_inputs, depth_first


class Step(NamedTuple):
    """One node of the forward order, ready to run. A run keeps values in slots, one for each node.

    Attributes:
        slot: the slot of the node's value, its index in ``forwardnodes``.
        sources: the slots of its inputs' values, in order.
        module: the name of its module among the gModule's submodules; None if it passes values on.
        select: for a part of a split, the index of the element.
        split: for a split, the number of elements that the table must have.
    """

    slot: int
    sources: tuple[int, ...]
    module: str | None
    select: int | None
    split: int | None


class GraphStructure(nn.Container):
    """The graph of a gModule, checked and named; `gModule` documents arguments and attributes."""

    def __init__(self, inputs: Sequence[Node] | None, outputs: Sequence[Node] | None) -> None:
        super().__init__()
        self.name: str | None = None
        self.declared_at = caller_location()
        inputs = checked_nodes(inputs, "inputs")
        outputs = checked_nodes(outputs, "outputs")
        self.nInputs = len(inputs)
        self.input_nodes: list[Node] = inputs
        self.outnode = Node()
        self.outnode.take(outputs, domap=False)
        self.innode, feeds = feed(inputs)
        self.bg: Graph = against_inputs(self.outnode, feeds)
        self.fg: Graph = self.bg.reverse()
        self.forwardnodes: list[Node] = self.fg.topsort()
        check_complete(self.fg, self.forwardnodes, self.innode, inputs)
        self.backwardnodes: list[Node] = self.bg.topsort()
        self._module_names = self._adopt_modules()
        self.steps: list[Step] = self._make_steps()
        self.shapes: dict[Node, NodeShapes] = {}

    def _adopt_modules(self) -> list[str | None]:
        """Register the nodes' modules in forward order under readable, unique names.

        A PyTorch module becomes a layer, and the node of ``split(1)`` gets its JustElement.
        Returns the names, node by node.
        """
        layers: dict[int, nn.Module] = {}
        names: dict[int, str] = {}
        taken: Counter[str] = Counter()
        for node in self.forwardnodes:
            if node.is_only_element and node.module is None:
                node.module = nn.JustElement()
            if node.module is None or self.fg.is_given(node):
                continue
            node.module = layers.setdefault(id(node.module), as_layer(node.module))
            if id(node.module) in names:
                continue
            wanted = _child_name(node) or str(len(self._modules))
            taken[wanted] += 1
            name = wanted if taken[wanted] == 1 else f"{wanted}_{taken[wanted]}"
            while name in self._modules or hasattr(self, name):
                taken[wanted] += 1
                name = f"{wanted}_{taken[wanted]}"
            names[id(node.module)] = name
            self.add_module(name, node.module)
        return [
            None if self.fg.is_given(node) else names.get(id(node.module))
            for node in self.forwardnodes
        ]

    def _make_steps(self) -> list[Step]:
        slots = self._slots
        self._innode_slot = slots[self.innode]
        return [
            Step(
                slot,
                tuple(slots[source] for source in self.fg.inputs(node)),
                self._module_names[slot],
                None if self.fg.is_given(node) else node.selectindex,
                None if self.fg.is_given(node) else node.nSplitOutputs,
            )
            for slot, node in enumerate(self.forwardnodes)
            if node is not self.innode
        ]

    def _claim_nodes(self) -> None:
        """Mark the nodes as part of a gModule: others may use them, and their inputs are fixed."""
        for node, source in self.fg.feeds.items():
            if not node.inputs:
                node.inputs.append(source)
                node.is_fed = True
        for node in self.forwardnodes:
            node.in_graph = True

    @property
    def innode_slot(self) -> int:
        """The slot of the gModule's input, the index of `innode` in `forwardnodes`."""
        return self._innode_slot

    @property
    def node_modules(self) -> list[torch.nn.Module | None]:
        """The module that runs at each of `forwardnodes`; None where a node only passes values on.

        A copy of the gModule for another device has modules that its nodes do not refer to.
        """
        return [None if name is None else self._modules[name] for name in self._module_names]

    def module_at(self, node: Node) -> torch.nn.Module | None:
        """Return the module that this gModule runs at `node`; None if it only passes values on.

        It differs from ``node.module`` if another gModule with this node replaced its module.
        """
        name = self._module_names[self._slots[node]]
        return None if name is None else self._modules[name]

    @functools.cached_property
    def _slots(self) -> dict[Node, int]:
        return {node: slot for slot, node in enumerate(self.forwardnodes)}

    def place(self) -> str:
        """Return the name of the gModule for error messages, and where it was built."""
        return f"{self}, built at {self.declared_at}"

    def __getstate__(self) -> dict[str, Any]:
        # The graph comes first, with its nodes in topological order, so that pickling a long chain
        # does not follow it recursively.
        return {"fg": self.fg, **super().__getstate__()}

    def __str__(self) -> str:
        return self.name or "nn.gModule"

    def __repr__(self) -> str:
        lines = [f"{self} {{"]
        for node, module in zip(self.forwardnodes, self.node_modules, strict=True):
            if module is not None:
                indented = str(module).replace("\n", "\n  ")
                lines.append(f"  ({node.name or self.fg.id(node)}): {indented}")
        return "\n".join([*lines, "}"])


def outside(net: torch.nn.Module) -> dict[int, object]:
    """Return a memo for `copy.deepcopy` of `net`, by which copies refer to what is outside of it.

    That is what computes the nodes whose values are passed to a gModule, see `Graph.is_given`.
    """
    modules = {id(module) for module in net.modules()}
    graphs = [module for module in net.modules() if isinstance(module, GraphStructure)]
    nodes = [node for graph in graphs for node in graph.forwardnodes]
    inside = {id(node) for node in nodes}
    reached = depth_first(nodes, lambda node: node.inputs, allow_cycles=True)
    memo: dict[int, object] = {id(node): node for node in reached if id(node) not in inside}
    for node in reached:
        if node.module is not None and id(node.module) not in modules:
            memo[id(node.module)] = node.module
    return memo


def _child_name(node: Node) -> str:
    """Return a submodule name from the groups and the name of `node`; empty if it has no name."""
    if not node.name:
        return ""
    return re.sub(r"\W+", "_", "_".join([*node.group, node.name])).strip("_")
