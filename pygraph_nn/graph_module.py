"""gModule: a graph of modules as one module, run forward and, through autograd, backward."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from . import nested, nn
from .errors import GraphError, type_name
from .graph import Graph, against_inputs
from .node import Node, expecting_node


class Step(NamedTuple):
    """One node of the forward order, ready to run: where its input lies and where it goes."""

    slot: int  # place of its value, = index in forwardnodes
    sources: tuple[int, ...]  # places of its inputs' values, in order
    module: str | None  # name among the gModule's submodules
    select: int | None  # for a part of a split: which
    split: int | None  # for a split: how many elements the table must have


class gModule(nn.Container):
    """The module that a graph of Nodes makes (``nn.gModule``).

    `inputs` are nodes without inputs of their own, which get the input of the gModule: for one
    the value itself, for several a table of as many. `outputs` are nodes whose values it gives:
    one value, or a table of several. Modules stand in the forward order, which is also that of
    `parameters()`; a module is named after its node's annotation, else after its place.

    Values belong to the run: nothing is kept on nodes, so that one gModule can run in several
    threads.

    Attributes:
        fg, bg: the forward and backward `Graph`.
        forwardnodes, backwardnodes: their nodes in Torch7's order.
        innode, outnode: the nodes added before the inputs and after the outputs.
        nInputs: number of inputs.
        name: what `str` gives; None for ``nn.gModule``.
        verbose: print every node as it runs.

    Raises:
        GraphError: the nodes make no graph that could run: an input has inputs, an input or a
            part of a split is unused, a node leads to no output, there is another root or a cycle.
    """

    def __init__(self, inputs: Sequence[Node], outputs: Sequence[Node], name: str | None = None):
        super().__init__()
        self.name = name
        self.verbose = False
        _check_nodes(inputs, "inputs")
        _check_nodes(outputs, "outputs")
        self.nInputs = len(inputs)
        self.outnode = Node()
        for node in outputs:
            self.outnode.add(node, domap=False)
        self.innode, feeds = _feed(inputs)
        try:
            for node, feed in zip(inputs, feeds, strict=True):
                node.add(feed)
            self.bg: Graph = against_inputs(self.outnode)
            self.fg: Graph = self.bg.reverse()
            self.forwardnodes: list[Node] = self.fg.topsort()
            _check_complete(self.forwardnodes, self.innode, inputs)
        except GraphError:
            # So that the same nodes can be tried again with the mistake mended.
            for node in inputs:
                node.inputs.clear()
            raise
        self.backwardnodes: list[Node] = self.bg.topsort()
        self._adopt_modules()
        self._innode_slot = next(
            i for i, node in enumerate(self.forwardnodes) if node is self.innode
        )
        self._plan = self._make_plan()

    # Building

    def _adopt_modules(self) -> None:
        """Register the nodes' modules in forward order under readable, unique names."""
        names: dict[int, str] = {}
        for node in self.forwardnodes:
            if node.module is None or id(node.module) in names:
                continue
            wanted = _child_name(node) or str(len(self._modules))
            name, n = wanted, 1
            while name in self._modules or hasattr(self, name):
                n += 1
                name = f"{wanted}_{n}"
            names[id(node.module)] = name
            self.add_module(name, node.module)

    def _make_plan(self) -> list[Step]:
        slots = {id(node): i for i, node in enumerate(self.forwardnodes)}
        names = {id(module): name for name, module in self._modules.items()}
        return [
            Step(
                slot,
                tuple(slots[id(source)] for source in node.inputs),
                None if node.module is None else names[id(node.module)],
                node.selectindex,
                node.nSplitOutputs,
            )
            for slot, node in enumerate(self.forwardnodes)
            if node is not self.innode
        ]

    def module_of(self, node: Node) -> torch.nn.Module | None:
        """The module that runs at `node` of `forwardnodes`: `replace` and copies may change it."""
        slot = next(i for i, known in enumerate(self.forwardnodes) if known is node)
        name = next((step.module for step in self._plan if step.slot == slot), None)
        return None if name is None else self._modules[name]

    # Running

    def updateOutput(self, input: Any) -> Any:
        values: list[Any] = [None] * len(self.forwardnodes)
        values[self._innode_slot] = self._check_input(input)
        step = None
        value: Any = None
        try:
            for step in self._plan:
                sources = step.sources
                value = (
                    values[sources[0]]
                    if len(sources) == 1
                    else [values[source] for source in sources]
                )
                if step.module is not None:
                    value = self.run_node(step, value)
                elif step.select is not None:
                    value = value[step.select]
                elif step.split is not None:
                    self._check_split(step, value)
                values[step.slot] = value
                if self.verbose:
                    node = self.forwardnodes[step.slot]
                    print(f" V : {node.kind()} -> {nested.describe(value)}")
        except Exception as error:
            if step is None or torch.compiler.is_compiling():
                raise
            raise self._with_context(error, step, value) from error
        return value

    def run_node(self, step: Step, input: Any) -> Any:
        """What the node of `step` gives for `input`; the one place to observe or change a run."""
        module = self._modules[step.module]  # type: ignore[index]
        assert module is not None
        return module.run(input) if isinstance(module, nn.Module) else module(input)

    def _check_input(self, input: Any) -> Any:
        if self.nInputs == 1:
            if input is None:
                raise GraphError(f"{self}: Got 0 inputs instead of 1: the input is None")
            return input
        if not isinstance(input, (list, tuple)):
            raise GraphError(
                f"{self}: expecting table of {self.nInputs} inputs, got {type_name(input)}"
            )
        if len(input) != self.nInputs:
            raise GraphError(f"{self}: Got {len(input)} inputs instead of {self.nInputs}")
        return list(input)

    def _check_split(self, step: Step, value: Any) -> None:
        if not isinstance(value, (list, tuple)) or len(value) != step.split:
            got = f"{len(value)} outputs" if isinstance(value, (list, tuple)) else type_name(value)
            raise GraphError(f"split({step.split}) cannot split {got}")

    def _with_context(self, error: Exception, step: Step, input: Any) -> Exception:
        """`error` as a GraphError that says at which node, once, at the innermost graph."""
        # What is not about the graph keeps its type: running out of memory, a broken device.
        passed_on = isinstance(error, (torch.OutOfMemoryError, OSError, MemoryError))
        if passed_on or not isinstance(
            error, (ValueError, RuntimeError, IndexError, TypeError, KeyError, AttributeError)
        ):
            return error
        if getattr(error, "_has_node", False):
            return error
        node = self.forwardnodes[step.slot]
        made = GraphError(
            f"{error}\n  at {node!r}\n  in {self}, which got {nested.describe(input)} there"
        )
        made._has_node = True  # type: ignore[attr-defined]
        return made

    # Torch7's other methods

    def map(self, other: gModule, function: Callable[[Any, Any], Any]) -> None:
        """``function(mine, theirs)`` for the modules of both graphs, in forward order."""
        mine = [self.module_of(node) for node in self.forwardnodes]
        theirs = [other.module_of(node) for node in other.forwardnodes]
        if len(mine) > len(theirs) or any(
            (a is None) != (b is None) for a, b in zip(mine, theirs, strict=False)
        ):
            raise GraphError("map: trying to map another gModule with a different structure")
        for a, b in zip(mine, theirs, strict=False):
            if a is not None:
                function(a, b)

    def __getstate__(self) -> dict[str, Any]:
        # The nodes come first and in topological order, so that pickling a long chain does not
        # follow it recursively.
        return {"forwardnodes": self.forwardnodes, **super().__getstate__()}

    def __str__(self) -> str:
        return self.name or "nn.gModule"

    def __repr__(self) -> str:
        lines = [f"{self} {{"]
        for node in self.forwardnodes:
            if node.module is not None:
                module = str(self.module_of(node)).replace("\n", "\n  ")
                lines.append(f"  ({node.name or self.fg.id(node)}): {module}")
        return "\n".join([*lines, "}"])


