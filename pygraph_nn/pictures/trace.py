"""Trace: what a gModule computes at every node, in one run traced for looking at it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch

from .. import nested
from ..errors import GraphError, type_name
from ..graph import GraphStructure, Observer, gModule, observing
from ..nn.core import cut_off, detached, or_zeros
from ..node import Node


class Trace:
    """Values and gradients of a run, by node (`nngraph.trace`).

    Attributes:
        inputs: for each node the values that came in, one for each of its inputs.
        outputs: for each node the value it gave.
        gradOutputs: for each node the gradients that came back, one for each use of its value, in
            the order in which the backward pass brings them; empty without a backward pass.
        inner: for each node of a nested gModule the Trace of its nodes.
    """

    def __init__(self, g: GraphStructure) -> None:
        self.g = g
        self.inputs: dict[Node, list[Any]] = {}
        self.outputs: dict[Node, Any] = {}
        self.gradOutputs: dict[Node, list[Any]] = {}
        self.inner: dict[Node, Trace] = {}
        self.tied: dict[Node, tuple[Any, Any]] = {}  # a node's input and output inside autograd

    def enter(self, input: Any) -> None:
        """Record `input` as the value of the innode."""
        several = self.g.nInputs > 1 and isinstance(input, (list, tuple))
        self.inputs[self.g.innode] = list(input) if several else [input]
        self.outputs[self.g.innode] = list(input) if several else input

    def release(self) -> None:
        """Let go of autograd's record, also in nested graphs."""
        self.tied.clear()
        for inner in self.inner.values():
            inner.release()

    def gradOutput(self, node: Node) -> Any:
        """The sum of the gradients that came back to `node`; None if there was none."""
        return total(self.gradOutputs.get(node, []))

    def __repr__(self) -> str:
        passes = "forward and backward" if self.gradOutputs else "forward"
        return f"<Trace of {self.g}, {passes}, {len(self.outputs)} nodes>"


def trace(g: gModule, input: Any = None, gradOutput: Any = None) -> Trace:
    """Run `g` on `input`, keeping the value at every node, and back with `gradOutput`, if given.

    Without `input` the run is traced on what `forward` last got, and back with what `backward` got
    after it, if anything. It is a run of its own: dropout draws new masks, but leaves the state of
    the generators as it was, and no parameter, gradient or buffer of `g` changes.

    Raises:
        GraphError: there is no input and no forward pass to take it from; what the run raises.
    """
    if input is None:
        recorded = g.recorded_pass
        if recorded is None:
            raise GraphError("trace: pass an input, or call forward(input) first")
        input = recorded.input
        gradOutput = recorded.grad_output if gradOutput is None else gradOutput
    traced = Trace(g)
    with _restored(g), torch.random.fork_rng(devices=_cuda_devices(g)), torch.enable_grad():
        traced.enter(input)
        with observing(_Recorder(traced)):
            g.updateOutput(input)
    if gradOutput is not None:
        _backward(traced, gradOutput)
    traced.release()
    return traced


class _Recorder(Observer):
    """Writes into a Trace what each node is given and gives, each node cut off from autograd."""

    def __init__(self, traced: Trace) -> None:
        self._running = [traced]  # the trace of the outermost graph, of a graph nested in it, ...

    def before(self, graph: GraphStructure, node: Node, input: Any) -> Any:
        traced = self._running[-1]
        if graph is not traced.g:
            return input  # part of a gModule that another module runs, which a trace does not show
        input = nested.map_leaves(detached, input)
        traced.inputs[node] = list(input) if len(node.inputs) > 1 else [input]
        if isinstance(node.module, GraphStructure):
            inner = traced.inner[node] = Trace(node.module)
            inner.enter(input)
            self._running.append(inner)
            return input
        if node.module is None:
            return input
        entered = nested.map_leaves(cut_off, input)
        traced.tied[node] = entered, None
        # In-place layers overwrite a copy: the value that went in is to be seen too.
        return nested.map_leaves(_copied, entered)

    def after(self, graph: GraphStructure, node: Node, input: Any, output: Any) -> None:
        if isinstance(node.module, GraphStructure) and self._running[-1].g is node.module:
            self._running.pop()
        traced = self._running[-1]
        if graph is not traced.g:
            return
        if node in traced.tied:
            traced.tied[node] = traced.tied[node][0], output
        traced.outputs[node] = nested.map_leaves(detached, output)


