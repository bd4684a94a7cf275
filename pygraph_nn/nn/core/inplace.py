"""What in-place layers need: a checked flag, and an input that autograd lets them overwrite."""

from __future__ import annotations

from typing import Any

import torch

from ...errors import GraphError


class _Alias(torch.autograd.Function):
    """The identity, giving a tensor on the same storage that autograd takes for a new one."""

    @staticmethod
    def forward(ctx: Any, input: torch.Tensor) -> torch.Tensor:
        return input.data

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return grad


def writable(input: torch.Tensor) -> torch.Tensor:
    """`input` itself, or, where autograd would refuse to overwrite it, a stand-in on its storage.

    Autograd refuses leaves, which the inputs of the Torch7 protocol's `forward` are.
    """
    leaf = input.is_leaf and input.requires_grad and torch.is_grad_enabled()
    return _Alias.apply(input) if leaf else input


def inplace_flag(layer: str, inplace: bool | None) -> bool:
    """`inplace` as a bool; None is False, as Lua's nil is.

    Raises:
        GraphError: it is something else, most likely an argument that belongs elsewhere.
    """
    if inplace is not None and not isinstance(inplace, bool):
        raise GraphError(f"{layer}: the in-place flag must be boolean, got {inplace!r}")
    return bool(inplace)
