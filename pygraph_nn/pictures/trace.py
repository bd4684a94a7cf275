"""Trace: the values and gradients at every node of a gModule, from one run of its own."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from .. import nested, torch7_random
from ..errors import GraphError, type_name
from ..graph import GraphStructure, Observer, gModule, observing
from ..nested import Nested
from ..nn.core import cut_off, detached, differentiable, input_gradients
from ..node import Node


class Trace:
    """Values and gradients of a run, by node (`nngraph.trace`).

    Attributes:
        inputs: for each node its input values, one for each of its input nodes.
        outputs: the value of each node.
        gradOutputs: for each node the gradients of its value, one for each use of the value, in
            the order of the backward pass; empty without a backward pass.
        inner: for each node of a nested gModule the Trace of its nodes.
    """

    def __init__(self, g: GraphStructure) -> None:
        self.g = g
        self.inputs: dict[Node, list[Nested]] = {}
        self.outputs: dict[Node, Nested] = {}
        self.gradOutputs: dict[Node, list[Nested]] = {}
        self.inner: dict[Node, Trace] = {}

    def gradOutput(self, node: Node) -> Nested:
        """Return the sum of the gradients of the value of `node`, or None if it has none."""
        return total(self.gradOutputs.get(node, []))

    def __repr__(self) -> str:
        passes = "forward and backward" if self.gradOutputs else "forward"
        return f"<Trace of {self.g}, {passes}, {len(self.outputs)} nodes>"


def trace(g: gModule, input: Nested = None, gradOutput: Nested = None) -> Trace:
    """Run `g` on `input`, and backward with `gradOutput` if given, and return all values.

    Without `input`, the run takes the input of the last `forward`, and the gradOutput of the
    `backward` after it, if there was one. It is a run of its own: dropout draws new masks, but the
    generators keep their states, no parameter, gradient or buffer of `g` changes, and no other
    observer sees it. A nested gModule is traced as one module, without `inner`, if it has hooks or
    another `updateOutput`, or if `g` has a `run_node` of its own: these may change its values.

    Raises:
        GraphError: `g` is no gModule; there is neither `input` nor a last `forward`; or the run
            fails.
    """
    if not isinstance(g, GraphStructure):
        raise GraphError(f"trace: expecting a gModule, got {type_name(g)}")
    if input is None:
        recorded = g.recorded_pass
        if recorded is None:
            raise GraphError("trace: pass an input, or call forward(input) first")
        input = recorded.input
        gradOutput = recorded.grad_output if gradOutput is None else gradOutput
    run = _Run(g)
    # The backward pass comes before buffers are put back: autograd may need those of the run.
    with (
        _generators_restored(g, input),
        _tensors_kept(g),
        observing(_Recorder(run), alone=True),
        torch.enable_grad(),
    ):
        g.updateOutput(input)
        if gradOutput is not None:
            run.backward(nested.map_leaves(detached, gradOutput))
    return run.trace


def total(gradients: Sequence[Nested]) -> Nested:
    """Return the sum of nested `gradients`, or None if there are none.

    A zero of one element, Torch7's "no gradient", does not count.
    """
    if not gradients:
        return None
    counted = [x for x in gradients if not is_none(x)] if len(gradients) > 1 else gradients
    if not counted:
        return gradients[0]
    if len(counted) == 1:
        return counted[0]
    result = nested.clone(counted[0])
    for x in counted[1:]:
        leaves = [a + b for a, b in nested.pairs(result, x, "gradOutput")]
        result = nested.rebuild(result, iter(leaves))
    return result


def is_none(gradient: Nested) -> bool:
    """Return whether `gradient` is a zero of one element, which means no gradient of any shape."""
    return (
        isinstance(gradient, torch.Tensor)
        and not gradient.is_meta
        and gradient.numel() == 1
        and gradient.item() == 0
    )


class _Run:
    """A run of one graph: its Trace, and the calls that autograd goes back through.

    Attributes:
        trace: the values and gradients, all outside autograd.
        modules: the module that runs at each node that has one.
        calls: for each module that ran, its input and its output, which autograd connects. The
            input is cut off from the nodes before.
        inner: the runs of nested graphs, by node.
    """

    def __init__(self, g: GraphStructure) -> None:
        self.g = g
        self.trace = Trace(g)
        self.modules = dict(zip(g.forwardnodes, g.node_modules, strict=True))
        self.calls: dict[Node, tuple[Nested, Nested]] = {}
        self.inner: dict[Node, _Run] = {}

    def enter(self, node: Node) -> _Run:
        """Return the new run of the nested graph at `node`."""
        module = self.modules[node]
        assert isinstance(module, GraphStructure)
        inner = self.inner[node] = _Run(module)
        self.trace.inner[node] = inner.trace
        return inner

    def backward(self, gradOutput: Nested) -> None:
        """Fill in the gradients, node by node in the order of Torch7's backward pass.

        Raises:
            GraphError: `gradOutput` does not fit the outputs.
        """
        trace, outnode = self.trace, self.g.outnode
        differentiable(self.g.place, trace.outputs[outnode], gradOutput)
        trace.gradOutputs = {node: [] for node in self.g.forwardnodes}
        trace.gradOutputs[outnode].append(gradOutput)
        # For each split the gradients of its parts, which the backward pass reaches first. A part
        # that only another gModule uses keeps its zeros.
        of_parts: dict[Node, list[Nested]] = {
            node: nested.map_leaves(_zero, trace.outputs[node])
            for node in self.g.forwardnodes
            if node.nSplitOutputs is not None and not self.g.fg.is_given(node)
        }
        for node in self.g.backwardnodes:
            if node in of_parts:
                trace.gradOutputs[node].append(of_parts[node])
            gradient = trace.gradOutput(node)
            sources = self.g.fg.inputs(node)
            if node.selectindex is not None and not self.g.fg.is_given(node):
                of_parts[sources[0]][node.selectindex] = gradient
            elif len(sources) == 1:
                trace.gradOutputs[sources[0]].append(self._gradInput(node, gradient))
            elif sources:
                gradients = self._gradInput(node, gradient)
                for source, part in zip(sources, gradients, strict=True):
                    trace.gradOutputs[source].append(part)

    def _gradInput(self, node: Node, gradient: Nested) -> Nested:
        """Return the gradient of the input of `node` for the `gradient` of its value."""
        if node in self.inner:
            inner = self.inner[node]
            inner.backward(gradient)
            return inner.trace.gradOutput(inner.g.innode)
        if node not in self.calls:
            return gradient  # the node only passes its value on
        input, output = self.calls[node]
        outputs, grads = differentiable(lambda: f"{self.g.place()}, at {node!r}", output, gradient)
        return input_gradients(outputs, input, grads)


class _Recorder(Observer):
    """Records each node of a run, its input cut off from the nodes before."""

    def __init__(self, run: _Run) -> None:
        self._running = [run]  # the run of the outermost graph, of the graph nested in it, ...

    def before(self, graph: GraphStructure, node: Node, input: Nested) -> Nested:
        """Record `input`, and return it cut off from the nodes before."""
        run = self._running[-1]
        if graph is not run.g:
            return input  # another module runs this gModule: a Trace does not show what is inside
        input = nested.map_leaves(detached, input)
        sources = graph.fg.inputs(node)
        values = [input] if len(sources) == 1 else list(input)
        if sources and sources[0] is graph.innode:
            run.trace.inputs[graph.innode] = list(input) if graph.nInputs > 1 else [input]
            run.trace.outputs[graph.innode] = input
        run.trace.inputs[node] = values
        module = run.modules[node]
        if module is None:
            return input
        if _is_traced_inside(graph, module):
            self._running.append(run.enter(node))
            return input
        cut = nested.map_leaves(cut_off, input)
        run.calls[node] = cut, None
        # In-place layers overwrite a copy, so that the Trace keeps the input as it was.
        return nested.map_leaves(_copied, cut)

    def after(self, graph: GraphStructure, node: Node, input: Nested, output: Nested) -> None:
        """Record `output`, which ends the run of a nested graph."""
        if len(self._running) > 1 and self._running[-2].inner.get(node) is self._running[-1]:
            self._running.pop()
        run = self._running[-1]
        if graph is not run.g:
            return
        if node in run.calls:
            run.calls[node] = run.calls[node][0], output
        run.trace.outputs[node] = nested.map_leaves(detached, output)


def _is_traced_inside(graph: GraphStructure, module: torch.nn.Module) -> bool:
    """Return whether `module`, at a node of `graph`, is a graph whose nodes make up its value."""
    return (
        isinstance(module, gModule)
        and module.runs_directly
        and type(module).updateOutput is gModule.updateOutput
        and "updateOutput" not in module.__dict__
        and not (isinstance(graph, gModule) and graph.overrides_run_node)
    )


@contextlib.contextmanager
def _tensors_kept(g: GraphStructure) -> Iterator[None]:
    """Let runs of `g` inside the block overwrite copies of its tensors.

    Runs overwrite buffers, and the weights of a LookupTable with maxNorm, which scales its rows.
    The tensors themselves stay untouched: autograd would refuse to go back through a recorded pass
    that used them.
    """
    copies: dict[int, torch.Tensor] = {}
    kept: list[tuple[dict[str, Any], str, torch.Tensor]] = []
    for module in g.modules():
        tables: list[dict[str, Any]] = [module._buffers]
        if any(getattr(module, name, None) is not None for name in ("maxNorm", "max_norm")):
            tables.append(module._parameters)
        for tensors in tables:
            kept += [(tensors, name, x) for name, x in tensors.items() if x is not None]
    for tensors, name, tensor in kept:
        if id(tensor) not in copies:
            copies[id(tensor)] = copy.deepcopy(tensor.detach()).requires_grad_(tensor.requires_grad)
        tensors[name] = copies[id(tensor)]
    try:
        yield
    finally:
        for tensors, name, tensor in kept:
            tensors[name] = tensor


@contextlib.contextmanager
def _generators_restored(g: GraphStructure, input: Nested) -> Iterator[None]:
    """Restore, after the block, the states of PyTorch's generators and of Torch7's."""
    tensors = [x for x in nested.leaves(input) if isinstance(x, torch.Tensor)]
    devices = {x.device for x in (*tensors, *g.parameters()) if x.device.type == "cuda"}
    torch7_state = torch7_random.getRNGState()
    try:
        with torch.random.fork_rng(devices=list(devices)):
            yield
    finally:
        torch7_random.setRNGState(torch7_state)


def _zero(x: Nested) -> Nested:
    return torch.zeros_like(x) if isinstance(x, torch.Tensor) else 0


def _copied(x: Nested) -> Nested:
    return x.clone() if isinstance(x, torch.Tensor) else x
