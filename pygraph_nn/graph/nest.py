"""nest: a node for a nested table of nodes."""

from __future__ import annotations

from .. import nn
from ..errors import GraphError, caller_location, type_name
from ..nested import Nested
from ..node import Node


def nest(*args: Nested) -> Node:
    """Return a node whose value is the nested table of nodes passed (``nngraph.nest``).

    A Node is returned itself. A list becomes an `nn.Identity` over its nested elements, and a list
    of one element an `nn.JustTable`::

        state = nngraph.nest([c, [h], [x, y]])

    Raises:
        GraphError: there is not exactly one argument, or an element of the table is neither a Node
            nor a non-empty list.
    """
    if len(args) > 1:
        raise GraphError(
            f"nest: Use [input1, input2] to pass multiple inputs, at {caller_location()}."
        )
    if not args or args[0] is None:
        raise GraphError(f"nest: Pass an input, at {caller_location()}.")
    return _nest(args[0], "input")


def _nest(value: Nested, place: str) -> Node:
    if isinstance(value, Node):
        return value
    if not isinstance(value, (list, tuple)) or not value:
        what = "an empty table" if isinstance(value, (list, tuple)) else type_name(value)
        raise GraphError(
            f"nest: what is this in the nest input? {place} is {what}; expecting Nodes and lists "
            f"of them, at {caller_location()}"
        )
    nodes = [_nest(element, f"{place}[{i}]") for i, element in enumerate(value)]
    return nn.JustTable()(nodes) if len(nodes) == 1 else nn.Identity()(nodes)