def _check_nodes(nodes: Any, array: str) -> None:
    if not isinstance(nodes, (list, tuple)):
        hint = f"put it into a list: [{array[:-1]}]" if isinstance(nodes, Node) else "pass a list"
        raise GraphError(
            f"gModule: {array} should be a list of Nodes, not {type_name(nodes)}; {hint}"
        )
    if not nodes:
        raise GraphError(f"gModule: no {array} are not supported")
    for i, node in enumerate(nodes):
        if not isinstance(node, Node):
            raise expecting_node(node, array, i)
        if any(node is earlier for earlier in nodes[:i]):
            raise GraphError(
                f"gModule: Don't pass the same input twice: {array}[{i}] is {node!r} again. "
                "Pass it once more through nn.Identity()(node)"
            )


def _feed(inputs: Sequence[Node]) -> tuple[Node, list[Node]]:
    """The innode and the nodes that hand its value, or the parts of it, to the inputs."""
    for i, node in enumerate(inputs):
        if node.inputs:
            taken = node.inputs[0].module is None and node.inputs[0].declared_at
            raise GraphError(
                f"gModule: an input should have no inputs: inputs[{i}] is {node!r}, which takes "
                f"{node.inputs[0]!r}"
                + (". Are the nodes part of another gModule already?" if taken else "")
            )
    innode = Node()
    if len(inputs) == 1:
        return innode, [innode]
    return innode, innode.split(len(inputs))


def _check_complete(nodes: list[Node], innode: Node, inputs: Sequence[Node]) -> None:
    """Every root is the innode or a parameter node, and nothing declared is left over."""
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
                f"declared at {node.declared_at} are unused: "
                + ", ".join(str(part.selectindex) for part in unused)
            )
        if unused:
            raise GraphError(
                f"gModule: {unused[0]!r} takes {node!r} but does not connect to gmodule output"
            )


def _child_name(node: Node) -> str:
    """A submodule name from the groups and the name of `node`; empty if it has no name."""
    if not node.name:
        return ""
    return re.sub(r"\W+", "_", "_".join([*node.group, node.name])).strip("_")
