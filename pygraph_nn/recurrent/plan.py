"""The plan of a recurrent network: what can run for all time steps at once, and what must loop.

A one-step gModule and the outputs that feed its inputs of the next step make a graph with delay
edges. Its strongly connected components are the loops: a value in one needs itself, one step ago.
Everything else can be computed for all time steps before, between or after the loops.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import graphviz
import networkx
import torch

from .. import nested, nn
from ..errors import GraphError
from ..graph import gModule
from ..nn.core import Element, Slice, Whole, Wrapped
from ..node import Node


@dataclass(frozen=True)
class Wire:
    """The value of operation `op`; tables of wires are lists."""

    op: int


@dataclass
class Operation:
    """One computation of a time step.

    Attributes:
        kind: "input", "state" or "module"; "part" takes an element of an opaque table.
        node: the node that it came from.
        module: its module, where it has one.
        input: its input, a Wire or a table of them; for a state, the value of the step before.
        part: which element, for "part"; for "input" and "state", which one.
    """

    kind: str
    node: Node
    module: torch.nn.Module | None = None
    input: Any = None
    part: int | str = 0

    def sources(self) -> list[int]:
        """The operations that it needs; for a state, of the step before."""
        return wires(self.input)

    def label(self) -> str:
        """The operation in a few words."""
        name = f"{'.'.join([*self.node.group, self.node.name])}: " if self.node.name else ""
        what = str(self.module) if self.module is not None else f"{self.kind} {self.part}"
        return f"{name}{what}".splitlines()[0]


@dataclass
class Stage:
    """Operations that run together, in order.

    Attributes:
        loop: whether they run step after step; otherwise once, for all steps.
        ops: indices of the operations.
        states: of a loop, the states among them.
        reason: why the stage is where it is.
    """

    loop: bool
    ops: list[int]
    states: list[int] = field(default_factory=list)
    reason: str = ""


@dataclass
class Plan:
    """How to run a recurrent network over time.

    Attributes:
        ops: all operations; a wire is an index into them.
        stages: in the order in which they run.
        inputs: for each input of the core the wire of its sequence, or None for a state.
        states: the state's inputs of the core by index, as tables of wires.
        outputs: for each output of the core its value.
        fed: the outputs that are states.
    """

    core: gModule
    ops: list[Operation]
    stages: list[Stage]
    inputs: list[Any]
    states: dict[int, Any]
    outputs: list[Any]
    fed: frozenset[int]

    def __str__(self) -> str:
        lines = []
        for i, stage in enumerate(self.stages):
            kind = "loop over time" if stage.loop else "all time steps at once"
            lines.append(f"stage {i}, {kind}: {stage.reason}")
            lines += [f"    {self.ops[op].label()}" for op in stage.ops]
        return "\n".join(lines)

    def dot(
        self, title: str | None = None, fname: str | os.PathLike[str] | None = None
    ) -> graphviz.Source:
        """The picture of the plan: stages as boxes, delays dashed; files as in `pygraph_nn.dot`."""
        from ..pictures import plan_dot  # only to show

        return plan_dot(self, title, fname)


def make_plan(core: gModule, state: Mapping[str | int, str | int]) -> Plan:
    """The plan of `core`, whose outputs feed its inputs as `state` says: {"prev_s": "next_s"}.

    Inputs and outputs go by the names of their nodes or by index.

    Raises:
        GraphError: a name is unknown, a state is given back in another structure, or the core
            does not run its nodes as gModule does.
    """
    if not runs_plainly(core):
        raise GraphError(
            f"recurrent: {core} is a {type(core).__name__} with a run_node of its own; only "
            "gModule's is known to be the same for all steps at once"
        )
    inputs, outputs = core.input_nodes, core.outnode.inputs
    fed = {_index(inputs, i, "input"): _index(outputs, o, "output") for i, o in state.items()}
    # How the state is structured shows in what is given back, so the graph is traced twice.
    structure = _Trace(core, inputs, dict.fromkeys(fed)).outputs
    trace = _Trace(core, inputs, {i: structure[o] for i, o in fed.items()})
    for i, o in fed.items():
        _connect(trace, trace.states[i], trace.outputs[o])
    return Plan(
        core,
        trace.ops,
        _stages(trace.ops),
        trace.inputs,
        trace.states,
        trace.outputs,
        frozenset(fed.values()),
    )


def runs_plainly(graph: gModule) -> bool:
    """Whether a gModule runs its nodes as every gModule does, and nothing watches its calls."""
    return not graph.overrides_run_node and graph.runs_directly


def _index(nodes: list[Node], key: str | int, what: str) -> int:
    if isinstance(key, int) and 0 <= key < len(nodes):
        return key
    found = [i for i, node in enumerate(nodes) if node.name == key]
    if len(found) != 1:
        names = ", ".join(repr(node.name) for node in nodes)
        raise GraphError(
            f"recurrent: {what} {key!r} is not one of the {len(nodes)} {what}s ({names}); name it "
            "with annotate(name=...) or give its index"
        )
    return found[0]


class _Unknown:
    """A state whose structure is not known yet; its elements are asked for one by one."""

    def __init__(self, trace: _Trace, node: Node) -> None:
        self.trace, self.node = trace, node
        self.parts: dict[Any, Any] = {}

    def part(self, key: Any) -> Any:
        return self.parts.setdefault(key, _Unknown(self.trace, self.node))


class _Trace:
    """The operations of one time step, found by following wires through the graph."""

    def __init__(self, core: gModule, inputs: list[Node], states: Mapping[int, Any]) -> None:
        self.ops: list[Operation] = []
        self.inputs: list[Any] = []
        self.states: dict[int, Any] = {}
        values = []
        for i, node in enumerate(inputs):
            if i not in states:
                value = self.add(Operation("input", node, part=i))
                self.inputs.append(value)
            else:
                value = self._state(node, states[i])
                self.states[i] = value
                self.inputs.append(None)
            values.append(value)
        self.outputs = self._graph(core, values if core.nInputs > 1 else values[0])
        if len(core.outnode.inputs) == 1:
            self.outputs = [self.outputs]

    def add(self, op: Operation) -> Wire:
        self.ops.append(op)
        return Wire(len(self.ops) - 1)

    def _state(self, node: Node, structure: Any) -> Any:
        if structure is None:
            return _Unknown(self, node)
        count = 0

        def make(_: Any) -> Wire:
            nonlocal count
            count += 1
            return self.add(Operation("state", node, part=count - 1))

        return nested.map_leaves(make, structure)

    def _graph(self, graph: gModule, input: Any) -> Any:
        values: dict[int, Any] = {id(graph.innode): input}
        for node, module in zip(graph.forwardnodes, graph.node_modules, strict=True):
            if node is graph.innode:
                continue
            taken = [values[id(source)] for source in node.inputs]
            value = taken[0] if len(taken) == 1 else taken
            if node.selectindex is not None:
                value = self._part(node, value, node.selectindex)
            elif module is not None:
                value = self._module(node, module, value)
            values[id(node)] = value
        return values[id(graph.outnode)]

    def _module(self, node: Node, module: torch.nn.Module, value: Any) -> Any:
        """What `module` makes of `value`: tables are taken apart here, the rest is computed."""
        if isinstance(module, gModule) and runs_plainly(module):
            return self._graph(module, value)
        if type(module) is nn.Sequential:
            for inner in module.members():
                value = self._module(node, inner, value)
            return value
        route = module.route() if isinstance(module, nn.Module) else None
        if isinstance(route, Whole):
            return value
        if isinstance(route, Wrapped):
            return [value]
        if isinstance(route, Element) and not isinstance(value, Wire):
            return self._part(node, value, route.key)
        if isinstance(route, Slice) and isinstance(value, list):
            return value[route.offset : route.offset + route.length]
        return self.add(Operation("module", node, module, value))

    def _part(self, node: Node, value: Any, key: Any) -> Any:
        if isinstance(value, _Unknown):
            return value.part(key)
        if isinstance(value, (list, dict)):
            try:
                return value[key]
            except (IndexError, KeyError):
                raise GraphError(
                    f"recurrent: {node!r} takes element {key!r} of a state of {len(value)} elements"
                ) from None
        return self.add(Operation("part", node, input=value, part=key))


def _connect(trace: _Trace, states: Any, given_back: Any) -> None:
    """Tell every state which wire gives its next value."""
    for state, next in nested.pairs(states, given_back, "recurrent: the state and what feeds it"):
        trace.ops[state.op].input = next


def wires(value: Any) -> list[int]:
    """The operations whose values `value` holds."""
    return [leaf.op for leaf in nested.leaves(value) if isinstance(leaf, Wire)]


def _stages(ops: list[Operation]) -> list[Stage]:
    graph = networkx.DiGraph()
    graph.add_nodes_from(range(len(ops)))
    for i, op in enumerate(ops):
        graph.add_edges_from((source, i) for source in wires(op.input))
    condensed = networkx.condensation(graph)
    members = {c: sorted(data["members"]) for c, data in condensed.nodes(data=True)}
    loops = {
        c
        for c, inside in members.items()
        if len(inside) > 1 or graph.has_edge(inside[0], inside[0])
    }
    # How many loops lie on the longest way to a component: what no loop separates runs together.
    depth: dict[int, int] = {}
    for c in networkx.topological_sort(condensed):
        before = [depth[b] + (b in loops) for b in condensed.predecessors(c)]
        depth[c] = max(before, default=0)
    stages = []
    for level in range(max(depth.values(), default=0) + 1):
        at_once = [c for c in condensed if depth[c] == level and c not in loops]
        batched = _in_order(ops, [op for c in at_once for op in members[c]], delays=True)
        computed = [op for op in batched if ops[op].kind != "input"]
        if computed:
            reason = "needs no state" if level == 0 else f"needs the results of loop {level - 1}"
            stages.append(Stage(False, computed, reason=f"{reason}, and no value of its own"))
        for c in sorted((c for c in loops if depth[c] == level), key=lambda c: members[c][0]):
            inside = members[c]
            states = [op for op in inside if ops[op].kind == "state"]
            stages.append(Stage(True, _in_order(ops, inside), states, _why(ops, graph, inside)))
    return stages


def _in_order(ops: list[Operation], inside: Iterable[int], delays: bool = False) -> list[int]:
    """`inside` sorted so that what is needed comes first; a state needs nothing of its step.

    With `delays`, outside loops, a state does follow what it is the delayed value of.
    """
    chosen = set(inside)
    graph = networkx.DiGraph()
    graph.add_nodes_from(sorted(chosen))
    for i in chosen:
        if ops[i].kind != "state" or delays:
            graph.add_edges_from((source, i) for source in wires(ops[i].input) if source in chosen)
    return list(networkx.lexicographical_topological_sort(graph))


def _why(ops: list[Operation], graph: networkx.DiGraph, inside: list[int]) -> str:
    """One way round the loop, in words."""
    cycle = networkx.find_cycle(graph.subgraph(inside))
    around = [ops[source] for source, _ in cycle]
    start = next((i for i, op in enumerate(around) if op.kind == "state"), 0)
    names = [op.label() for op in around[start:] + around[:start]]
    return f"{names[0]} needs its own value of the step before: {' -> '.join([*names, names[0]])}"