@contextlib.contextmanager
def _restored(g: GraphStructure) -> Iterator[None]:
    """Put back what running `g` overwrites: buffers, and the rows of a LookupTable with maxNorm."""
    before = [(tensor, tensor.detach().clone()) for tensor in (*g.buffers(), *_overwritten(g))]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in before:
                tensor.copy_(value)


def total(gradients: Sequence[Any]) -> Any:
    """The sum of nested `gradients`; a zero of one element, Torch7's "none", does not count."""
    if not gradients:
        return None
    counted = [x for x in gradients if not is_none(x)] if len(gradients) > 1 else gradients
    if not counted:
        return gradients[0]
    if len(counted) == 1:
        return counted[0]
    sum = nested.clone(counted[0])
    for x in counted[1:]:
        sum = nested.rebuild(sum, iter([a + b for a, b in nested.pairs(sum, x, "gradOutput")]))
    return sum


def is_none(gradient: Any) -> bool:
    """Whether `gradient` is a zero of one element, which stands for none of any shape."""
    return (
        isinstance(gradient, torch.Tensor)
        and not gradient.is_meta
        and gradient.numel() == 1
        and gradient.item() == 0
    )


def _overwritten(g: GraphStructure) -> Iterable[torch.Tensor]:
    """Parameters that a forward pass changes: a LookupTable with maxNorm scales its rows."""
    return [
        parameter
        for module in g.modules()
        if getattr(module, "maxNorm", None) is not None
        for parameter in module.parameters()
    ]


def _cuda_devices(g: GraphStructure) -> list[torch.device]:
    return list({p.device for p in g.parameters() if p.device.type == "cuda"})


def _backward(traced: Trace, gradOutput: Any) -> None:
    g = traced.g
    outputs = g.outnode.inputs
    if len(outputs) > 1 and (
        not isinstance(gradOutput, (list, tuple)) or len(gradOutput) != len(outputs)
    ):
        raise GraphError(
            f"{g}: got {type_name(gradOutput)} instead of {len(outputs)} gradOutputs, one for each "
            "output"
        )
    traced.gradOutputs = {node: [] for node in g.forwardnodes}
    traced.gradOutputs[g.outnode].append(gradOutput)
    of_splits: dict[Node, list[Any]] = {}
    for node in g.backwardnodes:
        if node.nSplitOutputs is not None:
            traced.gradOutputs[node].append(of_splits[node])
        gradient = traced.gradOutput(node)
        if not node.inputs:
            continue
        if node.selectindex is not None:
            split = node.inputs[0]
            parts = of_splits.setdefault(split, [None] * (split.nSplitOutputs or 0))
            parts[node.selectindex] = gradient
            continue
        to_inputs = _backward_node(traced, node, gradient)
        if len(node.inputs) == 1:
            traced.gradOutputs[node.inputs[0]].append(to_inputs)
        else:
            for i, source in enumerate(node.inputs):
                traced.gradOutputs[source].append(to_inputs[i])


def _backward_node(traced: Trace, node: Node, gradient: Any) -> Any:
    """The gradient of what came into `node`."""
    if node in traced.inner:
        _backward(traced.inner[node], gradient)
        return traced.inner[node].gradOutput(traced.inner[node].g.innode)
    if node not in traced.tied:
        return gradient
    entered, output = traced.tied[node]
    ends, grads = [], []
    for y, grad in nested.pairs(output, gradient, "gradOutput"):
        if isinstance(y, torch.Tensor) and y.requires_grad and (grad.numel() == y.numel()):
            ends.append(y)
            grads.append(grad.reshape(y.shape))
    starts = [x for x in nested.leaves(entered) if isinstance(x, torch.Tensor) and x.requires_grad]
    found = (
        torch.autograd.grad(ends, starts, grads, allow_unused=True)
        if ends and starts
        else [None] * len(starts)
    )
    by_start = {id(x): grad for x, grad in zip(starts, found, strict=True)}
    return nested.map_leaves(lambda x: or_zeros(by_start.get(id(x)), x), entered)


def _copied(x: Any) -> Any:
    return x.clone() if isinstance(x, torch.Tensor) else x
