"""Node: one use of a module in a graph that is being built."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from .errors import GraphError, caller_location, type_name


class _Groups(threading.local):
    names: tuple[str, ...] = ()


_groups = _Groups()


@contextmanager
def group(name: str) -> Iterator[None]:
    """Nodes declared inside belong to the group `name`, which pictures show as a frame.

    Groups nest::

        with nngraph.group("lstm 1"):
            next_c, next_h = lstm(x, prev_c, prev_h)
    """
    before = _groups.names
    _groups.names = (*before, name)
    try:
        yield
    finally:
        _groups.names = before


class Node:
    """A place in a graph (``nngraph.Node``): a module and the nodes whose outputs it takes.

    Nodes are made by calling a module on nodes, not by hand. `Node.inputs` holds its inputs in
    order; a node of no module passes its input on, as the parts of a `split` do.
    """

    # What split(1) applies to the node, and what lets a list take part in `-`: nn.table sets it,
    # since nodes know no modules.
    just_element: Callable[[Node], Node]

    def __init__(
        self,
        module: torch.nn.Module | None = None,
        *,
        nSplitOutputs: int | None = None,
        selectindex: int | None = None,
    ) -> None:
        self.module = module
        self.inputs: list[Node] = []
        self.successors: list[Node] = []  # nngraph's reverseMap: nodes declared to take this one
        self.annotations: dict[str, Any] = {}
        self.nSplitOutputs = nSplitOutputs
        self.selectindex = selectindex
        self.group = _groups.names
        self.declared_at = caller_location()

    @property
    def data(self) -> Node:
        """The node itself, so that Lua's ``node.data.module`` reads the same here."""
        return self

    @property
    def name(self) -> str | None:
        """The name given by `annotate` or `annotateNodes`, if any."""
        return self.annotations.get("name")

    @property
    def debug_label(self) -> str:
        """``[file]:line_``, the tooltip of nngraph's pictures."""
        path, _, line = self.declared_at.rpartition(":")
        return f"[{os.path.basename(path)}]:{line}_"

    def kind(self) -> str:
        """What the node does: its module, ``split(n)`` or ``part i``."""
        if self.module is not None:
            return str(self.module)
        if self.nSplitOutputs is not None:
            return f"split({self.nSplitOutputs})"
        if self.selectindex is not None:
            return f"part {self.selectindex} of a split"
        return "pass on"

    def __repr__(self) -> str:
        name = f"{self.name!r}, " if self.name else ""
        return f"<Node {name}{self.kind()}, declared at {self.declared_at}>"

    def add(self, other: Node, domap: bool = True) -> None:
        """Take `other` as the next input. Calling a module on nodes does this.

        Raises:
            GraphError: `other` is an input already; two uses of one value need an `nn.Identity`.
        """
        if any(known is other for known in self.inputs):
            raise GraphError(
                f"Don't pass the same input twice: {other!r} is already input "
                f"{[known is other for known in self.inputs].index(True)}. "
                "To use one value twice, pass it once more through nn.Identity()(node)"
            )
        self.inputs.append(other)
        if domap:
            other.successors.append(self)

    def split(self, noutput: int) -> Any:
        """Nodes for the `noutput` elements of the table that this node gives.

        ``split(1)`` gives one node (not a list): the only element of a one-element table.

        Raises:
            GraphError: `noutput` is not a positive integer.
        """
        if isinstance(noutput, bool) or not isinstance(noutput, int) or noutput < 1:
            raise GraphError(f"split({noutput!r}): the number of outputs must be an integer >= 1")
        if noutput == 1:
            return Node.just_element(self)
        table = Node(nSplitOutputs=noutput)
        table.add(self)
        parts = [Node(selectindex=i) for i in range(noutput)]
        for part in parts:
            part.add(table)
        return parts

    def annotate(self, annotations: dict[str, Any] | None = None, /, **more: Any) -> Node:
        """Set the node's `name`, `description` or `graphAttributes` (a dict for Graphviz).

        Takes keywords, or a dict as in Lua. Gives the node back, for chaining.
        """
        self.annotations.update(annotations or {}, **more)
        return self

    def __sub__(self, module: Any) -> Node:
        if not isinstance(module, torch.nn.Module):
            return NotImplemented
        return module(self)

    def __call__(self, *args: Any) -> Node:
        raise GraphError(
            f"nngraph.Node has no call operator: {self!r} is a Node already. Only a module is "
            "called: module(node) or node - module"
        )

    def __iter__(self) -> Iterator[Node]:
        raise GraphError(
            f"{self!r} cannot be unpacked: say how many elements its table has, node.split(n)"
        )

    def __getstate__(self) -> dict[str, Any]:
        # Successors lead forward: following them would pickle the graph node by node, recursively.
        return {**self.__dict__, "successors": []}


def make_node(module: torch.nn.Module, inputs: Any) -> Node:
    """The node that ``module(inputs)`` stands for: `inputs` is a Node or a list of Nodes.

    Raises:
        GraphError: an input is no Node, or appears twice, or the list is empty.
    """
    if isinstance(inputs, dict):
        raise GraphError(
            f"{type_name(module)} was called with a dict of inputs: pass a Node or a list of Nodes"
        )
    nodes = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    if not nodes:
        raise GraphError(
            f"{type_name(module)}: cannot pass an empty table of inputs. For a node without "
            "inputs leave the second parentheses empty: module()"
        )
    for i, node in enumerate(nodes):
        if not isinstance(node, Node):
            raise expecting_node(node, "inputs", i)
    made = Node(module)
    for node in nodes:
        made.add(node)
    return made


def expecting_node(value: object, array: str, index: int) -> GraphError:
    """The error for `value` at ``array[index]``, where a Node is due."""
    if value is None:
        return GraphError(f"{array}[{index}] is None (typo / bad index?)")
    kind = type_name(value)
    if isinstance(value, torch.nn.Module):
        return GraphError(
            f"{array}[{index}] is an nn.Module, specifically a {kind}, but only an nngraph.Node "
            f"can be passed. Did you forget the second parentheses, which make a Node of a "
            f"module: {kind}(...)()?"
        )
    return GraphError(f"{array}[{index}] should be an nngraph.Node but is of type {kind}")
