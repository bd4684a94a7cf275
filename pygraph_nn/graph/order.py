"""Graph: nodes and edges in Torch7's order, their topological sort, and the networkx view.

Numbers depend on these orders, which Torch7's ``graph`` defines: parameters and random draws follow
the forward sort.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import GraphError, caller_location, type_name
from ..node import Node
from .node_shapes import NodeShapes

if TYPE_CHECKING:
    import networkx  # imported where it is used: its import takes as long as this library's


class Graph:
    """A directed graph of Nodes (``graph.Graph``).

    `nodes` and `edges` are in the order in which they were added. A node's id is its index in
    `nodes`, from 0. A node may be in several graphs, and take its inputs from other nodes in each:
    `inputs` says from which.

    Args:
        edges: pairs of nodes.
        feeds: for each input of a gModule the node that feeds it.
    """

    def __init__(
        self, edges: Iterable[tuple[Node, Node]] = (), feeds: Mapping[Node, Node] | None = None
    ) -> None:
        self.nodes: list[Node] = []
        self.edges: list[tuple[Node, Node]] = []
        self._index: dict[int, int] = {}
        self._children: list[list[Node]] = []
        self.feeds = dict(feeds or {})
        for source, target in edges:
            self.add(source, target)

    def add(self, source: Node, target: Node | None = None) -> None:
        """Add the edge from `source` to `target`, and its nodes if they are new.

        Raises:
            GraphError: one of them is not a Node.
        """
        for node in (source, target):
            if not isinstance(node, Node):
                raise GraphError(
                    f"Graph.add: an edge of two Nodes expected, got {type_name(node)} ({node!r}), "
                    f"at {caller_location()}"
                )
        assert target is not None
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
        """Return the index of `node` in `nodes`."""
        return self._index[id(node)]

    def __contains__(self, node: Node) -> bool:
        return id(node) in self._index

    def children(self, node: Node) -> list[Node]:
        """Return the nodes that edges from `node` lead to, in order."""
        return self._children[self.id(node)]

    def inputs(self, node: Node) -> list[Node]:
        """Return the nodes that `node` takes its inputs from in this graph, in order."""
        if node in self.feeds:
            return [self.feeds[node]]
        return [] if node.is_fed else node.inputs

    def is_given(self, node: Node) -> bool:
        """Return whether the value of `node` is passed to this graph in place of being computed.

        It is an input of this graph, and an inner node of another.
        """
        return node in self.feeds and bool(node.inputs) and not node.is_fed

    def reverse(self) -> Graph:
        """Return the graph of the same nodes with every edge reversed."""
        return Graph(((target, source) for source, target in self.edges), self.feeds)

    def roots(self) -> list[Node]:
        """Return the nodes without incoming edges."""
        reached = {id(target) for _, target in self.edges}
        return [node for node in self.nodes if id(node) not in reached]

    def leaves(self) -> list[Node]:
        """Return the nodes without outgoing edges."""
        return [node for node in self.nodes if not self.children(node)]

    def hasCycle(self) -> bool:
        """Return whether a path leads from a node back to itself."""
        try:
            self.topsort()
        except GraphError:
            return True
        return False

    def topsort(self) -> list[Node]:
        """Return all nodes in Torch7's topological order, each after the sources of its edges.

        It is the order in which a depth-first walk from the leaves, against the edges, finishes
        the nodes.

        Raises:
            GraphError: the graph has a cycle.
        """
        against = self.reverse()
        order = depth_first(against.roots(), against.children)
        if len(order) < len(self.nodes):  # nodes that no leaf leads back to lie in cycles
            depth_first(self.nodes, against.children)
        return order

    def to_networkx(self, shapes: Mapping[Node, NodeShapes] | None = None) -> networkx.DiGraph:
        """Return the graph for networkx; its nodes are the ids.

        Node attributes are `node`, `module`, `name` and `kind`. The edge attribute `index` says
        which input of the edge's target its source is (in a backward graph, which input of its
        source its target is). With `shapes`, nodes also have `input_shape` and `output_shape`, and
        edges the `shape` of the value that they carry.
        """
        import networkx

        view = networkx.DiGraph()
        for index, node in enumerate(self.nodes):
            module, kind = node.module, node.kind()
            if self.is_given(node):
                module, kind = None, "pass on"
            view.add_node(index, node=node, module=module, name=node.name, kind=kind)
            if shapes and node in shapes:
                view.add_node(
                    index, input_shape=shapes[node].input, output_shape=shapes[node].output
                )
        places = {
            (id(source), id(node)): i
            for node in self.nodes
            for i, source in enumerate(self.inputs(node))
        }
        for a, b in self.edges:
            forward = (id(a), id(b)) in places
            source, target = (a, b) if forward else (b, a)
            attributes: dict[str, Any] = {"index": places.get((id(source), id(target)))}
            if shapes and source in shapes:
                attributes["shape"] = shapes[source].output
            view.add_edge(self.id(a), self.id(b), **attributes)
        return view

    def __repr__(self) -> str:
        return f"<Graph of {len(self.nodes)} nodes and {len(self.edges)} edges>"

    def __getstate__(self) -> dict[str, Any]:
        # Inputs before their users, so that pickling a long chain does not follow it recursively.
        return {
            "inputs_first": depth_first(self.nodes, lambda node: node.inputs, allow_cycles=True),
            "nodes": self.nodes,
            "edges": [(self.id(a), self.id(b)) for a, b in self.edges],
            "feeds": [(self.id(node), self.id(feed)) for node, feed in self.feeds.items()],
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]
        for node in state["nodes"]:
            self._register(node)
        for a, b in state["edges"]:
            self.add(self.nodes[a], self.nodes[b])
        for a, b in state.get("feeds", ()):
            self.feeds[self.nodes[a]] = self.nodes[b]


def against_inputs(outnode: Node, feeds: Mapping[Node, Node]) -> Graph:
    """Return the backward graph: from `outnode` to its inputs and theirs, breadth first.

    It ends at the nodes of `feeds`, which take their values from there.
    """
    graph = Graph(feeds=feeds)
    seen, queue = {id(outnode)}, deque([outnode])
    while queue:
        node = queue.popleft()
        for child in graph.inputs(node):
            graph.add(node, child)
            if id(child) not in seen:
                seen.add(id(child))
                queue.append(child)
    return graph


def depth_first(
    roots: list[Node], children: Callable[[Node], list[Node]], *, allow_cycles: bool = False
) -> list[Node]:
    """Return nodes in the order in which a depth-first walk from `roots` finishes them.

    Each comes after its children, except, with `allow_cycles`, where an edge closes a cycle.

    Raises:
        GraphError: the walk meets a cycle, without `allow_cycles`.
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
                    if allow_cycles:
                        continue
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
    return order


def _cycle(nodes: list[Node]) -> GraphError:
    through = ", ".join(map(repr, nodes[:5])) + (", ..." if len(nodes) > 5 else "")
    return GraphError(f"Graph has cycles: one goes through {through}")
