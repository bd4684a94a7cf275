"""The stages of a plan: its loops, strongly connected components, and the stages between.

A value in a loop depends on itself, one step ago. Everything else can be computed for all time
steps before, between or after the loops. Operations that share buffers, such as the two uses of one
batch normalization, make a loop as well: each continues from what the other left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .operations import Operation

if TYPE_CHECKING:
    import networkx  # imported where it is used: its import takes as long as this library's


@dataclass
class Stage:
    """Operations that run together, in order.

    Attributes:
        loop: whether they run step after step; otherwise they run once, for all steps.
        ops: the operations, by index.
        states: the states among the operations of a loop.
        reason: why the stage is where it is.
    """

    loop: bool
    ops: list[int]
    states: list[int] = field(default_factory=list)
    reason: str = ""


def make_stages(ops: list[Operation]) -> list[Stage]:
    """Return the stages of a network whose time step has the operations `ops`, in their order.

    Operations outside loops run as early as the loops that they need allow.
    """
    import networkx

    graph = networkx.DiGraph()
    graph.add_nodes_from(range(len(ops)))
    for i, op in enumerate(ops):
        graph.add_edges_from((source, i) for source in op.sources())
    for sharing in _sharing_buffers(ops):
        graph.add_edges_from(zip(sharing, [*sharing[1:], sharing[0]], strict=True))
    components = networkx.condensation(graph)
    members = {c: sorted(data["members"]) for c, data in components.nodes(data=True)}
    loops = {
        c
        for c, inside in members.items()
        if len(inside) > 1 or graph.has_edge(inside[0], inside[0])
    }
    levels = _loops_before(components, loops)
    stages = []
    for level in range(max(levels.values(), default=0) + 1):
        here = [c for c in components if levels[c] == level]
        outside = [op for c in here if c not in loops for op in members[c]]
        computed = [i for i in _in_order(ops, outside, delays=True) if ops[i].kind != "input"]
        if computed:
            reason = "needs no state" if level == 0 else f"needs the results of loop {level - 1}"
            stages.append(Stage(False, computed, reason=f"{reason}, and no value of its own"))
        for inside in sorted(members[c] for c in here if c in loops):
            states = [i for i in inside if ops[i].kind == "state"]
            reason = _why_loop(ops, graph, inside)
            stages.append(Stage(True, _in_order(ops, inside), states, reason))
    return stages


def _sharing_buffers(ops: list[Operation]) -> Iterator[list[int]]:
    """Find the operations that use the same buffer, where there are several."""
    users: dict[int, list[int]] = {}
    for i, op in enumerate(ops):
        for buffer in op.module.buffers() if op.module is not None else ():
            users.setdefault(id(buffer), []).append(i)
    return (sharing for sharing in users.values() if len(sharing) > 1)


def _loops_before(components: networkx.DiGraph, loops: set[int]) -> dict[int, int]:
    """Return how many loops lie on the longest way to each component.

    Components that no loop separates have the same number, and run together.
    """
    import networkx

    levels: dict[int, int] = {}
    for c in networkx.topological_sort(components):
        before = [levels[b] + (b in loops) for b in components.predecessors(c)]
        levels[c] = max(before, default=0)
    return levels


def _in_order(ops: list[Operation], inside: Iterable[int], delays: bool = False) -> list[int]:
    """Return the operations `inside`, each after the operations it needs in the same step.

    A state needs none in the same step. Outside loops, with `delays`, it comes after the operation
    whose delayed value it is.
    """
    import networkx

    chosen = set(inside)
    graph = networkx.DiGraph()
    graph.add_nodes_from(sorted(chosen))
    for i in chosen:
        if ops[i].kind != "state" or delays:
            graph.add_edges_from((source, i) for source in ops[i].sources() if source in chosen)
    return list(networkx.lexicographical_topological_sort(graph))


def _why_loop(ops: list[Operation], graph: networkx.DiGraph, inside: list[int]) -> str:
    """Describe one way round the loop."""
    import networkx

    cycle = networkx.find_cycle(graph.subgraph(inside))
    around = [ops[source] for source, _ in cycle]
    start = next((i for i, op in enumerate(around) if op.kind == "state"), None)
    if start is None:
        shared = " and ".join(sorted(op.label() for op in around))
        return f"{shared} share buffers, which they use in turn, step after step"
    names = [op.label() for op in around[start:] + around[:start]]
    return f"{names[0]} needs its own value of the step before: {' -> '.join([*names, names[0]])}"
