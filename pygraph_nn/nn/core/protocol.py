"""Torch7's forward and backward on autograd.

`forward` cuts the autograd graph at its inputs and outputs, as a Torch7 module did: it records what
happens in between, and `backward` runs that record with the gradient it is given. A record belongs
to the module whose `forward` was called and to the thread that called it, and lives until that
thread's next `forward`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch

from ... import nested
from ...errors import GraphError, type_name


class RecordedPass:
    """One recorded forward pass: its detached inputs, and the outputs that autograd ties to them.

    Attributes:
        input: the nested input; floating-point tensors are detached and require gradients.
        output: the nested output, part of autograd.
        grad_output: the gradient that the last backward pass was given, not a copy; None before.
    """

    def __init__(self, input: Any, output: Any) -> None:
        self.input = input
        self.output = output
        self.grad_output: Any = None

    def detached_output(self) -> Any:
        """Return the output outside autograd."""
        return nested.map_leaves(detached, self.output)


class _Recording(threading.local):
    active = False


_recording = _Recording()


def recording() -> bool:
    """Return whether a forward pass is being recorded.

    Its parameter gradients are only ever added to ``.grad``, so they may be sparse.
    """
    return _recording.active


class Records:
    """The last recorded pass of each thread, for one module."""

    def __init__(self) -> None:
        self._by_thread: dict[int, RecordedPass] = {}

    def keep(self, recorded: RecordedPass) -> None:
        """Remember `recorded` as this thread's last pass, and drop those of threads that ended."""
        records = self._by_thread
        records[threading.get_ident()] = recorded
        if len(records) > 1:
            alive = {thread.ident for thread in threading.enumerate()}
            for ident in list(records):
                if ident not in alive:
                    records.pop(ident, None)

    def forget(self) -> None:
        """Drop this thread's last pass."""
        self._by_thread.pop(threading.get_ident(), None)

    def clear(self) -> None:
        """Drop the passes of all threads."""
        self._by_thread.clear()

    def last(self) -> RecordedPass | None:
        """Return this thread's last pass, or else that of the only thread that made one."""
        recorded = self._by_thread.get(threading.get_ident())
        if recorded is None and len(self._by_thread) == 1:
            recorded = next(iter(self._by_thread.values()), None)
        return recorded


def record(compute: Callable[[Any], Any], input: Any) -> RecordedPass:
    """Run ``compute(input)`` and remember what `run_backward` needs."""
    _recording.active = True
    try:
        with torch.enable_grad():
            entered = nested.map_leaves(cut_off, input)
            return RecordedPass(entered, compute(entered))
    finally:
        _recording.active = False


def run_backward(
    recorded: RecordedPass,
    input: Any,
    grad_output: Any,
    parameters_of: torch.nn.Module,
    place: Callable[[], str],
    *,
    to_input: bool,
    to_parameters: bool,
    scale: float = 1.0,
) -> Any:
    """Compute the gradients of a recorded forward pass.

    With `to_input`, returns the gradient of the input, shaped like `input` (zeros where there is
    none). With `to_parameters`, adds ``scale`` times the gradients of the parameters of
    `parameters_of` to their ``.grad``. `place` names the module in error messages.

    Raises:
        GraphError: `input` or `grad_output` does not fit the recorded pass.
    """
    inputs = nested.leaves(recorded.input)
    _check_input(place, inputs, nested.leaves(input))
    outputs, grads = _differentiable(place, recorded.output, grad_output)
    recorded.grad_output = grad_output
    wanted = [x for x in inputs if _requires_grad(x)] if to_input else []
    if to_parameters:
        _ensure_gradients(parameters_of)
    input_grads: list[torch.Tensor | None] = [None] * len(wanted)
    # Torch7 allows backward twice after one forward, so the record stays until the next one.
    if outputs and to_input and to_parameters and scale == 1:
        # Autograd itself adds to .grad, which for small layers is half of the work. It does so for
        # every leaf, also for a tensor of their own that a user's function uses.
        for x in wanted:
            x.grad = None  # left by a backward pass that failed
        torch.autograd.backward(outputs, grads, retain_graph=True)
        for i, x in enumerate(wanted):
            input_grads[i], x.grad = x.grad, None
    elif outputs:
        parameters = [p for p in parameters_of.parameters() if p.requires_grad and to_parameters]
        gradients: Sequence[torch.Tensor | None] = []
        if wanted or parameters:
            gradients = torch.autograd.grad(
                outputs, [*wanted, *parameters], grads, retain_graph=True, allow_unused=True
            )
        input_grads = list(gradients[: len(wanted)])
        _accumulate(parameters, gradients[len(wanted) :], scale)
    if not to_input:
        return None
    by_input = dict(zip(map(id, wanted), input_grads, strict=True))
    return nested.map_leaves(lambda x: or_zeros(by_input.get(id(x)), x), recorded.input)


