"""Lend the gradients of parameters to methods that a user wrote, as Torch7's gradWeight.

Such a method adds to ``weight.grad``. Inside a backward pass of autograd, what it adds must reach
autograd instead, which accumulates it, runs hooks and returns it from `torch.autograd.grad`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch

from ...errors import GraphError
from ...nested import Nested
from .flat_classes import get_grad, set_grad

# The thread that uses a layer's fields or a parameter's gradient, by the id of the object.
_reserved_by: dict[int, int] = {}
_reserving = threading.Condition()
PATIENCE = 10.0  # seconds that a thread waits for another one


@contextlib.contextmanager
def zero_gradients(parameters: Sequence[torch.nn.Parameter]) -> Iterator[list[torch.Tensor]]:
    """Give `parameters` gradients of zeros inside the block.

    At the end of the block, the yielded list holds what the block added to them, and the parameters
    have their former gradients again. Hooks of the parameters do not run inside: they are for the
    gradient that autograd accumulates afterwards.

    Raises:
        GraphError: another thread is in a block with one of the parameters, for too long.
    """
    with reserved(parameters), _zeroed(parameters) as gradients:
        yield gradients


@contextlib.contextmanager
def reserved(objects: Iterable[object]) -> Iterator[None]:
    """Keep other threads from the fields of layers, or the gradients of parameters, in the block.

    A thread waits for another one that is in a block with one of the objects.

    Raises:
        GraphError: it waited too long. Perhaps each of the two waits for the other.
    """
    objects = list(objects)
    thread = threading.get_ident()

    def free() -> bool:
        return all(_reserved_by.get(id(x), thread) == thread for x in objects)

    with _reserving:
        if not _reserving.wait_for(free, PATIENCE):
            raise GraphError(
                "two threads run one layer with gradient methods of its own at the same time. They "
                "would use the same fields and gradients. Give each thread a clone()"
            )
        new = [id(x) for x in objects if id(x) not in _reserved_by]
        _reserved_by.update(dict.fromkeys(new, thread))
    try:
        yield
    finally:
        with _reserving:
            for key in new:
                del _reserved_by[key]
            _reserving.notify_all()


def own_gradient(parameter: torch.nn.Parameter, otherwise: Any) -> Any:
    """Return the gradient of `parameter`, or `otherwise` while a thread has lent it zeros."""
    with _reserving:
        return otherwise if id(parameter) in _reserved_by else get_grad(parameter)


@contextlib.contextmanager
def _zeroed(parameters: Sequence[torch.nn.Parameter]) -> Iterator[list[torch.Tensor]]:
    before = [parameter.grad for parameter in parameters]
    hooks = [(p, p._backward_hooks, p._post_accumulate_grad_hooks) for p in parameters]
    gradients: list[torch.Tensor] = []
    try:
        for parameter in parameters:
            set_grad(parameter, torch.zeros_like(parameter, requires_grad=False))
            _set_hooks(parameter, None, None)
        yield gradients
        for parameter in parameters:
            grad = parameter.grad
            gradients.append(torch.zeros_like(parameter) if grad is None else grad)
    finally:
        for parameter, grad in zip(parameters, before, strict=True):
            set_grad(parameter, grad)
        for parameter, of_tensor, after_accumulation in hooks:
            _set_hooks(parameter, of_tensor, after_accumulation)


def _set_hooks(parameter: Any, of_tensor: Any, after_accumulation: Any) -> None:
    if parameter._backward_hooks is not of_tensor:
        parameter._backward_hooks = of_tensor
    if parameter._post_accumulate_grad_hooks is not after_accumulation:
        parameter._post_accumulate_grad_hooks = after_accumulation


def ensure_gradients(module: torch.nn.Module) -> None:
    """Give every trainable parameter without a gradient one of zeros, as in Torch7.

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


def writes_gradients(
    parameters: Iterable[torch.nn.Parameter], compute: Callable[[], Nested]
) -> tuple[Nested, bool]:
    """Return ``compute()``, and whether it wrote into the gradients of `parameters`."""
    gradients = [(parameter, parameter.grad) for parameter in parameters]
    versions = [None if grad is None else grad._version for _, grad in gradients]
    value = compute()
    unwritten = all(
        parameter.grad is grad and (grad is None or grad._version == version)
        for (parameter, grad), version in zip(gradients, versions, strict=True)
    )
    return value, not unwritten
