"""Powers and roots whose gradients Torch7 keeps finite by a small constant.

Torch7 adds the constant in its backward passes alone, so the values here are the exact ones and
the gradients are those of Torch7, again differentiable.
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
    """s ** (1 / p) for s >= 0, with a gradient that `eps` keeps finite at 0."""
    return s if p == 1 else _Root.apply(s, p, eps)


def absolute_power(x: torch.Tensor, p: float, eps: float = 0.0) -> torch.Tensor:
    """|x| ** p; below p = 2 with a gradient that `eps` keeps finite at 0."""
    if p == 2:
        return x * x
    return _AbsolutePower.apply(x, p, eps) if p < 2 and eps else x.abs().pow(p)
