"""The Torch7 protocol on autograd: forward, backward and their parts for any module.

`forward` cuts the autograd graph at its inputs and outputs, as a Torch7 module did: it records what
happens in between, and `backward` runs that record with the gradient it is given. What is recorded
belongs to the module whose `forward` was called, and to the thread that called it, and lives until
that thread's next `forward`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from ... import nested
from ...errors import GraphError, type_name

if TYPE_CHECKING:
    from .module import Module


class Run:
    """One recorded forward pass: the cut-off inputs and the outputs still tied to them.

    `grad_output` is what backward last brought, not a copy: for pictures of the run.
    """

    def __init__(self, input: Any, output: Any) -> None:
        self.input = input
        self.output = output
        self.grad_output: Any = None

    def outputs(self) -> Any:
        return nested.map_leaves(_detached, self.output)


class _Recording(threading.local):
    active = False


_recording = _Recording()


def recording() -> bool:
    """Whether a forward pass of the protocol is being recorded.

    Its parameter gradients are only ever added to ``.grad``, so they may be sparse.
    """
    return _recording.active


def keep(records: dict[int, Run], run: Run) -> None:
    """Remember `run` as the last one of this thread."""
    records[threading.get_ident()] = run
    if len(records) > 1:
        alive = {thread.ident for thread in threading.enumerate()}
        for ident in list(records):
            if ident not in alive:
                records.pop(ident, None)


def forget(records: dict[int, Run]) -> None:
    """Drop the last run of this thread."""
    records.pop(threading.get_ident(), None)


def last(records: dict[int, Run]) -> Run | None:
    """The last run of this thread; else that of the only thread that made one."""
    run = records.get(threading.get_ident())
    if run is None and len(records) == 1:
        run = next(iter(records.values()), None)
    return run


def record(module: Module, input: Any) -> Run:
    """Run `module` on `input`, remembering what `backward` needs."""
    _recording.active = True
    try:
        with torch.enable_grad():
            entered = nested.map_leaves(_entered, input)
            return Run(entered, module.updateOutput(entered))
    finally:
        _recording.active = False


def run_backward(
    module: Module,
    input: Any,
    grad_output: Any,
    *,
    to_input: bool,
    to_parameters: bool,
    scale: float = 1.0,
) -> Any:
    """Gradients of the recorded forward pass of `module`.

    Returns the gradient of the input, shaped like `input` (zeros where there is none), when
    `to_input`; adds ``scale`` times the gradients of the parameters to their ``.grad`` when
    `to_parameters`.

    Raises:
        GraphError: no forward pass is recorded, or `input` or `grad_output` does not fit it.
    """
    run: Run | None = module._recorded
    if run is None:
        raise GraphError(
            f"{module.place()}: backward without a forward pass to go back through. Call "
            "forward(input) first (not module(input), not under torch.no_grad(), and not before "
            "clearState)"
        )
    inputs = nested.leaves(run.input)
    _check_input(module, inputs, nested.leaves(input))
    outputs, grads = _differentiable(module, run.output, grad_output)
    run.grad_output = grad_output
    wanted = [x for x in inputs if _requires_grad(x)] if to_input else []
    if to_parameters:
        _ensure_gradients(module)
    found: list[torch.Tensor | None] = [None] * len(wanted)
    # Torch7 allows backward twice after one forward, so the record stays until the next one.
    if outputs and to_input and to_parameters and scale == 1:
        # Autograd itself adds to .grad, which for small layers is half of the work. It does so for
        # every leaf: also for a tensor of their own that a user's function takes part with.
        for x in wanted:
            x.grad = None  # left by a backward pass that failed
        torch.autograd.backward(outputs, grads, retain_graph=True)
        for i, x in enumerate(wanted):
            found[i], x.grad = x.grad, None
    elif outputs:
        parameters = [p for p in module.parameters() if p.requires_grad] if to_parameters else []
        gradients: Sequence[torch.Tensor | None] = []
        if wanted or parameters:
            gradients = torch.autograd.grad(
                outputs, [*wanted, *parameters], grads, retain_graph=True, allow_unused=True
            )
        found = list(gradients[: len(wanted)])
        _accumulate(parameters, gradients[len(wanted) :], scale)
    if not to_input:
        return None
    by_input = dict(zip(map(id, wanted), found, strict=True))
    return nested.map_leaves(lambda x: _or_zeros(by_input.get(id(x)), x), run.input)


def _ensure_gradients(module: torch.nn.Module) -> None:
    """Give every parameter a gradient, of zeros if it had none, as in Torch7.

    Looking through ``module.parameters()`` would take five times as long, as much as some layers.
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


def _entered(x: Any) -> Any:
    if isinstance(x, torch.Tensor) and (x.is_floating_point() or x.is_complex()):
        return x.detach().requires_grad_()
    return x


def _detached(x: Any) -> Any:
    return x.detach() if isinstance(x, torch.Tensor) else x


def _requires_grad(x: Any) -> bool:
    return isinstance(x, torch.Tensor) and x.requires_grad


def _or_zeros(gradient: torch.Tensor | None, x: Any) -> Any:
    if gradient is not None:
        return gradient
    return torch.zeros_like(x, requires_grad=False) if isinstance(x, torch.Tensor) else 0


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


def _check_input(module: Module, recorded: list[Any], given: list[Any]) -> None:
    shapes = [tuple(x.shape) if isinstance(x, torch.Tensor) else () for x in recorded]
    given_shapes = [tuple(x.shape) if isinstance(x, torch.Tensor) else () for x in given]
    if shapes != given_shapes:
        raise GraphError(
            f"{module.place()}: backward was given an input of shapes {given_shapes}, but the "
            f"last forward ran on {shapes}. Pass the input that forward was given"
        )


def _differentiable(
    module: Module, output: Any, grad_output: Any
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The outputs that depend on anything trainable, beside their gradients."""
    if isinstance(output, list):
        given = grad_output if isinstance(grad_output, (list, tuple)) else None
        if given is None or len(given) != len(output):
            got = type_name(grad_output) if given is None else f"{len(given)} gradOutputs"
            raise GraphError(
                f"{module.place()}: got {got} instead of {len(output)} gradOutputs, one for "
                "each output"
            )
    outputs, grads = [], []
    for y, grad in nested.pairs(output, grad_output, f"{module.place()}: gradOutput"):
        if not _requires_grad(y):
            continue
        if not isinstance(grad, torch.Tensor):
            raise GraphError(
                f"{module.place()}: gradOutput holds {type_name(grad)} where the gradient of "
                f"an output of shape {tuple(y.shape)} is due"
            )
        if grad.shape != y.shape:
            # nngraph's shorthand for "no gradient here": a zero of one element.
            if grad.numel() == 1 and grad.item() == 0:
                continue
            if grad.numel() != y.numel():
                raise GraphError(
                    f"{module.place()}: gradOutput of shape {tuple(grad.shape)} for an output "
                    f"of shape {tuple(y.shape)}"
                )
            grad = grad.reshape(y.shape)
        outputs.append(y)
        grads.append(grad)
    return outputs, grads
