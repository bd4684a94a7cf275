"""gModule: a graph of modules as one module, run forward and, through autograd, backward."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import networkx
import torch

from .. import nested, nn
from ..errors import GraphError, caller_location, has_place, type_name, with_place
from ..nn.core import calls_are_watched, run_module
from ..node import Node
from . import fx as fx_graph
from . import shape_inference as shapes
from .checks import check_complete, check_nodes, feed
from .observer import Observer, observers
from .order import Graph, against_inputs
from .shape_inference import NodeShapes


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

    Args:
        name: what `str` gives; ``nn.gModule`` if not given.
        input_shapes: check that shapes fit, as `infer_shapes` does.

    Attributes:
        fg, bg: the forward and backward `Graph`.
        forwardnodes, backwardnodes: their nodes in Torch7's order.
        innode, outnode: the nodes added before the inputs and after the outputs.
        nInputs: number of inputs.
        verbose: print every node as it runs.
        shapes: what `infer_shapes` found last; empty before.
        declared_at: ``file:line`` that built it.

    Raises:
        GraphError: the nodes make no graph that could run: an input has inputs, an input or a
            part of a split is unused, a node leads to no output, there is another root or a cycle.
    """

    # The modules that draw fill these in (dot, html_page): they stand above this one.
    dot: Callable[..., Any]
    html: Callable[..., Any]
    _repr_mimebundle_: Callable[..., Any]

    def __init__(
        self,
        inputs: Sequence[Node] | None = None,
        outputs: Sequence[Node] | None = None,
        name: str | None = None,
        *,
        input_shapes: Any = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.verbose = False
        self.declared_at = caller_location()
        check_nodes(inputs, "inputs")
        check_nodes(outputs, "outputs")
        assert inputs is not None
        assert outputs is not None
        self.nInputs = len(inputs)
        self.outnode = Node()
        self.outnode.take(outputs, domap=False)
        self.innode, feeds = feed(inputs)
        try:
            for node, source in zip(inputs, feeds, strict=True):
                node.add(source)
            self.bg: Graph = against_inputs(self.outnode)
            self.fg: Graph = self.bg.reverse()
            self.forwardnodes: list[Node] = self.fg.topsort()
            check_complete(self.forwardnodes, self.innode, inputs)
        except GraphError:
            # So that the same nodes can be tried again with the mistake mended.
            for node in inputs:
                node.inputs.clear()
            raise
        self.backwardnodes: list[Node] = self.bg.topsort()
        self._module_names = self._adopt_modules()
        self._plan = self._make_plan()
        self.shapes: dict[Node, NodeShapes] = {}
        if input_shapes is not None:
            self.infer_shapes(input_shapes)

    # Building

    def _adopt_modules(self) -> list[str | None]:
        """Register the nodes' modules in forward order under readable, unique names.

        Returns the names, node by node.
        """
        names: dict[int, str] = {}
        taken: Counter[str] = Counter()
        for node in self.forwardnodes:
            if node.module is None or id(node.module) in names:
                continue
            wanted = _child_name(node) or str(len(self._modules))
            taken[wanted] += 1
            name = wanted if taken[wanted] == 1 else f"{wanted}_{taken[wanted]}"
            while name in self._modules or hasattr(self, name):
                taken[wanted] += 1
                name = f"{wanted}_{taken[wanted]}"
            names[id(node.module)] = name
            self.add_module(name, node.module)
        return [names.get(id(node.module)) for node in self.forwardnodes]

    def _make_plan(self) -> list[Step]:
        slots = {id(node): i for i, node in enumerate(self.forwardnodes)}
        self._innode_slot = slots[id(self.innode)]
        return [
            Step(
                slot,
                tuple(slots[id(source)] for source in node.inputs),
                self._module_names[slot],
                node.selectindex,
                node.nSplitOutputs,
            )
            for slot, node in enumerate(self.forwardnodes)
            if node is not self.innode
        ]

    def _modules_by_slot(self) -> list[torch.nn.Module | None]:
        """The modules that run at `forwardnodes`: copies for several devices have their own."""
        return [None if name is None else self._modules[name] for name in self._module_names]

    def infer_shapes(self, input_shapes: Any) -> dict[Node, NodeShapes]:
        """The shapes that arrive at each node and that it gives, without data.

        The result, also kept as `shapes`, has an entry for every node but `innode`, and for those
        of nested gModules. `input_shapes` is nested like the input; in place of a tensor stands a
        shape, a pair (shape, dtype) or a meta tensor. Without a dtype it is the parameters'::

            g.infer_shapes([((20,), torch.int64), (20, 200)])

        Raises:
            GraphError: shapes do not fit; it names the first node where.
        """
        self.shapes = shapes.infer(self, input_shapes)
        return self.shapes

    def to_networkx(self) -> networkx.DiGraph:
        """The forward graph for networkx, with `shapes` if they are known; see `Graph`."""
        return self.fg.to_networkx(self.shapes)

    def to_fx(self) -> torch.fx.GraphModule:
        """The same computation, on the same parameters, as a graph of torch.fx.

        It takes the input of the gModule, as one argument. A node becomes a call of its module
        under the node's name, a part of a split a getitem.
        """
        return fx_graph.to_fx(self)

    # Running

    def updateOutput(self, input: Any) -> Any:
        values: list[Any] = [None] * (len(self._plan) + 1)
        values[self._innode_slot] = self._check_input(input)
        watching = () if torch.compiler.is_compiling() else self._observers()
        # Nothing stands between a module and its updateOutput, so that small layers cost no more
        # than when they are called by hand.
        direct = not watching and self._runs_nodes_plainly() and not calls_are_watched()
        modules: dict[str, Any] = self._modules
        step = None
        value: Any = None
        try:
            for step in self._plan:
                slot, sources, name, _, _ = step
                if len(sources) == 1:
                    value = values[sources[0]]
                else:
                    value = [values[source] for source in sources]
                if watching:
                    value = self._run_watched(step, value, watching)
                elif name is None:
                    value = self._pass_on(step, value)
                elif direct and getattr(module := modules[name], "runs_directly", False):
                    value = module.updateOutput(value)
                else:
                    value = self.run_node(step, value)
                values[slot] = value
        except Exception as error:
            if step is None or torch.compiler.is_compiling():
                raise
            explained = self._with_context(error, step, value)
            if explained is error:
                raise
            raise explained from error
        return value

    def run_node(self, step: Step, input: Any) -> Any:
        """What the module of `step` gives for `input`; the one place to change how nodes run."""
        return run_module(self._modules[step.module], input)  # type: ignore[index, arg-type]

    def _runs_nodes_plainly(self) -> bool:
        """Whether `run_node` is the one below, in this class and this object."""
        return type(self).run_node is gModule.run_node and "run_node" not in self.__dict__

    def _pass_on(self, step: Step, value: Any) -> Any:
        """What a node of no module gives: all of its input or, as part of a split, one element."""
        if step.select is not None:
            return value[step.select]
        if step.split is not None:
            self._check_split(step, value)
        return value

    def _observers(self) -> tuple[Observer, ...]:
        return (*observers(), _printer) if self.verbose else observers()

    def _run_watched(self, step: Step, input: Any, watching: tuple[Observer, ...]) -> Any:
        node = self.forwardnodes[step.slot]
        try:
            for observer in watching:
                input = observer.before(self, node, input)
            if step.module is not None:
                output = self.run_node(step, input)
            else:
                output = self._pass_on(step, input)
            for observer in watching:
                observer.after(self, node, input, output)
        except Exception as error:
            if not has_place(error):
                for observer in watching:
                    observer.failed(self, node, input, error)
            raise
        return output

    def _check_input(self, input: Any) -> Any:
        if self.nInputs == 1:
            if input is None:
                raise GraphError(f"{self.place()}: Got 0 inputs instead of 1: the input is None")
            return input
        if not isinstance(input, (list, tuple)):
            raise GraphError(
                f"{self.place()}: expecting table of {self.nInputs} inputs, got {type_name(input)}"
            )
        if len(input) != self.nInputs:
            raise GraphError(f"{self.place()}: Got {len(input)} inputs instead of {self.nInputs}")
        return list(input)

    def place(self) -> str:
        return f"{self}, built at {self.declared_at}"

    def _check_split(self, step: Step, value: Any) -> None:
        if not isinstance(value, (list, tuple)) or len(value) != step.split:
            got = f"{len(value)} outputs" if isinstance(value, (list, tuple)) else type_name(value)
            raise GraphError(f"split({step.split}) cannot split {got}")

    def _with_context(self, error: Exception, step: Step, input: Any) -> Exception:
        """Return `error` with the node at which it was raised; see `with_place`."""
        node = self.forwardnodes[step.slot]
        place = f"  at {node!r}\n  in {self}, which got {nested.describe(input)} there"
        return with_place(error, place, node)

    # Torch7's other methods

    def map(self, other: gModule, function: Callable[[Any, Any], Any]) -> None:
        """``function(mine, theirs)`` for the modules of both graphs, in forward order.

        Raises:
            GraphError: `other` has fewer nodes, or no module where this graph has one.
        """
        if not isinstance(other, gModule):
            raise GraphError(f"map: expecting a gModule, got {type_name(other)}")
        mine, theirs = self._modules_by_slot(), other._modules_by_slot()
        differs = len(mine) > len(theirs) or any(
            (a is None) != (b is None) for a, b in zip(mine, theirs, strict=False)
        )
        if differs:
            raise GraphError(
                "map: trying to map another gModule with a different structure: "
                f"{self.place()}, has {len(mine)} nodes, {other.place()}, {len(theirs)}"
            )
        for a, b in zip(mine, theirs, strict=False):
            if a is not None:
                function(a, b)

    def replace(self, callback: Callable[[torch.nn.Module], torch.nn.Module]) -> Any:
        """Put ``callback(module)`` in the place of every module inside, outer ones first.

        Returns what `callback` makes of the gModule itself. Nodes show the new modules.
        """
        made = super().replace(callback)
        for name, module in self._modules.items():
            self._modules[name] = Node.as_layer(module)  # type: ignore[arg-type]
        for node, replaced in zip(self.forwardnodes, self._modules_by_slot(), strict=True):
            node.module = replaced
        return made

    def __getstate__(self) -> dict[str, Any]:
        # The nodes come first and in topological order, so that pickling a long chain does not
        # follow it recursively.
        return {"forwardnodes": self.forwardnodes, **super().__getstate__()}

    def __str__(self) -> str:
        return self.name or "nn.gModule"

    def __repr__(self) -> str:
        lines = [f"{self} {{"]
        for node, module in zip(self.forwardnodes, self._modules_by_slot(), strict=True):
            if module is not None:
                indented = str(module).replace("\n", "\n  ")
                lines.append(f"  ({node.name or self.fg.id(node)}): {indented}")
        return "\n".join([*lines, "}"])


class _Printer(Observer):
    """Prints every node with what it gives, for `verbose`."""

    def after(self, graph: gModule, node: Node, input: Any, output: Any) -> None:
        print(f" V : {node.kind()} -> {nested.describe(output)}")


_printer = _Printer()


def _child_name(node: Node) -> str:
    """A submodule name from the groups and the name of `node`; empty if it has no name."""
    if not node.name:
        return ""
    return re.sub(r"\W+", "_", "_".join([*node.group, node.name])).strip("_")
