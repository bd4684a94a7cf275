"""A gModule as a torch.fx.GraphModule, for tools that read and rewrite these."""

from __future__ import annotations

import operator

import torch

from .. import nested
from ..nested import Nested
from .structure import GraphStructure


def to_fx(g: GraphStructure) -> torch.fx.GraphModule:
    """Return a GraphModule that does the same computation as `g`, on the same modules.

    The result takes the input of `g` as one argument. A node becomes a call of its module under the
    key of the node, and a part of a split becomes an `operator.getitem`. Modules, including nested
    gModules, are not taken apart.
    """
    graph = torch.fx.Graph()
    values: list[Nested] = [None] * len(g.forwardnodes)
    values[g.innode_slot] = graph.placeholder("input")
    names = g.node_names()
    named: dict[torch.fx.Node, str] = {}
    for step in g.steps:
        sources = [values[source] for source in step.sources]
        value: Nested = sources if step.table else sources[0]
        if step.table and len(sources) == 1:
            value = graph.call_function(nested.as_table, (sources[0],))
        node = g.forwardnodes[step.slot]
        if step.module is not None and sources:
            value = graph.call_module(step.module, (value,))
        elif step.module is not None:
            # A parameter node. Called on nothing, a module would make a Node.
            value = graph.call_method("run", (graph.get_attr(step.module), []))
        elif step.select is not None:
            value = graph.call_function(operator.getitem, (value, step.select))
        computes = step.module is not None or step.select is not None
        if computes and node in names:
            named[value] = names[node].key
        values[step.slot] = value
    graph.output(value)
    _rename(graph, named)
    return torch.fx.GraphModule(g, graph, class_name="gModule")


def _rename(graph: torch.fx.Graph, names: dict[torch.fx.Node, str]) -> None:
    """Name nodes as `names` says.

    `create_node` would change names with letters outside ASCII and names of built-in functions.
    """
    keys = set(names.values())
    taken = keys | {node.name for node in graph.nodes}
    for node in graph.nodes:
        if node in names:
            node.name = names[node]
        elif node.name in keys:
            while node.name in taken:
                node.name += "_"
            taken.add(node.name)
