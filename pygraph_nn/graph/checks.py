"""Checks of a gModule's nodes when it is built."""

from __future__ import annotations

from collections.abc import Sequence

from .. import nn
from ..errors import GraphError, caller_location, type_name
from ..node import Node, expecting_node


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


def feed(inputs: Sequence[Node]) -> tuple[Node, list[Node]]:
    """Return a new innode, and for each input the node that feeds it its part of the value.

    Raises:
        GraphError: an input has inputs.
    """
    for i, node in enumerate(inputs):
        if node.inputs:
            source = root = node.inputs[0]
            while root.inputs and root.module is None:
                root = root.inputs[0]
            is_innode = root.module is None
            raise GraphError(
                f"gModule: an input should have no inputs: inputs[{i}] is {node!r}, which takes "
                f"{source!r}"
                + (". Are the nodes part of another gModule already?" if is_innode else "")
            )
    innode = Node()
    if len(inputs) == 1:
        return innode, [innode]
    return innode, innode.split(len(inputs))


def check_complete(nodes: list[Node], innode: Node, inputs: Sequence[Node]) -> None:
    """Check that every input, and everything declared on `nodes`, leads to an output.

    Raises:
        GraphError: something does not, or an `nn.Identity` without inputs is not among `inputs`.
    """
    inside = {id(node) for node in nodes}
    for i, node in enumerate(inputs):
        if id(node) not in inside:
            raise GraphError(f"gModule: inputs[{i}] is unused: {node!r} leads to no output")
    for node in nodes:
        if not node.inputs and node is not innode and isinstance(node.module, nn.Identity):
            raise GraphError(
                f"gModule: {node!r} has no inputs but is not among the inputs of the gModule. "
                "Add it to them"
            )
        unused = [part for part in node.successors if id(part) not in inside]
        if unused and node.nSplitOutputs is not None:
            raise GraphError(
                f"gModule: {len(unused)} of split({node.nSplitOutputs}) outputs from the node "
                f"declared at {node.inputs[0].declared_at} split at {node.declared_at} are unused: "
                + ", ".join(str(part.selectindex) for part in unused)
            )
        if unused:
            raise GraphError(
                f"gModule: {unused[0]!r} takes {node!r} but does not connect to gmodule output"
            )
