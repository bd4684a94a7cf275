"""Layers that pass their input on and change the gradient."""

from __future__ import annotations

from typing import Any

import torch

from ..core.module import Module
from ..core.torch7_form import Torch7Form


class _Reversed(torch.autograd.Function):
    """The identity, whose gradient is multiplied by -`factor`."""

    @staticmethod
    def forward(x: torch.Tensor, factor: float) -> torch.Tensor:
        return x.clone()  # a view returned here could not be overwritten by an in-place layer

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        ctx.factor = inputs[1]

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        return grads[0] * -ctx.factor, None


class GradientReversal(Module):
    """Passes its input on and multiplies the gradient by -`lambda_` (``nn.GradientReversal``)."""

    torch7_form = Torch7Form(names={"lambda_": "lambda"}, version=2)

    def __init__(self, lambda_: float | None = 1) -> None:
        super().__init__()
        self.lambda_ = 1 if lambda_ is None else lambda_

    def setLambda(self, lambda_: float) -> None:
        """Set the factor of the gradient."""
        self.lambda_ = lambda_

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return _Reversed.apply(input, self.lambda_)


class ZeroGrad(Module):
    """Passes its input on and sets the gradient to zero (``nn.ZeroGrad``)."""

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return input.detach()


class _Penalised(torch.autograd.Function):
    """The identity, whose gradient includes the gradient of an L1 penalty times `weight`."""

    @staticmethod
    def forward(x: torch.Tensor, weight: float, provide_output: bool) -> torch.Tensor:
        return x.clone()  # a view returned here could not be overwritten by an in-place layer

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        x, ctx.weight, ctx.provide_output = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (x,) = ctx.saved_tensors
        penalty = x.sign() * ctx.weight
        return (penalty + grads[0] if ctx.provide_output else penalty), None, None


class L1Penalty(Module):
    """Passes its input on and adds the gradient of an L1 penalty (``nn.L1Penalty``).

    The penalty is `l1weight` times the sum of absolute values, or with `sizeAverage` their mean.
    With ``provideOutput=False`` its gradient replaces the incoming one.
    """

    def __init__(
        self, l1weight: float, sizeAverage: bool = False, provideOutput: bool = True
    ) -> None:
        super().__init__()
        self.l1weight = l1weight
        self.sizeAverage = bool(sizeAverage)
        self.provideOutput = provideOutput is None or bool(provideOutput)

    def penalty(self, input: torch.Tensor) -> torch.Tensor:
        """Return the penalty on `input`, a tensor without dimensions: Torch7's field ``loss``."""
        return input.abs().sum() * self._weight(input)

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return _Penalised.apply(input, self._weight(input), self.provideOutput)

    def _weight(self, input: torch.Tensor) -> float:
        return self.l1weight / input.numel() if self.sizeAverage else self.l1weight
