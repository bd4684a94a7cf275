"""Torch7 objects of gModules: the graphs, nodes and edges that nngraph keeps."""

from __future__ import annotations

from typing import Any

from .. import nn
from ..graph import Graph, gModule
from ..node import Node
from ..t7 import T7Object, T7Table
from .interfaces import Writer


def graph_object(graph: gModule, writer: Writer) -> T7Object:
    """Return the Torch7 object of `graph`, as nngraph builds it.

    Torch7 has two graphs, each with its own nodes. The nodes of both share their data.
    """
    data = {node: _data(graph, node, writer) for node in graph.forwardnodes}
    backward, backward_nodes = _graph(graph.bg, data)
    forward, forward_nodes = _graph(graph.fg, data)
    for node in graph.forwardnodes:
        _link(graph, node, data, backward_nodes)
        data[node]["forwardNodeId"] = graph.fg.id(node) + 1
    fields = writer.base_fields(graph)
    outputs = len(graph.fg.inputs(graph.outnode))
    del fields["output"], fields["gradInput"]  # as in Torch7, they are nil before the first run
    if outputs > 1:
        fields["output"] = data[graph.outnode]["input"]
    fields |= {
        "nInputs": graph.nInputs,
        "outnode": backward_nodes[graph.outnode],
        "innode": forward_nodes[graph.innode],
        "bg": backward,
        "fg": forward,
        "forwardnodes": [forward_nodes[node] for node in graph.forwardnodes],
        "backwardnodes": [backward_nodes[node] for node in graph.backwardnodes],
        "modules": [d["module"] for d in data.values() if "module" in d],
        "verbose": graph.verbose,
    }
    return T7Object("nn.gModule", fields)


def _data(graph: gModule, node: Node, writer: Writer) -> dict[str, Any]:
    annotations = dict(node.annotations)
    path, _, line = node.declared_at.rpartition(":")
    annotations["_debugLabel"] = f"[{path}]:{line}_"
    data: dict[str, Any] = {"annotations": annotations}
    module = graph.module_at(node)
    if module is not None:
        data["module"] = writer.object(_taking_a_table(graph, node, module))
    elif node.nSplitOutputs is not None and not graph.fg.is_given(node):
        data["nSplitOutputs"] = node.nSplitOutputs
    else:
        data["input"] = []
        if node.selectindex is not None and not graph.fg.is_given(node):
            data["selectindex"] = node.selectindex + 1
    return data


def _taking_a_table(graph: gModule, node: Node, module: Any) -> Any:
    """Return the module to write: in Torch7, a node of one input never gets a table of it."""
    step = next((s for s in graph.steps if graph.forwardnodes[s.slot] is node), None)
    if step is None or not step.table or len(step.sources) != 1:
        return module
    if isinstance(module, (nn.JustElement, nn.Identity)):
        return module
    return nn.Sequential(nn.JustTable(), module)


def _graph(graph: Graph, data: dict[Node, dict[str, Any]]) -> tuple[T7Object, dict[Node, T7Object]]:
    """Return the graph and the object of each of its nodes."""
    nodes: dict[Node, T7Object] = {}
    for node in graph.nodes:
        fields = {"id": graph.id(node) + 1, "visited": False, "marked": False, "data": data[node]}
        nodes[node] = T7Object("nngraph.Node", fields)
    for node in graph.nodes:
        children = [nodes[child] for child in graph.children(node)]
        nodes[node].fields = {**nodes[node].fields, "children": _numbered(children)}
    edges = [T7Object("graph.Edge", {"from": nodes[a], "to": nodes[b]}) for a, b in graph.edges]
    listed = _numbered([nodes[node] for node in graph.nodes])
    return T7Object("graph.Graph", {"nodes": listed, "edges": _numbered(edges)}), nodes


def _numbered(values: list[Any]) -> Any:
    """Return Lua's table of `values` by number, and of numbers by value."""
    pairs = list(enumerate(values, 1))
    return T7Table([*pairs, *((value, i) for i, value in pairs)])


def _link(
    graph: gModule,
    node: Node,
    data: dict[Node, dict[str, Any]],
    backward_nodes: dict[Node, T7Object],
) -> None:
    """Add what a node's inputs are, and which nodes take its value."""
    data[node]["mapindex"] = _numbered([data[source] for source in graph.fg.inputs(node)])
    users = [backward_nodes[child] for child in graph.fg.children(node)]
    data[node]["reverseMap"] = T7Table([(user, True) for user in users])
