"""Torch7's forward and backward on autograd.

`forward` takes and returns tensors outside autograd, as in Torch7, and records the autograd graph
between them; `backward` goes back through that graph. A record belongs to the module whose
`forward` was called and to the calling thread, and lives until that thread's next `forward`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

import torch

from ... import nested
from ...errors import GraphError, type_name
from ...nested import Nested
from .backward_failures import raise_explained


class RecordedPass:
    """One recorded forward pass: an input, and the output that autograd connects with it.

    Attributes:
        input: the nested input, from `cut_off`.
        output: the nested output, part of autograd.
        grad_output: the gradOutput of the last backward pass, not a copy; None before one.
    """

    def __init__(self, input: Nested, output: Nested) -> None:
        self.input = input
        self.output = output
        self.grad_output: Nested = None

    def detached_output(self) -> Nested:
        """Return the output outside autograd."""
        return nested.map_leaves(detached, self.output)


class _Recording(threading.local):
    active = False


_recording = _Recording()


def recording() -> bool:
    """Return whether this thread is recording a forward pass.

    The backward pass then only adds parameter gradients to ``.grad``, so they may be sparse.
    """
    return _recording.active


class Records:
    """The last recorded pass of each thread, for one module."""

    def __init__(self) -> None:
        self._by_thread: dict[int, RecordedPass] = {}

    def keep(self, recorded: RecordedPass) -> None:
        """Make `recorded` this thread's last pass, and drop the passes of threads that ended."""
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
        """Return this thread's last pass, or, if only one other thread has one, that pass."""
        recorded = self._by_thread.get(threading.get_ident())
        if recorded is None and len(self._by_thread) == 1:
            recorded = next(iter(self._by_thread.values()), None)
        return recorded


def record(compute: Callable[[Nested], Nested], input: Nested) -> RecordedPass:
    """Run ``compute(input)`` and return the record that `run_backward` needs."""
    _recording.active = True
    try:
        with torch.enable_grad():
            cut = nested.map_leaves(cut_off, input)
            return RecordedPass(cut, compute(cut))
    finally:
        _recording.active = False


def run_backward(
    recorded: RecordedPass,
    input: Nested,
    grad_output: Nested,
    parameters_of: torch.nn.Module,
    place: Callable[[], str],
    *,
    to_input: bool,
    to_parameters: bool,
    scale: float = 1.0,
) -> Nested:
    """Compute the gradients of a recorded forward pass.

    With `to_input`, returns the gradient of the input, shaped like `input` (zeros where there is
    none), else None. With `to_parameters`, adds ``scale`` times the gradients of the parameters of
    `parameters_of` to their ``.grad``. At least one of the two is True. `place` names the module in
    error messages.

    Raises:
        GraphError: `input` or `grad_output` does not fit the recorded pass.
    """
    try:
        _check_input(place, nested.leaves(recorded.input), nested.leaves(input))
        outputs, grads = differentiable(place, recorded.output, grad_output)
        recorded.grad_output = grad_output
        if not to_parameters:
            return input_gradients(outputs, recorded.input, grads, retain_graph=True)
        _ensure_gradients(parameters_of)
        if to_input and scale == 1:
            return _backward_into_grad(outputs, recorded.input, grads)
        inputs = _trainable(nested.leaves(recorded.input)) if to_input else []
        parameters = _trainable(parameters_of.parameters())
        gradients = _gradients(outputs, [*inputs, *parameters], grads, retain_graph=True)
        _accumulate(parameters, gradients[len(inputs) :], scale)
        return _like(recorded.input, inputs, gradients[: len(inputs)]) if to_input else None
    except Exception as error:
        raise_explained(error, parameters_of)


def input_gradients(
    outputs: list[torch.Tensor],
    input: Nested,
    grads: list[torch.Tensor],
    *,
    retain_graph: bool = False,
) -> Nested:
    """Return the gradient of `input` for the gradients `grads` of `outputs`.

    It is shaped like `input`, with zeros where there is no gradient.
    """
    inputs = _trainable(nested.leaves(input))
    return _like(input, inputs, _gradients(outputs, inputs, grads, retain_graph=retain_graph))


