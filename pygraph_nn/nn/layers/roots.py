"""Powers and roots whose gradients stay finite by a small constant, as in Torch7.

Torch7 adds the constant only in its backward passes. The functions here return exact values, with
Torch7's gradients, which are differentiable again.
"""

from __future__ import annotations

from typing import Any

import torch


class _Root(torch.autograd.Function):
    """s ** (1 / p) with the gradient (s ** (1 / p) + eps) ** (1 - p) / p."""

    @staticmethod
    def forward(s: torch.Tensor, p: float, eps: float) -> torch.Tensor:
        return s.sqrt() if p == 2 else s.pow(1 / p)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        s, ctx.p, ctx.eps = inputs
        ctx.save_for_backward(s)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (s,) = ctx.saved_tensors
        slope = (_Root.apply(s, ctx.p, ctx.eps) + ctx.eps).pow(1 - ctx.p) / ctx.p
        return grads[0] * slope, None, None


class _AbsolutePower(torch.autograd.Function):
    """|x| ** p with the gradient p x (|x| + eps) ** (p - 2)."""

    @staticmethod
    def forward(x: torch.Tensor, p: float, eps: float) -> torch.Tensor:
        return x.abs() if p == 1 else x.abs().pow(p)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        x, ctx.p, ctx.eps = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (x,) = ctx.saved_tensors
        return grads[0] * ctx.p * x * (x.abs() + ctx.eps).pow(ctx.p - 2), None, None


def root(s: torch.Tensor, p: float, eps: float) -> torch.Tensor:
    """Return s ** (1 / p) for s >= 0; `eps` keeps the gradient at 0 finite."""
    return s if p == 1 else _Root.apply(s, p, eps)


def absolute_power(x: torch.Tensor, p: float, eps: float = 0.0) -> torch.Tensor:
    """Return |x| ** p; for p < 2, `eps` keeps the gradient at 0 finite."""
    if p == 2:
        return x * x
    return _AbsolutePower.apply(x, p, eps) if p < 2 and eps else x.abs().pow(p)
