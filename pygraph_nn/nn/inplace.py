"""What in-place layers need to overwrite an input that is a leaf of autograd."""

from __future__ import annotations

from typing import Any

import torch


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
