"""Torch7's backward on autograd: the gradients of a recorded forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch

from ... import nested
from ...errors import GraphError, type_name
from ...nested import Nested
from .backward_failures import raise_failure
from .gradient_buffers import ensure_gradients
from .lost_gradients import check_integers, check_kind, check_output
from .recording import RecordedPass


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
    request = recorded.request
    try:
        _check_input(place, recorded.input, input)
        outputs, grads = differentiable(place, recorded.output, grad_output)
        if to_input and not _has_gradients(recorded.input):
            check_integers(place, parameters_of, recorded.input, grad_output)
        recorded.grad_output = grad_output
        request.to_input, request.to_parameters = to_input, to_parameters
        gradient = _run_backward(
            recorded, outputs, grads, parameters_of, to_input, to_parameters, scale
        )
    except Exception as error:
        raise_failure(error, parameters_of)
    finally:
        request.to_input = request.to_parameters = True
    if to_input:
        recorded.grad_input = gradient
    return gradient


def _run_backward(
    recorded: RecordedPass,
    outputs: list[torch.Tensor],
    grads: list[torch.Tensor],
    parameters_of: torch.nn.Module,
    to_input: bool,
    to_parameters: bool,
    scale: float,
) -> Nested:
    if not to_parameters:
        return input_gradients(outputs, recorded.input, grads, retain_graph=True)
    ensure_gradients(parameters_of)
    if to_input and scale == 1 and not recorded.inside:
        return _backward_into_grad(outputs, recorded.input, grads)
    inputs = _trainable(nested.leaves(recorded.input)) if to_input else []
    parameters = _trainable(parameters_of.parameters())
    gradients = _gradients(outputs, [*inputs, *parameters], grads, retain_graph=True)
    _accumulate(parameters, gradients[len(inputs) :], scale)
    return _like(recorded.input, inputs, gradients[: len(inputs)]) if to_input else None


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


def _has_gradients(input: Nested) -> bool:
    if isinstance(input, torch.Tensor):
        return input.requires_grad
    return any(map(_requires_grad, nested.leaves(input)))


def _trainable(leaves: Iterable[Nested]) -> list[torch.Tensor]:
    return [x for x in leaves if _requires_grad(x)]


def or_zeros(gradient: torch.Tensor | None, x: Nested) -> Nested:
    """Return `gradient`, or zeros shaped like `x` where there is none; None if `x` is no tensor."""
    if gradient is not None:
        return gradient
    return torch.zeros_like(x, requires_grad=False) if isinstance(x, torch.Tensor) else None


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


def shapes(tree: Nested) -> list[tuple[int, ...]]:
    """Return the shapes of the leaves of `tree`, () for what is no tensor."""
    return [tuple(x.shape) if isinstance(x, torch.Tensor) else () for x in nested.leaves(tree)]


def _check_input(place: Callable[[], str], recorded: Nested, passed: Nested) -> None:
    if shapes(recorded) != shapes(passed):
        raise GraphError(
            f"{place()}: backward got the input {nested.describe(passed)}, but the last forward "
            f"ran on {nested.describe(recorded)}. Pass the input of that forward"
        )


def differentiable(
    place: Callable[[], str], output: Nested, grad_output: Nested
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return the tensors of `output` that autograd can go back through, and their gradients.

    A gradient that is a zero of one element, or in a table None, means none: its tensor is left
    out.

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
    if isinstance(output, torch.Tensor) and isinstance(grad_output, torch.Tensor):
        pairs: Iterable[tuple[Nested, Nested]] = ((output, grad_output),)
    else:
        check_kind(place, output, grad_output)
        pairs = nested.pairs(output, grad_output, f"{place()}: gradOutput", or_none=True)
    for y, grad in pairs:
        if not _requires_grad(y):
            check_output(place, y, grad)
            continue
        if not isinstance(grad, torch.Tensor):
            if grad is None:
                continue
            check_kind(place, y, grad)
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
