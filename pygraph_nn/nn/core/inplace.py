"""Helpers for in-place layers: the check of their flag, and an input they may overwrite."""

from __future__ import annotations

from typing import Any

import torch

from ...errors import GraphError


class _Alias(torch.autograd.Function):
    """The identity, whose output shares its input's storage but is a new tensor to autograd."""

    @staticmethod
    def forward(ctx: Any, input: torch.Tensor) -> torch.Tensor:
        return input.data

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return grad


def writable(input: torch.Tensor) -> torch.Tensor:
    """Return `input`, or an alias of it where autograd would refuse to overwrite `input`.

    Autograd refuses to overwrite leaves. The inputs of the Torch7 protocol's `forward` are leaves.
    """
    leaf = input.is_leaf and input.requires_grad and torch.is_grad_enabled()
    return _Alias.apply(input) if leaf else input


def inplace_flag(layer: str, inplace: bool | None) -> bool:
    """Return `inplace` as a bool; None, Lua's nil, is False.

    Raises:
        GraphError: If `inplace` is neither, probably because an argument is in the wrong place.
    """
    if inplace is not None and not isinstance(inplace, bool):
        raise GraphError(f"{layer}: the in-place flag must be boolean, got {inplace!r}")
    return bool(inplace)
