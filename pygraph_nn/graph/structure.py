"""GraphStructure: the nodes, orders and steps of a gModule, without the code that runs them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from .. import nn
from ..errors import caller_location, checked_name
from ..nn.core import Whole, as_layer, check_overrides
from ..node import Node
from .checks import check_complete, checked_nodes, feed
from .names import Names, NodeName, is_reserved_everywhere, node_name, wanted_key
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
        table: whether the input is a table of the values, not the only value itself. A table of one
            element is made of the value of a Node passed in a list, unless it is a table already.
    """

    slot: int
    sources: tuple[int, ...]
    module: str | None
    select: int | None
    split: int | None
    table: bool


class GraphStructure(nn.Container):
    """The graph of a gModule, checked and named; `gModule` documents arguments and attributes."""

    def __init__(self, inputs: Sequence[Node] | None, outputs: Sequence[Node] | None) -> None:
        super().__init__()
        # Attributes come before the modules, which may not have their names.
        self.name = None
        self.verbose = False
        self.shapes: dict[Node, NodeShapes] = {}
        self.steps: list[Step] = []
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
        self.steps = self._make_steps()

    @property
    def name(self) -> str | None:
        """The text that `str` returns, or None."""
        return self.__dict__.get("name")

    @name.setter
    def name(self, name: str | None) -> None:
        self.__dict__["name"] = None if name is None else checked_name(name, "gModule")

    def _adopt_modules(self) -> list[str | None]:
        """Register the nodes' modules in forward order under readable, unique names.

        A PyTorch module becomes a layer, and the node of ``split(1)`` gets its JustElement.
        Returns the names, node by node.
        """
        layers: dict[int, nn.Module] = {}
        names: dict[int, str] = {}
        keys = Names(self._is_reserved)
        self._named_modules: dict[Node, tuple[str, str]] = {}
        for node in self.forwardnodes:
            if node.is_only_element and node.module is None:
                node.module = nn.JustElement()
            if node.module is None or self.fg.is_given(node):
                continue
            node.module = layers.setdefault(id(node.module), as_layer(node.module))
            if id(node.module) in names:
                continue
            check_overrides(node.module, lambda node=node: f"gModule: {node!r}")  # type: ignore[misc]
            wanted = wanted_key(node)
            name = keys.new(wanted or str(len(self._modules)))
            if wanted:
                self._named_modules[node] = wanted, name
            names[id(node.module)] = name
            self.add_module(name, node.module)
        return [
            None if self.fg.is_given(node) else names.get(id(node.module))
            for node in self.forwardnodes
        ]

    def node_names(self) -> dict[Node, NodeName]:
        """Return the names of the nodes that have one, each different from the others.

        They are made of the nodes' annotations. The key of a node with a module is the name of this
        module in `state_dict`, unless the node was annotated after the gModule was built.
        """
        names: dict[Node, NodeName] = {}
        keys = Names(lambda key: key in self._modules or self._is_reserved(key))
        for node in self.forwardnodes:
            wanted = wanted_key(node)
            if not wanted:
                continue
            at_build, key = self._named_modules.get(node, ("", ""))
            names[node] = node_name(node, key if at_build == wanted else keys.new(wanted))
        return names

    def _is_reserved(self, key: str) -> bool:
        # Some of the properties have no value yet.
        return hasattr(type(self), key) or key in self.__dict__ or is_reserved_everywhere(key)

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
                self._gets_table(node),
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
    def takes_table(self) -> bool:
        """Whether it has several inputs, or all nodes that its only input reaches take a table."""
        nodes = self.input_nodes[:1]
        for node in nodes:
            passes_on = self.fg.is_given(node) or self._passes_on(node)
            if passes_on and not any(node is output for output in self.outnode.inputs):
                nodes += self.fg.children(node)
            elif self.nInputs == 1 and (passes_on or not _takes_table(node)):
                return False
        return True

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
        lines, names = [f"{self} {{"], self.node_names()
        for node, module in zip(self.forwardnodes, self.node_modules, strict=True):
            if module is not None:
                indented = str(module).replace("\n", "\n  ")
                name = names[node].key if node in names else self.fg.id(node)
                lines.append(f"  ({name}): {indented}")
        return "\n".join([*lines, "}"])

    def _gets_table(self, node: Node) -> bool:
        """Return whether the values of the inputs of `node` go to its module as a table."""
        if len(self.fg.inputs(node)) != 1:
            return True
        return not self.fg.is_given(node) and _takes_table(node) and self._in_list(node)

    def _in_list(self, node: Node) -> bool:
        """Return whether the only input of `node` was passed in a list, there or to an Identity."""
        inputs = self.fg.inputs(node)
        while not node.in_list and len(inputs) == 1 and self._passes_on(inputs[0]):
            node = inputs[0]
            inputs = self.fg.inputs(node)
        return node.in_list

    def _passes_on(self, node: Node) -> bool:
        module = node.module
        is_identity = isinstance(module, nn.Module) and isinstance(module.route(), Whole)
        return is_identity and len(self.fg.inputs(node)) == 1


def _takes_table(node: Node) -> bool:
    return node.nSplitOutputs is not None or getattr(node.module, "takes_table", False)


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
