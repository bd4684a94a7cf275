"""Graph: nodes and edges in Torch7's order, its topological sort, and its networkx view.

The orders are those of torch/graph, on which the numbers depend: parameters and random draws come
in the order of the forward sort.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import networkx

from .errors import GraphError
from .node import Node


class Graph:
    """A directed graph of Nodes (``graph.Graph``). `nodes` and `edges` stand in order of arrival.

    A node's id, counted from 0, is its index in `nodes`.
    """

    def __init__(self, edges: Iterable[tuple[Node, Node]] = ()) -> None:
        self.nodes: list[Node] = []
        self.edges: list[tuple[Node, Node]] = []
        self._index: dict[int, int] = {}
        self._children: list[list[Node]] = []
        for source, target in edges:
            self.add(source, target)

    def add(self, source: Node, target: Node) -> None:
        """Add the edge `source` to `target`, and its nodes if they are new."""
        for node in (source, target):
            if not isinstance(node, Node):
                raise GraphError(f"Graph.add: a Node expected, got {node!r}")
        self.edges.append((source, target))
        self._register(source)
        self._register(target)
        self._children[self.id(source)].append(target)

    def _register(self, node: Node) -> None:
        if id(node) not in self._index:
            self._index[id(node)] = len(self.nodes)
            self.nodes.append(node)
            self._children.append([])

    def id(self, node: Node) -> int:
        """The index of `node` in `nodes`."""
        return self._index[id(node)]

    def __contains__(self, node: Node) -> bool:
        return id(node) in self._index

    def children(self, node: Node) -> list[Node]:
        """The nodes that edges from `node` lead to, in order."""
        return self._children[self.id(node)]

    def reverse(self) -> Graph:
        """The graph of the same nodes with every edge turned round."""
        return Graph((target, source) for source, target in self.edges)

    def roots(self) -> list[Node]:
        """The nodes that no edge leads to."""
        reached = {id(target) for _, target in self.edges}
        return [node for node in self.nodes if id(node) not in reached]

    def leaves(self) -> list[Node]:
        """The nodes that no edge leaves."""
        return [node for node in self.nodes if not self.children(node)]

    def has_cycle(self) -> bool:
        try:
            self.topsort()
        except GraphError:
            return True
        return False

    def topsort(self) -> list[Node]:
        """All nodes, each after those with an edge to it, in the order Torch7 sorts them.

        That is the order in which a depth-first walk against the edges, from the leaves, leaves
        the nodes.

        Raises:
            GraphError: the graph has a cycle.
        """
        against = self.reverse()
        return depth_first(against.roots(), against.children, len(self.nodes))

    def to_networkx(self) -> networkx.DiGraph:
        """The graph for networkx: nodes are the ids, with `node`, `module`, `name` and `kind`."""
        made = networkx.DiGraph()
        for index, node in enumerate(self.nodes):
            made.add_node(index, node=node, module=node.module, name=node.name, kind=node.kind())
        for source, target in self.edges:
            made.add_edge(self.id(source), self.id(target), index=_input_index(source, target))
        return made

    def __getstate__(self) -> dict[str, Any]:
        return {"nodes": self.nodes, "edges": [(self.id(a), self.id(b)) for a, b in self.edges]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]
        for node in state["nodes"]:
            self._register(node)
        for a, b in state["edges"]:
            self.add(self.nodes[a], self.nodes[b])


def _input_index(source: Node, target: Node) -> int | None:
    """Which input of `target` the node `source` is, if it is one."""
    return next((i for i, node in enumerate(target.inputs) if node is source), None)


def against_inputs(outnode: Node) -> Graph:
    """The backward graph: from `outnode` to its inputs and theirs, breadth first."""
    graph = Graph()
    seen, queue = {id(outnode)}, deque([outnode])
    while queue:
        node = queue.popleft()
        for child in node.inputs:
            graph.add(node, child)
            if id(child) not in seen:
                seen.add(id(child))
                queue.append(child)
    return graph


def depth_first(
    roots: list[Node], children: Callable[[Node], list[Node]], expected: int
) -> list[Node]:
    """Nodes in the order in which a depth-first walk from `roots` leaves them.

    Raises:
        GraphError: there is a cycle; fewer than `expected` nodes are reached only if so.
    """
    done: set[int] = set()
    order: list[Node] = []
    for root in roots:
        if id(root) in done:
            continue
        path, on_path = [(root, iter(children(root)))], {id(root)}
        while path:
            node, rest = path[-1]
            for child in rest:
                if id(child) in on_path:
                    start = next(i for i, (n, _) in enumerate(path) if n is child)
                    raise _cycle([n for n, _ in path[start:]])
                if id(child) not in done:
                    path.append((child, iter(children(child))))
                    on_path.add(id(child))
                    break
            else:
                path.pop()
                on_path.discard(id(node))
                done.add(id(node))
                order.append(node)
    if len(order) != expected:
        raise _cycle([])
    return order


def _cycle(nodes: list[Node]) -> GraphError:
    through = ", ".join(map(repr, nodes[:5])) + (", ..." if len(nodes) > 5 else "")
    return GraphError("Graph has cycles" + (f": one goes through {through}" if nodes else ""))
