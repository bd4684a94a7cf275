"""Checks of a gModule's nodes when it is built."""

from __future__ import annotations

from collections.abc import Sequence

from .. import nn
from ..errors import GraphError, caller_location, type_name
from ..node import Node, expecting_node
from .order import Graph

_WAY_OUT = ". If it belongs to another gModule, build that one first, or one with both outputs"


def checked_nodes(nodes: object, array: str) -> list[Node]:
    """Return `nodes`, the argument `array` of gModule, as a list of different Nodes.

    Raises:
        GraphError: it is no list, or is empty, or holds something else, or holds a Node twice.
    """
    if not isinstance(nodes, (list, tuple)):
        hint = f"put it into a list: [{array[:-1]}]" if isinstance(nodes, Node) else "pass a list"
        what = repr(nodes) if isinstance(nodes, Node) else type_name(nodes)
        raise GraphError(
            f"gModule: {array} should be a list of Nodes (table expected), not {what}; {hint}, at "
            f"{caller_location()}"
        )
    if not nodes:
        raise GraphError(f"gModule: no {array} are not supported, at {caller_location()}")
    places: dict[int, int] = {}
    for i, node in enumerate(nodes):
        if not isinstance(node, Node):
            raise expecting_node(node, array, i)
        if places.setdefault(id(node), i) != i:
            raise GraphError(
                f"gModule: Don't pass the same input twice: {array}[{i}] is {array}"
                f"[{places[id(node)]}] again, {node!r}. Pass it once more through "
                "nn.Identity()(node)"
            )
    return list(nodes)


def feed(inputs: Sequence[Node]) -> tuple[Node, dict[Node, Node]]:
    """Return a new innode, and for each input the node that feeds it its part of the value.

    Raises:
        GraphError: an input has inputs and is not an inner node of another gModule.
    """
    for i, node in enumerate(inputs):
        if node.inputs and not node.in_graph:
            raise GraphError(
                f"gModule: an input should have no inputs: inputs[{i}] is {node!r}, which takes "
                f"{node.inputs[0]!r}. To pass values in the place of an inner node, build the "
                "gModule that computes the node first"
            )
    innode = Node()
    sources = [innode] if len(inputs) == 1 else innode.split(len(inputs))
    return innode, dict(zip(inputs, sources, strict=True))


def check_complete(graph: Graph, nodes: list[Node], innode: Node, inputs: Sequence[Node]) -> None:
    """Check that every input, and everything declared on `nodes`, leads to an output.

    What is part of another gModule leads to an output there.

    Raises:
        GraphError: something does not; or a node without inputs is not among `inputs`, but is an
            `nn.Identity` or an input of another gModule.
    """
    inside = {id(node) for node in nodes}
    for i, node in enumerate(inputs):
        if id(node) not in inside:
            raise GraphError(f"gModule: inputs[{i}] is unused: {node!r} leads to no output")
    for node in nodes:
        is_root = not graph.inputs(node) and node is not innode
        if is_root and (isinstance(node.module, nn.Identity) or node.is_fed):
            raise GraphError(
                f"gModule: {node!r} has no inputs but is not among the inputs of the gModule. "
                "Add it to them"
            )
        unused = [n for n in node.successors if id(n) not in inside and not n.in_graph]
        if unused and node.nSplitOutputs is not None:
            raise GraphError(
                f"gModule: {len(unused)} of split({node.nSplitOutputs}) outputs from the node "
                f"declared at {node.inputs[0].declared_at} split at {node.declared_at} are unused: "
                + ", ".join(str(part.selectindex) for part in unused)
                + _WAY_OUT
            )
        if unused:
            raise GraphError(
                f"gModule: {unused[0]!r} takes {node!r} but does not connect to gmodule output"
                f"{_WAY_OUT}"
            )