def _backward_into_grad(
    outputs: list[torch.Tensor], input: Nested, grads: list[torch.Tensor]
) -> Nested:
    """Let autograd add to ``.grad`` itself, which for small layers saves half of the time.

    It does so for every leaf, also for tensors that a user's function uses besides its input.
    """
    inputs = _trainable(nested.leaves(input))
    for x in inputs:
        x.grad = None  # left by a backward pass that failed
    if outputs:
        torch.autograd.backward(outputs, grads, retain_graph=True)
    gradients = []
    for x in inputs:
        gradients.append(x.grad)
        x.grad = None
    return _like(input, inputs, gradients)


def _gradients(
    outputs: list[torch.Tensor],
    tensors: list[torch.Tensor],
    grads: list[torch.Tensor],
    *,
    retain_graph: bool,
) -> Sequence[torch.Tensor | None]:
    # Torch7 allows backward twice after one forward, so a recorded pass keeps autograd's graph.
    if not outputs or not tensors:
        return [None] * len(tensors)
    return torch.autograd.grad(outputs, tensors, grads, retain_graph, allow_unused=True)


def _like(
    input: Nested, inputs: list[torch.Tensor], gradients: Sequence[torch.Tensor | None]
) -> Nested:
    """Return the `gradients` of `inputs`, leaves of `input`, nested like it."""
    by_input = dict(zip(map(id, inputs), gradients, strict=True))
    return nested.map_leaves(lambda x: or_zeros(by_input.get(id(x)), x), input)


def _trainable(leaves: Iterable[Nested]) -> list[torch.Tensor]:
    return [x for x in leaves if _requires_grad(x)]


def cut_off(x: Nested) -> Nested:
    """Return `x` as a leaf of autograd that requires gradients, if it is a tensor of floats."""
    if isinstance(x, torch.Tensor) and (x.is_floating_point() or x.is_complex()):
        return x.detach().requires_grad_()
    return x


def detached(x: Nested) -> Nested:
    """Return `x` outside autograd, if it is a tensor."""
    return x.detach() if isinstance(x, torch.Tensor) else x


def or_zeros(gradient: torch.Tensor | None, x: Nested) -> Nested:
    """Return `gradient`, or zeros shaped like `x` where there is none."""
    if gradient is not None:
        return gradient
    return torch.zeros_like(x, requires_grad=False) if isinstance(x, torch.Tensor) else 0


def _ensure_gradients(module: torch.nn.Module) -> None:
    """Give every parameter without a gradient one of zeros, as in Torch7.

    ``module.parameters()`` would take five times as long, which is as long as a small layer runs.
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


def _requires_grad(x: Nested) -> bool:
    return isinstance(x, torch.Tensor) and x.requires_grad


def _accumulate(
    parameters: list[torch.Tensor],
    gradients: Sequence[torch.Tensor | None],
    scale: float,
) -> None:
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                assert parameter.grad is not None
                parameter.grad.add_(gradient, alpha=scale)


def _check_input(place: Callable[[], str], recorded: list[Nested], passed: list[Nested]) -> None:
    shapes, passed_shapes = (
        [tuple(x.shape) if isinstance(x, torch.Tensor) else () for x in leaves]
        for leaves in (recorded, passed)
    )
    if shapes != passed_shapes:
        raise GraphError(
            f"{place()}: backward got an input of shapes {passed_shapes}, but the last forward ran "
            f"on {shapes}. Pass the input of that forward"
        )


def differentiable(
    place: Callable[[], str], output: Nested, grad_output: Nested
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return the tensors of `output` that autograd can go back through, and their gradients.

    A gradient that is a zero of one element means none: its tensor is left out.

    Raises:
        GraphError: `grad_output` is not shaped like `output`; the message starts with `place`.
    """
    if isinstance(output, list):
        is_table = isinstance(grad_output, (list, tuple))
        if not is_table or len(grad_output) != len(output):
            got = f"{len(grad_output)} gradOutputs" if is_table else type_name(grad_output)
            raise GraphError(
                f"{place()}: got {got} instead of {len(output)} gradOutputs, one for each output"
            )
    outputs, grads = [], []
    for y, grad in nested.pairs(output, grad_output, f"{place()}: gradOutput"):
        if not _requires_grad(y):
            continue
        if not isinstance(grad, torch.Tensor):
            raise GraphError(
                f"{place()}: gradOutput holds {type_name(grad)} in place of the gradient of an "
                f"output of shape {tuple(y.shape)}"
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
