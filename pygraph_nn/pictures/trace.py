"""Trace: what a gModule computes at every node, in one run made for looking at it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from .. import nested
from ..errors import GraphError, type_name
from ..graph import gModule
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

    def __init__(self, g: gModule) -> None:
        self.g = g
        self.inputs: dict[Node, list[Any]] = {}
        self.outputs: dict[Node, Any] = {}
        self.gradOutputs: dict[Node, list[Any]] = {}
        self.inner: dict[Node, Trace] = {}
        self._tied: dict[Node, tuple[Any, Any]] = {}  # a node's input and output inside autograd

    def gradOutput(self, node: Node) -> Any:
        """The sum of the gradients that came back to `node`; None if there was none."""
        return total(self.gradOutputs.get(node, []))

    def __repr__(self) -> str:
        passes = "forward and backward" if self.gradOutputs else "forward"
        return f"<Trace of {self.g}, {passes}, {len(self.outputs)} nodes>"


def trace(g: gModule, input: Any = None, gradOutput: Any = None) -> Trace:
    """Run `g` on `input`, keeping the value at every node, and back with `gradOutput`, if given.

    Without `input` the run is made on what `forward` last got, and back with what `backward` got
    after it, if anything. It is a run of its own: dropout draws new masks, but leaves the state of
    the generators as it was, and no parameter, gradient or buffer of `g` changes.

    Raises:
        GraphError: there is no input and no forward pass to take it from; what the run raises.
    """
    if input is None:
        if g._recorded is None:
            raise GraphError("trace: pass an input, or call forward(input) first")
        input = g._recorded.input
        gradOutput = g._recorded.grad_output if gradOutput is None else gradOutput
    kept = [(t, t.detach().clone()) for t in (*g.buffers(), *_overwritten(g))]
    with torch.random.fork_rng(devices=_cuda_devices(g)):
        made = _forward(g, input)
    with torch.no_grad():
        for tensor, value in kept:
            tensor.copy_(value)
    if gradOutput is not None:
        _backward(made, gradOutput)
    _release(made)
    return made


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


def _overwritten(g: gModule) -> Iterable[torch.Tensor]:
    """Parameters that a forward pass changes: a LookupTable with maxNorm scales its rows."""
    return [
        parameter
        for module in g.modules()
        if getattr(module, "maxNorm", None) is not None
        for parameter in module.parameters()
    ]


def _cuda_devices(g: gModule) -> list[torch.device]:
    return list({p.device for p in g.parameters() if p.device.type == "cuda"})


def _forward(g: gModule, input: Any) -> Trace:
    made = Trace(g)
    made.outputs[g.innode] = g._check_input(input)
    made.inputs[g.innode] = list(made.outputs[g.innode]) if g.nInputs > 1 else [input]
    for step in g._plan:
        node = g.forwardnodes[step.slot]
        arrived = [made.outputs[source] for source in node.inputs]
        value: Any = arrived[0] if len(arrived) == 1 else arrived
        made.inputs[node] = arrived
        try:
            made.outputs[node] = _forward_node(made, step, node, value)
        except Exception as error:
            raise g._with_context(error, step, value) from error
    return made


def _forward_node(made: Trace, step: Any, node: Node, value: Any) -> Any:
    g = made.g
    if step.module is None:
        return g._pass_on(step, value)
    module = g._modules[step.module]
    if isinstance(module, gModule):
        made.inner[node] = _forward(module, value)
        return made.inner[node].outputs[module.outnode]
    with torch.enable_grad():
        # In-place layers overwrite a copy: the value that went in is to be seen too.
        entered = nested.map_leaves(_entered, value)
        output = g.run_node(step, nested.map_leaves(_copied, entered))
    made._tied[node] = entered, output
    return nested.map_leaves(_detached, output)


def _backward(made: Trace, gradOutput: Any) -> None:
    g = made.g
    outputs = g.outnode.inputs
    if len(outputs) > 1 and (
        not isinstance(gradOutput, (list, tuple)) or len(gradOutput) != len(outputs)
    ):
        raise GraphError(
            f"{g}: got {type_name(gradOutput)} instead of {len(outputs)} gradOutputs, one for each "
            "output"
        )
    made.gradOutputs = {node: [] for node in g.forwardnodes}
    made.gradOutputs[g.outnode].append(gradOutput)
    of_splits: dict[Node, list[Any]] = {}
    for node in g.backwardnodes:
        if node.nSplitOutputs is not None:
            made.gradOutputs[node].append(of_splits[node])
        gradient = made.gradOutput(node)
        if not node.inputs:
            continue
        if node.selectindex is not None:
            split = node.inputs[0]
            parts = of_splits.setdefault(split, [None] * (split.nSplitOutputs or 0))
            parts[node.selectindex] = gradient
            continue
        to_inputs = _backward_node(made, node, gradient)
        if len(node.inputs) == 1:
            made.gradOutputs[node.inputs[0]].append(to_inputs)
        else:
            for i, source in enumerate(node.inputs):
                made.gradOutputs[source].append(to_inputs[i])


def _backward_node(made: Trace, node: Node, gradient: Any) -> Any:
    """The gradient of what came into `node`."""
    if node in made.inner:
        _backward(made.inner[node], gradient)
        return made.inner[node].gradOutput(made.inner[node].g.innode)
    if node not in made._tied:
        return gradient
    entered, output = made._tied[node]
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
    return nested.map_leaves(lambda x: _or_zeros(by_start.get(id(x)), x), entered)


def _release(made: Trace) -> None:
    """Let go of autograd's record, also in nested graphs."""
    made._tied.clear()
    for inner in made.inner.values():
        _release(inner)


def _entered(x: Any) -> Any:
    if isinstance(x, torch.Tensor) and (x.is_floating_point() or x.is_complex()):
        return x.detach().requires_grad_()
    return x


def _copied(x: Any) -> Any:
    return x.clone() if isinstance(x, torch.Tensor) else x


def _detached(x: Any) -> Any:
    return x.detach() if isinstance(x, torch.Tensor) else x


def _or_zeros(gradient: torch.Tensor | None, x: Any) -> Any:
    if gradient is not None:
        return gradient
    return torch.zeros_like(x, requires_grad=False) if isinstance(x, torch.Tensor) else 0


__all__ = ["Trace", "total", "trace"]
