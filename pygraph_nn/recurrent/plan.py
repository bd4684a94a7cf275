"""The plan of a recurrent network: operations for all time steps at once, and loops.

A one-step gModule and the outputs that feed its inputs of the next step make a graph with delay
edges. This file traces the gModule into operations; `stages` finds the loops among them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import graphviz
import torch

from .. import nested, nn
from ..errors import GraphError, type_name
from ..graph import gModule
from ..nested import Nested
from ..nn.core import Element, Route, Slice, Whole, Wrapped, elementwise
from ..node import Node
from .operations import Operation, ValueRef, referenced
from .overrides import computes_as_its_class, runs_plainly
from .stages import Stage, make_stages


@dataclass
class Plan:
    """A plan of how to run a recurrent network over time.

    Attributes:
        core: the one-step network.
        ops: its operations; a `ValueRef` is an index into them.
        stages: in the order in which they run.
        inputs: for each input of the core, the reference to its sequence, or None for a state.
        states: for each input of the core that is a state, by index, references to its tensors.
        outputs: for each output of the core, references to its value.
        fed: the indices of the outputs that feed states.
        state: the outputs that feed inputs, by index, as `make_plan` takes them.
        taken_apart: the modules that the plan replaces by their contents or by references, which
            are not called: graphs, sequences, and layers that only pass values on.
    """

    core: gModule
    ops: list[Operation]
    stages: list[Stage]
    inputs: list[ValueRef | None]
    states: dict[int, Nested]
    outputs: list[Nested]
    fed: frozenset[int]
    state: Mapping[str | int, str | int]
    taken_apart: list[torch.nn.Module]

    def check_unchanged(self) -> None:
        """Raise `GraphError` if a module that is not called now has a hook or an override."""
        for module in self.taken_apart:
            if not runs_plainly(module):
                raise GraphError(
                    f"recurrent: {type_name(module)} got a hook or another updateOutput after it "
                    "was planned: call recurrent again"
                )

    def uses(self) -> Counter[int]:
        """Count for each operation how many operations and outputs take its value."""
        taken = [i for op in self.ops for i in op.sources()]
        return Counter([*taken, *(i for output in self.outputs for i in referenced(output))])

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
        """Draw the plan: stages as boxes, delays dashed; files as in `pygraph_nn.dot`.

        Raises:
            GraphError: the program ``dot``, which draws files, is not installed.
        """
        from ..pictures import plan_dot

        return plan_dot(self, title, fname)


def make_plan(core: gModule, state: Mapping[str | int, str | int]) -> Plan:
    """Plan how to run `core`, whose outputs feed its inputs: ``{"prev_s": "next_s"}``.

    Inputs and outputs go by the names of their nodes or by index.

    Raises:
        GraphError: a name is unknown, a state is returned in another structure, or the core does
            not run its nodes as gModule does.
    """
    if not isinstance(core, gModule):
        raise GraphError(
            f"recurrent: expecting the gModule of one time step, got {type_name(core)}"
        )
    if not isinstance(state, Mapping):
        raise GraphError(
            f"recurrent: state is {state!r}; expecting a dict that says which output feeds which "
            'input of the next step, such as {"prev_s": "next_s"} or {1: 0}'
        )
    if not runs_plainly(core):
        raise GraphError(
            f"recurrent: {core} is a {type(core).__name__} with a hook, or with an updateOutput, "
            "gradient or run_node of its own, which must see each step by itself: run it step by "
            "step"
        )
    inputs, outputs = core.input_nodes, core.outnode.inputs
    fed = {_index(inputs, i, "input"): _index(outputs, o, "output") for i, o in state.items()}
    # Only the outputs show how the state is structured, so the graph is traced twice.
    structure = _StepTracer(core, dict.fromkeys(fed)).outputs
    tracer = _StepTracer(core, {i: structure[o] for i, o in fed.items()})
    for i, o in fed.items():
        tracer.feed(tracer.states[i], tracer.outputs[o])
    return Plan(
        core,
        tracer.ops,
        make_stages(tracer.ops),
        tracer.inputs,
        tracer.states,
        tracer.outputs,
        frozenset(fed.values()),
        dict(fed.items()),
        tracer.taken_apart,
    )


def _index(nodes: list[Node], key: str | int, role: str) -> int:
    """Return the index of the node that `key` names; `role` is "input" or "output"."""
    if isinstance(key, int) and 0 <= key < len(nodes):
        return key
    matches = [i for i, node in enumerate(nodes) if node.name == key]
    if len(matches) != 1:
        names = ", ".join(repr(node.name) for node in nodes)
        raise GraphError(
            f"recurrent: {role} {key!r} is not one of the {len(nodes)} {role}s ({names}); name it "
            "with annotate(name=...) or give its index"
        )
    return matches[0]


class _AsTable(nn.Module):
    """Wraps what is no table in a table of one element."""

    row_wise = elementwise

    def updateOutput(self, input: Nested) -> Nested:
        return nested.as_table(input)


class _UnknownState:
    """A state whose structure is still unknown, or an element of one."""

    def __init__(self) -> None:
        self.parts: dict[int | str, _UnknownState] = {}

    def part(self, key: int | str) -> _UnknownState:
        return self.parts.setdefault(key, _UnknownState())


class _StepTracer:
    """Traces one time step of a gModule into operations.

    Args:
        core: the gModule.
        states: for each input that is a state, by index, a table of its structure; None where the
            structure is still unknown.

    Attributes:
        ops, inputs, states, outputs, taken_apart: see `Plan`.
    """

    def __init__(self, core: gModule, states: Mapping[int, Nested]) -> None:
        self.ops: list[Operation] = []
        self.inputs: list[ValueRef | None] = []
        self.states: dict[int, Nested] = {}
        self.taken_apart: list[torch.nn.Module] = [core]
        values: list[Nested] = []
        for i, node in enumerate(core.input_nodes):
            if i in states:
                self.states[i] = self._state(node, states[i])
                self.inputs.append(None)
                values.append(self.states[i])
            else:
                value = self._add(Operation("input", node, part=i))
                self.inputs.append(value)
                values.append(value)
        self.outputs = self._graph(core, values if core.nInputs > 1 else values[0])
        if len(core.outnode.inputs) == 1:
            self.outputs = [self.outputs]

    def feed(self, states: Nested, outputs: Nested) -> None:
        """Connect every state with the output at the same place in the table."""
        place = "recurrent: the state and what feeds it"
        for state, value in nested.pairs(states, outputs, place):
            self.ops[state.op].input = value

    def _add(self, op: Operation) -> ValueRef:
        self.ops.append(op)
        return ValueRef(len(self.ops) - 1)

    def _state(self, node: Node, structure: Nested) -> Nested:
        if structure is None:
            return _UnknownState()
        leaves = nested.leaves(structure)
        states = [self._add(Operation("state", node, part=i)) for i in range(len(leaves))]
        return nested.rebuild(structure, iter(states))

    def _graph(self, graph: gModule, input: Nested) -> Nested:
        values: dict[Node, Nested] = {graph.innode: input}
        modules = graph.node_modules
        for step in graph.steps:
            node, module = graph.forwardnodes[step.slot], modules[step.slot]
            inputs = [values[source] for source in graph.fg.inputs(node)]
            value = inputs if step.table else inputs[0]
            if step.table and len(inputs) == 1:
                value = self._as_table(node, inputs[0])
            if step.select is not None:
                value = self._part(node, value, step.select)
            elif module is not None:
                value = self._module(node, module, value)
            values[node] = value
        return values[graph.outnode]

    def _as_table(self, node: Node, value: Nested) -> Nested:
        """Trace `nested.as_table`; whether the value of an operation is a table, its run shows."""
        if isinstance(value, ValueRef):
            return self._add(Operation("module", node, _AsTable(), value))
        return value

    def _module(self, node: Node, module: torch.nn.Module, value: Nested) -> Nested:
        """Trace a module: take tables apart here, and add an operation for everything else."""
        if isinstance(module, gModule) and runs_plainly(module):
            self.taken_apart.append(module)
            return self._graph(module, value)
        if type(module) is nn.Sequential and computes_as_its_class(module):
            self.taken_apart.append(module)
            for inner in module.members():
                value = self._module(node, inner, value)
            return value
        route = _route(module)
        if route is not None:
            self.taken_apart.append(module)
        if isinstance(route, Whole):
            return value
        if isinstance(route, Wrapped):
            return [value]
        if isinstance(route, Element) and not isinstance(value, ValueRef):
            return self._part(node, value, route.key)
        if isinstance(route, Slice) and isinstance(value, list):
            elements = value[route.offset : route.offset + route.length]
            if len(elements) != route.length:
                raise GraphError(f"recurrent: {node!r} takes elements of a state of {len(value)}")
            return elements
        return self._add(Operation("module", node, module, value))

    def _part(self, node: Node, value: Nested, key: int | str) -> Nested:
        if isinstance(value, _UnknownState):
            return value.part(key)
        if isinstance(value, (list, dict)):
            try:
                return value[key]  # type: ignore[index]
            except (IndexError, KeyError):
                raise GraphError(
                    f"recurrent: {node!r} takes element {key!r} of a state of {len(value)} elements"
                ) from None
        return self._add(Operation("part", node, input=value, part=key))


def _route(module: torch.nn.Module) -> Route | None:
    """Return how `module` passes values on; None if it computes, or has a hook or an override."""
    if not isinstance(module, nn.Module) or not computes_as_its_class(module):
        return None
    return module.route()
