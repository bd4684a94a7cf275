"""The functions on tensors that Lua may call: as methods, as functions of ``torch``, or both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch

from .types import is_tensor

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)

METHODS: dict[str, Function] = {}
FUNCTIONS: dict[str, Function] = {}


def method(*names: str) -> Callable[[F], F]:
    """Register a method of tensors: ``x:name(...)``."""

    def register(function: F) -> F:
        for name in names or (function.__name__.rstrip("_"),):
            METHODS[name] = function
        return function

    return register


def function(*names: str) -> Callable[[F], F]:
    """Register a function: ``torch.name(...)``."""

    def register(function: F) -> F:
        for name in names or (function.__name__.rstrip("_"),):
            FUNCTIONS[name] = function
        return function

    return register


def both(*names: str) -> Callable[[F], F]:
    """Register a method that changes nothing, and the function of the same name."""

    def register(function_: F) -> F:
        return function(*names)(method(*names)(function_))

    return register


def into(result: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Write `value` into `result`, which takes its size, and return `result`."""
    if result.shape != value.shape:
        result.resize_(value.shape)
    return result.copy_(value)


def in_place(*names: str) -> Callable[[F], F]:
    """Register an operation that changes its first tensor.

    ``x:name(...)`` changes x, and ``x:name(y, ...)`` with a further tensor sets x to the result on
    y. ``torch.name(y, ...)`` returns a new tensor, and ``torch.name(result, y, ...)`` sets
    `result`. `operands` says how many operands the operation needs beside the first tensor.
    """

    def register(operation: F) -> F:
        operands: int = getattr(operation, "operands", 0)

        def is_copy_form(args: tuple[Any, ...]) -> bool:
            # A leading tensor is the source if enough tensors or numbers follow it.
            return bool(args) and is_tensor(args[0]) and len(args) > operands

        def on_first(x: torch.Tensor, *args: Any) -> torch.Tensor:
            if is_copy_form(args):
                rest = [a.clone() if a is x else a for a in args[1:]]
                into(x, args[0])
                operation(x, *rest)
            else:
                operation(x, *args)
            return x

        def returning(x: Any, *args: Any) -> torch.Tensor:
            if is_copy_form(args):
                return on_first(x, *args)
            y = x.clone()
            operation(y, *args)
            return y

        for name in names or (operation.__name__.rstrip("_"),):
            METHODS[name] = on_first
            FUNCTIONS[name] = returning
        return operation

    return register


def operands(count: int) -> Callable[[F], F]:
    """Say how many operands beside the first tensor an `in_place` operation needs at least."""

    def mark(operation: F) -> F:
        operation.operands = count  # type: ignore[attr-defined]
        return operation

    return mark