def cut_off(x: Any) -> Any:
    """Return `x` as a leaf of autograd, which requires gradients if it holds real numbers."""
    if isinstance(x, torch.Tensor) and (x.is_floating_point() or x.is_complex()):
        return x.detach().requires_grad_()
    return x


def detached(x: Any) -> Any:
    """Return `x` outside autograd."""
    return x.detach() if isinstance(x, torch.Tensor) else x


def or_zeros(gradient: torch.Tensor | None, x: Any) -> Any:
    """Return `gradient`, or zeros shaped like `x` where there is none."""
    if gradient is not None:
        return gradient
    return torch.zeros_like(x, requires_grad=False) if isinstance(x, torch.Tensor) else 0


def _ensure_gradients(module: torch.nn.Module) -> None:
    """Give every parameter without a gradient one of zeros, as in Torch7.

    Walking ``module.parameters()`` would take five times as long, as much as some layers.
    """
    seen = set()
    waiting = [module]
    for inner in waiting:
        for parameter in inner._parameters.values():
            if parameter is not None and parameter.grad is None and parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)
        if inner._modules and id(inner) not in seen:
            seen.add(id(inner))
            waiting += [member for member in inner._modules.values() if member is not None]


def _requires_grad(x: Any) -> bool:
    return isinstance(x, torch.Tensor) and x.requires_grad


def _accumulate(
    parameters: list[torch.nn.Parameter],
    gradients: Sequence[torch.Tensor | None],
    scale: float,
) -> None:
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                assert parameter.grad is not None
                parameter.grad.add_(gradient, alpha=scale)


def _check_input(place: Callable[[], str], recorded: list[Any], given: list[Any]) -> None:
    shapes = [tuple(x.shape) if isinstance(x, torch.Tensor) else () for x in recorded]
    given_shapes = [tuple(x.shape) if isinstance(x, torch.Tensor) else () for x in given]
    if shapes != given_shapes:
        raise GraphError(
            f"{place()}: backward was given an input of shapes {given_shapes}, but the "
            f"last forward ran on {shapes}. Pass the input that forward was given"
        )


def _differentiable(
    place: Callable[[], str], output: Any, grad_output: Any
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return the outputs that autograd can go back through, and their gradients."""
    if isinstance(output, list):
        given = grad_output if isinstance(grad_output, (list, tuple)) else None
        if given is None or len(given) != len(output):
            got = type_name(grad_output) if given is None else f"{len(given)} gradOutputs"
            raise GraphError(
                f"{place()}: got {got} instead of {len(output)} gradOutputs, one for each output"
            )
    outputs, grads = [], []
    for y, grad in nested.pairs(output, grad_output, f"{place()}: gradOutput"):
        if not _requires_grad(y):
            continue
        if not isinstance(grad, torch.Tensor):
            raise GraphError(
                f"{place()}: gradOutput holds {type_name(grad)} where the gradient of "
                f"an output of shape {tuple(y.shape)} is due"
            )
        if grad.shape != y.shape:
            # nngraph's shorthand for "no gradient here": a zero of one element.
            if grad.numel() == 1 and grad.item() == 0:
                continue
            if grad.numel() != y.numel():
                raise GraphError(
                    f"{place()}: gradOutput of shape {tuple(grad.shape)} for an output "
                    f"of shape {tuple(y.shape)}"
                )
            grad = grad.reshape(y.shape)
        outputs.append(y)
        grads.append(grad)
    return outputs, grads
