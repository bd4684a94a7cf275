"""Node: one use of a module in a graph that is being built."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

from . import nested
from .errors import GraphError, caller_location, checked_name, place_of, type_name


class _Groups(threading.local):
    names: tuple[str, ...] = ()


_groups = _Groups()


def group(name: str) -> AbstractContextManager[None]:
    """Put the nodes declared inside into the group `name`, which pictures show as a frame.

    Groups nest::

        with nngraph.group("lstm 1"):
            next_c, next_h = lstm(x, prev_c, prev_h)

    Raises:
        GraphError: the name is no string.
    """
    return _inside(checked_name(name, "group"))


@contextmanager
def _inside(name: str) -> Iterator[None]:
    before = _groups.names
    _groups.names = (*before, name)
    try:
        yield
    finally:
        _groups.names = before


class Node:
    """One use of a module in a graph, and the nodes it takes its inputs from (``nngraph.Node``).

    Calling a module on nodes makes a node; users do not construct nodes themselves. A node without
    a module passes its input on, like the parts of a `split`.

    Attributes:
        inputs: the nodes whose values it takes, in order.
        successors: the nodes declared to take its value (nngraph's reverseMap).
        annotations: name, description and graphAttributes, see `annotate`.
        in_list: whether its only input was passed in a list, ``module([node])``.
        group: the names of the groups it was declared in, from the outside.
        declared_at: the ``file:line`` that declared it.
        in_graph: whether a gModule has been built over it. Its inputs are then fixed.
        is_fed: whether `inputs` holds only what the first gModule feeds it, as an input, and no
            node that the user passed.
        replacement: the module that the `replace` of a gModule put there last, or None.
    """

    in_list = False
    in_graph = False
    is_fed = False
    replacement: torch.nn.Module | None = None

    def __init__(
        self,
        module: torch.nn.Module | None = None,
        *,
        nSplitOutputs: int | None = None,
        selectindex: int | None = None,
        is_only_element: bool = False,
    ) -> None:
        self._module = module
        self.inputs: list[Node] = []
        self.successors: list[Node] = []
        self.annotations: dict[str, Any] = {}
        self.nSplitOutputs = nSplitOutputs
        self.selectindex = selectindex
        self.is_only_element = is_only_element  # split(1); a gModule gives it its nn.JustElement
        self.group = _groups.names
        self.declared_at = caller_location()

    @property
    def module(self) -> torch.nn.Module | None:
        """The module that runs at the node, or None."""
        return self._module

    @module.setter
    def module(self, module: torch.nn.Module | None) -> None:
        if self.in_graph and module is not self._module:
            raise GraphError(
                f"node.module of {self!r} was set at {caller_location()}, after a gModule was "
                "built over the node, which has its own list of modules. Replace modules by "
                "graph.replace(lambda m: new if m is old else m)"
            )
        self._module = module

    def show(self, module: torch.nn.Module) -> None:
        """Show `module`, which `gModule.replace` has put in the place of the node's own."""
        self._module = module

    @property
    def data(self) -> Node:
        """The node itself, so that Lua's ``node.data.module`` reads alike."""
        return self

    @property
    def name(self) -> str | None:
        """The name from `annotate` or `annotateNodes`, or None."""
        return self.annotations.get("name")

    @property
    def debug_label(self) -> str:
        """``[file]:line_``, the tooltip of nngraph's pictures."""
        path, _, line = self.declared_at.rpartition(":")
        return f"[{os.path.basename(path)}]:{line}_"

    def kind(self) -> str:
        """Return what the node does: its module, ``split(n)`` or ``part i``."""
        if self.module is not None:
            return str(self.module)
        if self.nSplitOutputs is not None:
            return f"split({self.nSplitOutputs})"
        if self.selectindex is not None:
            return f"part {self.selectindex} of a split"
        if self.is_only_element:
            return "the element of split(1)"
        return "pass on"

    def __repr__(self) -> str:
        name = f"{self.name!r}, " if self.name else ""
        return f"<Node {name}{self.kind()}, declared at {self.declared_at}>"

    def add(self, other: Node, domap: bool = True) -> None:
        """Take `other` as the next input, as calling a module on nodes does.

        Raises:
            GraphError: `other` is already an input, and a second use needs an `nn.Identity`; or
                this node is part of a gModule already.
        """
        if not isinstance(other, Node):
            raise expecting_node(other, "inputs", len(self.inputs))
        self.take([other], domap)

    def _take(self, other: Node, domap: bool = True) -> None:
        self.inputs.append(other)
        if domap:
            other.successors.append(self)

    def take(self, others: Sequence[Node], domap: bool = True) -> None:
        """Take several nodes as the next inputs, in time linear in their number.

        Raises:
            GraphError: a node is among them twice, or is already an input; or this node is part of
                a gModule already, which would not see the new inputs.
        """
        if self.in_graph:
            raise GraphError(
                f"{self!r} is part of a gModule already: its inputs are fixed, at "
                f"{caller_location()}. Make a new node of the module: module(node)"
            )
        places = {id(node): i for i, node in enumerate(self.inputs)}
        for i, other in enumerate(others, len(places)):
            if places.setdefault(id(other), i) != i:
                raise _same_input_twice(other, places[id(other)], i)
        for other in others:
            self._take(other, domap)

    def split(self, noutput: int | None = None) -> Any:
        """Return nodes for the `noutput` elements of the table that is this node's value.

        ``split(1)`` returns one node, not a list, for the only element of a one-element table.

        Raises:
            GraphError: `noutput` is not a positive integer.
        """
        if isinstance(noutput, bool) or not isinstance(noutput, int) or noutput < 1:
            raise GraphError(
                f"split({noutput!r}) of {self!r}: the limit must be a number, an integer >= 1"
            )
        if noutput == 1:
            element = Node(is_only_element=True)
            element.add(self)
            return element
        table = Node(nSplitOutputs=noutput)
        table.add(self)
        parts = [Node(selectindex=i) for i in range(noutput)]
        for part in parts:
            part.add(table)
        return parts

    def annotate(self, annotations: dict[str, Any] | None = None, /, **more: Any) -> Node:
        """Set the node's `name`, `description` or `graphAttributes` (a dict for Graphviz).

        Takes keywords, or a dict as in Lua. Returns the node, for chaining.

        Raises:
            GraphError: the annotations are not a dict, or the name is no string, or
                graphAttributes are not a dict.
        """
        if annotations is not None and not isinstance(annotations, dict):
            raise GraphError(
                f"annotate: expecting a dict or keywords such as name=, got "
                f"{type_name(annotations)}, at {self!r}"
            )
        merged = {**(annotations or {}), **more}
        if "name" in merged:
            checked_name(merged["name"], self)
        if not isinstance(merged.get("graphAttributes", {}), dict):
            raise GraphError(
                f"annotate: graphAttributes are a dict such as {{'color': 'red'}}, got "
                f"{type_name(merged['graphAttributes'])}, at {self!r}"
            )
        self.annotations.update(merged)
        return self

    def __sub__(self, module: Any) -> Node:
        if not isinstance(module, torch.nn.Module):
            if isinstance(module, Node):
                raise GraphError(
                    f"{self!r} - {module!r}: the right side of a minus is a module, not a Node. "
                    "Leave the second parentheses out: node - module"
                )
            return NotImplemented
        if hasattr(module, "__rsub__"):  # one of our layers, which may build a node its own way
            return NotImplemented
        return make_node(module, self)  # a PyTorch module; a gModule makes a layer of it

    def __call__(self, *args: Any) -> Node:
        raise GraphError(
            f"nngraph.Node has no call operator: {self!r} is a Node already. Only a module is "
            "called: module(node) or node - module"
        )

    def __iter__(self) -> Iterator[Node]:
        raise GraphError(
            f"{self!r} cannot be unpacked: say how many elements its table has, node.split(n)"
        )

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"{self!r} has no attribute {name!r}. It is a Node, not a tensor: a function of "
            "tensors becomes part of a graph through nngraph.function(f)(node)"
            if name and not name.startswith("_")
            else name
        )

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Refuse a torch function that was called on a Node; torch calls this first."""
        leaves = nested.leaves([args, kwargs or {}])
        node = next((leaf for leaf in leaves if isinstance(leaf, Node)), None)
        raise GraphError(
            f"torch function {getattr(function, '__name__', function)} was called on {node!r} at "
            f"{caller_location()}. In a graph, use nngraph.function(f)(node) for a function and "
            "nngraph.module(m)(node) for a module of torch.nn"
        )

    def __getstate__(self) -> dict[str, Any]:
        # Following successors would pickle the graph forward, node by node and recursively.
        return {**self.__dict__, "successors": []}


def make_node(module: torch.nn.Module, inputs: Any) -> Node:
    """Return the node for ``module(inputs)``, where `inputs` is a Node or a list of Nodes.

    Raises:
        GraphError: an input is not a Node, or appears twice, or the list is empty.
    """
    if isinstance(inputs, dict):
        raise GraphError(
            f"{type_name(module)} was called at {caller_location()} with a dict of inputs: pass a "
            "Node or a list of Nodes"
        )
    nodes = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    if not nodes:
        raise GraphError(
            f"{type_name(module)}: cannot pass an empty table of inputs, at {caller_location()}. "
            "For a node without inputs leave the second parentheses empty: module()"
        )
    for i, node in enumerate(nodes):
        if not isinstance(node, Node):
            raise expecting_node(node, "inputs", i, module, inputs)
    node = Node(module)
    node.take(nodes)
    node.in_list = len(nodes) == 1 and nodes[0] is not inputs
    return node


def expecting_node(
    value: object,
    array: str,
    index: int,
    called: torch.nn.Module | None = None,
    inputs: object = None,
) -> GraphError:
    """Return the error for `value` at ``array[index]``, where a Node is expected.

    It may be an element of the `inputs` on which the module `called` was called.
    """
    place = f"at {caller_location()}"
    if called is not None:
        place = f"in a call of {place_of(called)}, {place}"
    if value is None:
        return GraphError(f"{array}[{index}] is None (typo / bad index?), {place}")
    kind = type_name(value)
    if isinstance(value, torch.nn.Module):
        return GraphError(
            f"{array}[{index}] is an nn.Module, specifically a {kind}, but only an nngraph.Node "
            f"can be passed, {place}. Did you forget the second parentheses, which make a Node of "
            f"a module: {kind}(...)()?"
        )
    error = f"{array}[{index}] should be an nngraph.Node but is of type {kind}, {place}"
    if called is not None:
        leaves = nested.leaves(inputs)
        if not any(isinstance(leaf, Node) for leaf in leaves):
            reason = nested.not_tensors(inputs, "the input")
            error += f". To run it on data, pass tensors: {reason}" if reason else ""
        elif isinstance(value, torch.Tensor):
            error += ". Nodes and tensors cannot be mixed: a gModule takes the tensor as an input"
    return GraphError(error)


def _same_input_twice(node: Node, first: int, second: int | None = None) -> GraphError:
    again = "" if second is None else f" and inputs[{second}]"
    return GraphError(
        f"Don't pass the same input twice: {node!r} is inputs[{first}]{again}, at "
        f"{caller_location()}. To use one value twice, pass it once more through "
        "nn.Identity()(node)"
    )
