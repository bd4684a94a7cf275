"""Criteria of values: each element of the input has a target, a number, a probability or a sign."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from ...errors import GraphError
from ..core.criterion import Criterion
from ..core.shapes import like_sample
from ..layers.pointwise import absolute
from .common import check_weights, like_input, reduced


class _Averaged(Criterion):
    """Base of the criteria whose one argument says whether the loss is a mean or a sum."""

    def __init__(self, sizeAverage: bool | None = True) -> None:
        super().__init__()
        self.sizeAverage = sizeAverage is not False


class AbsCriterion(_Averaged):
    """The mean (or with ``sizeAverage=False`` the sum) of absolute differences.

    Where input and target are equal the gradient is that of a larger input, as in Torch7.
    """

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        difference = input - like_input(self, input, target)
        return reduced(absolute(difference), self.sizeAverage)


class MSECriterion(_Averaged):
    """The mean (or with ``sizeAverage=False`` the sum) of squared differences."""

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        reduction = "mean" if self.sizeAverage else "sum"
        return F.mse_loss(input, like_input(self, input, target), reduction=reduction)


class WeightedMSECriterion(MSECriterion):
    """`MSECriterion` against the target times `weight` (``nn.WeightedMSECriterion``).

    `weight` has the shape of the target or of one sample of it. As in Torch7 it multiplies the
    target alone, not the loss.
    """

    weight: torch.Tensor

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight.clone())

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        target = like_input(self, input, target)
        return super().updateOutput(input, target * like_sample(self, self.weight, input, "weight"))


class SpatialAutoCropMSECriterion(MSECriterion):
    """`MSECriterion` against the middle of a larger target (``nn.SpatialAutoCropMSECriterion``).

    Both are (planes, height, width) or (batch, planes, height, width).

    Raises:
        GraphError: at run time, the target is smaller, or shapes differ otherwise.
    """

    def updateOutput(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        (height, width), (rows, columns) = input.shape[-2:], target.shape[-2:]
        if input.dim() not in (3, 4) or target.dim() != input.dim():
            raise GraphError(
                f"{self}: expecting two images or two batches of them, got shapes "
                f"{tuple(input.shape)} and {tuple(target.shape)}"
            )
        if height > rows or width > columns:
            raise GraphError(
                f"{self}: the input, {tuple(input.shape)}, is larger than the target, "
                f"{tuple(target.shape)}"
            )
        top, left = (rows - height) // 2, (columns - width) // 2
        return super().updateOutput(input, target[..., top : top + height, left : left + width])


class SmoothL1Criterion(_Averaged):
    """The mean (or with ``sizeAverage=False`` the sum) of a square that becomes linear beyond 1.

    With d the absolute difference, d * d / 2 below 1 and d - 1/2 above (``nn.SmoothL1Criterion``).
    """

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        reduction = "mean" if self.sizeAverage else "sum"
        return F.smooth_l1_loss(input, like_input(self, input, target), reduction=reduction)


class L1Cost(Criterion):
    """The sum of absolute values; there is no target (``nn.L1Cost``)."""

    def updateOutput(self, input: torch.Tensor, target: Any = None) -> torch.Tensor:
        return input.abs().sum()


class DistKLDivCriterion(Criterion):
    """The Kullback-Leibler divergence of distributions (``nn.DistKLDivCriterion``).

    `input` holds log-probabilities, `target` probabilities, of one shape. The terms
    target * (log(target) - input) are averaged over all elements, not over rows; with the field
    `sizeAverage` set to False they are summed.

    Raises:
        GraphError: at run time, shapes differ.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sizeAverage = True

    def updateOutput(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if input.shape != target.shape:
            raise GraphError(
                f"{self}: input and target should have the same size, got {tuple(input.shape)} "
                f"and {tuple(target.shape)}"
            )
        # Torch7 counts only positive targets.
        return reduced(F.kl_div(input, target.clamp(min=0), reduction="none"), self.sizeAverage)


class _BinaryCrossEntropy(torch.autograd.Function):
    """Elementwise, with the gradient (x - y) / ((1 - x + eps) (x + eps)).

    Torch7's gradient is not quite that of its loss: the constant eps stands in one place only, so
    that the gradient is 0 where x is y even if both are 0 or 1.
    """

    eps = 1e-12

    @staticmethod
    def forward(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        eps = _BinaryCrossEntropy.eps
        return -(torch.log(x + eps) * y + torch.log(1 - x + eps) * (1 - y))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        x, y = ctx.saved_tensors
        eps = _BinaryCrossEntropy.eps
        return grads[0] * (x - y) / ((1 - x + eps) * (x + eps)), None


class BCECriterion(Criterion):
    """The binary cross-entropy of probabilities (``nn.BCECriterion``), any shape.

    The mean (or with ``sizeAverage=False`` the sum) of -log(x) where the target is 1 and
    -log(1 - x) where it is 0; 1e-12 is added inside the logarithms.

    Args:
        weights: a factor for each column, (columns,).
        sizeAverage: whether to take the mean.

    Raises:
        GraphError: at run time, the input and the target hold different numbers of values, or on
            the CPU, an input is no probability.
    """

    weights: torch.Tensor | None

    def __init__(
        self, weights: torch.Tensor | None = None, sizeAverage: bool | None = True
    ) -> None:
        super().__init__()
        self.register_buffer("weights", check_weights("BCECriterion", weights))
        self.sizeAverage = sizeAverage is not False

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        target = like_input(self, input, target)
        if _can_be_read(input) and not bool(((input >= 0) & (input <= 1)).all()):
            raise GraphError(
                f"{self}: input values should be between 0 and 1, but they are "
                f"{input.min().item()}..{input.max().item()}. Is there a Sigmoid before it?"
            )
        losses = _BinaryCrossEntropy.apply(input, target.detach())
        if self.weights is not None:
            losses = losses * like_sample(self, self.weights, input, "weights")
        return reduced(losses, self.sizeAverage)


def _can_be_read(input: torch.Tensor) -> bool:
    """Whether looking at values costs nothing and does not break a trace."""
    return type(input) is torch.Tensor and input.is_cpu and not torch.compiler.is_compiling()


class MultiLabelSoftMarginCriterion(Criterion):
    """The binary cross-entropy of scores (``nn.MultiLabelSoftMarginCriterion``), any shape.

    A sigmoid makes probabilities of the scores; targets are 0 or 1. The mean over all elements (or
    with ``sizeAverage=False`` the sum).

    Args:
        weights: a factor for each column, (columns,).
        sizeAverage: whether to take the mean.
    """

    weights: torch.Tensor | None

    def __init__(
        self, weights: torch.Tensor | None = None, sizeAverage: bool | None = True
    ) -> None:
        super().__init__()
        self.register_buffer("weights", check_weights("MultiLabelSoftMarginCriterion", weights))
        self.sizeAverage = sizeAverage is not False

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        target = like_input(self, input, target)
        losses = F.binary_cross_entropy_with_logits(input, target, reduction="none")
        if self.weights is not None:
            losses = losses * like_sample(self, self.weights, input, "weights")
        return reduced(losses, self.sizeAverage)


class MarginCriterion(Criterion):
    """The mean of max(0, margin - x * target), targets being 1 or -1 (``nn.MarginCriterion``).

    With the field `sizeAverage` set to False, the sum.
    """

    def __init__(self, margin: float | None = 1) -> None:
        super().__init__()
        self.margin = 1 if margin is None else margin
        self.sizeAverage = True

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        target = like_input(self, input, target)
        return reduced(torch.relu(self.margin - input * target), self.sizeAverage)


class SoftMarginCriterion(Criterion):
    """The mean of log(1 + exp(-x * target)), targets being 1 or -1 (``nn.SoftMarginCriterion``).

    With the field `sizeAverage` set to False, the sum.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sizeAverage = True

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        return reduced(-F.logsigmoid(input * like_input(self, input, target)), self.sizeAverage)


class HingeEmbeddingCriterion(Criterion):
    """Distances that should be small or large (``nn.HingeEmbeddingCriterion``), any shape.

    The mean of x where the target is 1 and max(0, margin - x) where it is -1. One number may be
    the target of all. With the field `sizeAverage` set to False, the sum.
    """

    def __init__(self, margin: float | None = 1) -> None:
        super().__init__()
        self.margin = 1 if margin is None else margin
        self.sizeAverage = True

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        target = torch.as_tensor(target, device=input.device)
        if target.numel() > 1:
            target = like_input(self, input, target)
        near = (target == 1).reshape(target.shape if target.numel() > 1 else ())
        return reduced(
            torch.where(near, input, (self.margin - input).clamp(min=0)), self.sizeAverage
        )
