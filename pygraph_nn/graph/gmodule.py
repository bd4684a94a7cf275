"""gModule: a graph of modules that runs as one module, forward and, by autograd, backward."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch

from .. import nested
from ..errors import GraphError, checked_name, has_place, type_name, with_place
from ..nested import Nested
from ..nn.core import add_class, as_layer, calls_are_watched, explained, keep_values, run_module
from ..node import Node
from . import fx, shape_inference
from .node_shapes import NodeShapes
from .observer import Observer, observed_alone, observers
from .structure import GraphStructure, Step

if TYPE_CHECKING:
    import graphviz
    import networkx


@add_class
class gModule(GraphStructure):
    """Runs a graph of Nodes as one module (``nn.gModule``).

    With one input node, the gModule takes a value; with several, a table of as many values. It
    returns a value for one output node and a table for several. The order of the modules inside,
    and so of `parameters()`, is Torch7's forward order. A module is named after its node's
    annotation, or else after its place.

    A run keeps its values to itself and stores nothing on nodes, so that one gModule can run in
    several threads.

    Args:
        inputs: nodes without inputs of their own.
        outputs: the nodes whose values to return.
        name: the text that `str` returns; default ``nn.gModule``.
        input_shapes: shapes to check the graph with, as `infer_shapes` takes them.

    Attributes:
        fg, bg: the forward and backward `Graph`.
        forwardnodes, backwardnodes: their nodes in Torch7's order.
        innode, outnode: the nodes added before the inputs and after the outputs.
        input_nodes: the nodes passed as `inputs`.
        nInputs: the number of inputs.
        steps: one `Step` for each node of `forwardnodes` but `innode`, in order.
        node_modules: the module that runs at each of `forwardnodes`.
        verbose: if True, print every node as it runs.
        shapes: the result of the last `infer_shapes`; empty before.
        declared_at: the ``file:line`` that built it.

    Raises:
        GraphError: the nodes do not form a graph that can run: an input has inputs, an input or a
            part of a split is unused, a node leads to no output, there is another root or a cycle.
    """

    def __init__(
        self,
        inputs: Sequence[Node] | None = None,
        outputs: Sequence[Node] | None = None,
        name: str | None = None,
        *,
        input_shapes: Nested = None,
    ) -> None:
        super().__init__(inputs, outputs)
        # Checked before torch would make a child of a module.
        self.name = name if name is None else checked_name(name, "gModule")
        if input_shapes is not None:
            self.infer_shapes(input_shapes)
        self._claim_nodes()

    def infer_shapes(self, input_shapes: Nested) -> dict[Node, NodeShapes]:
        """Return the shapes at each node, computed without data, and keep them as `shapes`.

        The result has an entry for every node but `innode`, and for the nodes of nested gModules
        (unless a nested node gets different shapes at different places).
        `input_shapes` is nested like the input, with a shape, a pair (shape, dtype) or a meta
        tensor in place of each tensor. By default tensors have the dtype of the parameters::

            g.infer_shapes([((20,), torch.int64), (20, 200)])

        Raises:
            GraphError: shapes do not fit; the message names the first node where they do not.
        """
        self.shapes = shape_inference.infer(self, input_shapes)
        return self.shapes

    def to_networkx(self) -> networkx.DiGraph:
        """Return the forward graph for networkx, with the inferred `shapes`; see `Graph`."""
        return self.fg.to_networkx(self.shapes)

    def to_fx(self) -> torch.fx.GraphModule:
        """Return the same computation, on the same parameters, as a graph of torch.fx.

        The result takes the gModule's input as one argument. A node becomes a call of its module
        under the node's name, and a part of a split becomes a getitem.
        """
        return fx.to_fx(self)

    # Running

    def updateOutput(self, input: Nested) -> Nested:
        values: list[Nested] = [None] * (len(self.steps) + 1)
        values[self._innode_slot] = self._check_input(input)
        watching = () if torch.compiler.is_compiling() else self._observers()
        # Call updateOutput itself where nothing can intervene, so that small layers cost no more
        # than when they are called by hand.
        direct = not watching and not self.overrides_run_node and not calls_are_watched()
        modules: dict[str, Any] = self._modules
        step = None
        value: Nested = None
        try:
            for step in self.steps:
                slot, sources, name, _, _, table = step
                if not table:
                    value = values[sources[0]]
                else:
                    value = [values[source] for source in sources]
                    if len(value) == 1:
                        value = nested.as_table(value[0])
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
        keep_values(self, values)
        return value

    def member_outputs(
        self, values: Sequence[Nested]
    ) -> Iterator[tuple[torch.nn.Module | None, Nested]]:
        """Yield the modules of the nodes and their outputs, the last first; see `Module`."""
        for step in reversed(self.steps):
            if step.module is not None:
                yield self._modules[step.module], values[step.slot]

    def run_node(self, step: Step, input: Nested) -> Nested:
        """Run the module of `step` on `input`; override this to change how nodes run."""
        module: torch.nn.Module = self._modules[step.module]  # type: ignore[index, assignment]
        return run_module(module, input, apart=True)

    @property
    def overrides_run_node(self) -> bool:
        """True if this class, or this object, has a `run_node` of its own."""
        return type(self).run_node is not gModule.run_node or "run_node" in self.__dict__

    def _pass_on(self, step: Step, value: Nested) -> Nested:
        """Return the value of a node without a module: its input, or one element of a split."""
        if step.select is not None:
            return value[step.select]
        if step.split is not None:
            self._check_split(step, value)
        return value

    def _observers(self) -> tuple[Observer, ...]:
        prints = self.verbose and not observed_alone()
        return (*observers(), _printer) if prints else observers()

    def _run_watched(self, step: Step, input: Nested, watching: tuple[Observer, ...]) -> Nested:
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

    def _check_input(self, input: Nested) -> Nested:
        if self.nInputs == 1:
            if input is None:
                raise GraphError(f"{self.place()}: Got 0 inputs instead of 1: the input is None")
            return input
        if not isinstance(input, (list, tuple)):
            reason = nested.not_tensors(input, "the input")
            raise GraphError(
                f"{self.place()}: expecting table of {self.nInputs} inputs, got {type_name(input)}"
                + (f"; {reason}" if reason else "")
            )
        if len(input) != self.nInputs:
            raise GraphError(f"{self.place()}: Got {len(input)} inputs instead of {self.nInputs}")
        return list(input)

    def _check_split(self, step: Step, value: Nested) -> None:
        if not isinstance(value, (list, tuple)) or len(value) != step.split:
            got = f"{len(value)} outputs" if isinstance(value, (list, tuple)) else type_name(value)
            raise GraphError(f"split({step.split}) cannot split {got}")

    def _with_context(self, error: Exception, step: Step, input: Nested) -> Exception:
        """Return `error` with the node at which it was raised; see `with_place`."""
        node = self.forwardnodes[step.slot]
        if step.module is not None:
            error = explained(error, self._modules[step.module], input=input)  # type: ignore[arg-type]
        place = f"  at {node!r}\n  in {self}, which got {nested.describe(input)} there"
        return with_place(error, place, node)

    # Showing: these methods alone import `pictures`, when they are called

    def dot(
        self,
        title: str | None = None,
        fname: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> graphviz.Source:
        """Return the picture of the graph; `pygraph_nn.dot` documents the arguments."""
        from ..pictures import dot

        return dot(self, title, fname, **options)

    def html(self, fname: str | os.PathLike[str] | None = None, **options: Any) -> str:
        """Return the HTML page of the graph; `pygraph_nn.html_page` documents the arguments.

        A notebook shows the result as the page.
        """
        from ..pictures import html_page

        return html_page(self, fname, **options)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        from ..pictures import notebook_bundle

        return notebook_bundle(self)

    # Torch7's other methods

    def map(
        self, other: gModule, function: Callable[[torch.nn.Module, torch.nn.Module], object]
    ) -> None:
        """Call ``function(mine, theirs)`` for the modules of both graphs, in forward order.

        Raises:
            GraphError: `other` has fewer nodes, or lacks a module where this graph has one.
        """
        if not isinstance(other, gModule):
            raise GraphError(f"map: expecting a gModule, got {type_name(other)}")
        mine, theirs = self.node_modules, other.node_modules
        differs = len(mine) > len(theirs) or any(
            (a is None) != (b is None) for a, b in zip(mine, theirs, strict=False)
        )
        if differs:
            raise GraphError(
                "map: trying to map another gModule with a different structure: "
                f"{self.place()}, has {len(mine)} nodes, {other.place()}, {len(theirs)}"
            )
        for a, b in zip(mine, theirs, strict=False):
            if a is not None and b is not None:
                function(a, b)

    def replace(self, callback: Callable[[torch.nn.Module], torch.nn.Module]) -> Any:
        """Replace every module inside by ``callback(module)``, outer ones first.

        Nodes show the new modules, which gModules built over them later run, too. Other gModules
        over the same nodes keep the modules that they have. Returns ``callback(self)``.
        """
        replacement = super().replace(callback)
        for name, module in self._modules.items():
            self._modules[name] = as_layer(module)  # type: ignore[arg-type]
        for node, replaced in zip(self.forwardnodes, self.node_modules, strict=True):
            if replaced is not None:
                node.show(replaced)
        self.steps = self._make_steps()
        return replacement


class _Printer(Observer):
    """Prints every node with its value, for `verbose`."""

    def after(self, graph: GraphStructure, node: Node, input: Nested, output: Nested) -> None:
        print(f" V : {node.kind()} -> {nested.describe(output)}")


_printer = _Printer()
