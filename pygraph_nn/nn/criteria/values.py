"""Elementwise criteria: targets are numbers, probabilities or signs."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from ...errors import GraphError
from ..core.criterion import Criterion
from ..core.shapes import like_sample
from ..layers.pointwise import absolute
from .common import Averaged, Weighted, like_input


class AbsCriterion(Averaged):
    """Measures the mean absolute error (``nn.AbsCriterion``); the sum with ``sizeAverage=False``.

    Where input and target are equal, the gradient is positive, as in Torch7.

    Raises:
        GraphError: At run time, if input and target hold different numbers of values.
    """

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        return self.mean_or_sum(absolute(input - like_input(self, input, target)))


class MSECriterion(Averaged):
    """Measures the mean squared error (``nn.MSECriterion``); the sum with ``sizeAverage=False``.

    Raises:
        GraphError: At run time, if input and target hold different numbers of values.
    """

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        return F.mse_loss(input, like_input(self, input, target), reduction=self.reduction)


class WeightedMSECriterion(MSECriterion):
    """Measures `MSECriterion` of the target times `weight` (``nn.WeightedMSECriterion``).

    `weight` has the shape of the target or of one sample. As in Torch7, it multiplies only the
    target, not the loss.
    """

    weight: torch.Tensor

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight.clone())

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        target = like_input(self, input, target)
        return super().updateOutput(input, target * like_sample(self, self.weight, input, "weight"))


class SpatialAutoCropMSECriterion(MSECriterion):
    """Measures `MSECriterion` of the centre of a target (``nn.SpatialAutoCropMSECriterion``).

    Input and target are (planes, height, width) or (batch, planes, height, width).

    Raises:
        GraphError: At run time, if the target is smaller, or other sizes differ.
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
                f"{self}: an input of shape {tuple(input.shape)} is larger than the target, "
                f"{tuple(target.shape)}"
            )
        top, left = (rows - height) // 2, (columns - width) // 2
        return super().updateOutput(input, target[..., top : top + height, left : left + width])


class SmoothL1Criterion(Averaged):
    """Measures a squared error that is linear beyond 1 (``nn.SmoothL1Criterion``).

    With d the absolute difference, the loss is the mean, or with ``sizeAverage=False`` the sum, of
    d * d / 2 for d < 1 and d - 1/2 otherwise.
    """

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        return F.smooth_l1_loss(input, like_input(self, input, target), reduction=self.reduction)


class L1Cost(Criterion):
    """Sums absolute values, without a target (``nn.L1Cost``)."""

    def updateOutput(self, input: torch.Tensor, target: Any = None) -> torch.Tensor:
        return input.abs().sum()


class DistKLDivCriterion(Averaged):
    """Measures the Kullback-Leibler divergence (``nn.DistKLDivCriterion``).

    `input` holds log-probabilities, `target` probabilities, of one shape. The terms
    target * (log(target) - input) are averaged over all elements, not over rows, or summed if the
    field `sizeAverage` is False.

    Raises:
        GraphError: At run time, if the shapes differ.
    """

    def __init__(self) -> None:
        super().__init__()

    def updateOutput(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if input.shape != target.shape:
            raise GraphError(
                f"{self}: input and target should have the same size, got {tuple(input.shape)} "
                f"and {tuple(target.shape)}"
            )
        # Torch7 counts only positive targets.
        return self.mean_or_sum(F.kl_div(input, target.clamp(min=0), reduction="none"))


class _BinaryCrossEntropy(torch.autograd.Function):
    """The elementwise cross-entropy, with the gradient (x - y) / ((1 - x + eps) (x + eps)).

    This is Torch7's gradient, which differs slightly from the gradient of its loss: it is 0 where x
    equals y, even at 0 and 1.
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


class _WeightedColumns(Weighted):
    """Base of the criteria with a factor for each column."""

    def weighted(self, losses: torch.Tensor) -> torch.Tensor:
        """Return the mean or the sum of `losses` times their factors."""
        if self.weights is not None:
            losses = losses * like_sample(self, self.weights, losses, "weights")
        return self.mean_or_sum(losses)


class BCECriterion(_WeightedColumns):
    """Measures the binary cross-entropy of probabilities of any shape (``nn.BCECriterion``).

    The loss is -log(x) for target 1 and -log(1 - x) for target 0. 1e-12 is added inside the
    logarithms.

    Args:
        weights: A factor for each column, (columns,).
        sizeAverage: Take the mean over all elements; otherwise the sum.

    Raises:
        GraphError: At run time, if input and target hold different numbers of values or, on the
            CPU, an input is not a probability.
    """

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        target = like_input(self, input, target)
        if _can_be_read(input) and not bool(((input >= 0) & (input <= 1)).all()):
            raise GraphError(
                f"{self}: input values should be between 0 and 1, but they are "
                f"{input.min().item()}..{input.max().item()}. Did you forget a Sigmoid before it?"
            )
        return self.weighted(_BinaryCrossEntropy.apply(input, target.detach()))


def _can_be_read(input: torch.Tensor) -> bool:
    """Return whether reading values is cheap and does not break a trace."""
    return type(input) is torch.Tensor and input.is_cpu and not torch.compiler.is_compiling()


class MultiLabelSoftMarginCriterion(_WeightedColumns):
    """Measures the binary cross-entropy of scores (``nn.MultiLabelSoftMarginCriterion``).

    A sigmoid turns the scores, of any shape, into probabilities. Targets are 0 or 1.

    Args:
        weights: A factor for each column, (columns,).
        sizeAverage: Take the mean over all elements; otherwise the sum.
    """

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        target = like_input(self, input, target)
        return self.weighted(F.binary_cross_entropy_with_logits(input, target, reduction="none"))


class MarginCriterion(Averaged):
    """Measures the mean of max(0, margin - x * target) (``nn.MarginCriterion``).

    Targets are 1 or -1. If the field `sizeAverage` is False, the loss is the sum.
    """

    def __init__(self, margin: float | None = 1) -> None:
        super().__init__()
        self.margin = 1 if margin is None else margin

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        target = like_input(self, input, target)
        return self.mean_or_sum(torch.relu(self.margin - input * target))


class SoftMarginCriterion(Averaged):
    """Measures the mean of log(1 + exp(-x * target)) (``nn.SoftMarginCriterion``).

    Targets are 1 or -1. If the field `sizeAverage` is False, the loss is the sum.
    """

    def __init__(self) -> None:
        super().__init__()

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        return self.mean_or_sum(-F.logsigmoid(input * like_input(self, input, target)))


class HingeEmbeddingCriterion(Averaged):
    """Measures whether distances, of any shape, are small (``nn.HingeEmbeddingCriterion``).

    The loss is the mean of x for target 1 and max(0, margin - x) for target -1, or the sum if the
    field `sizeAverage` is False. One number may be the target of all distances.
    """

    def __init__(self, margin: float | None = 1) -> None:
        super().__init__()
        self.margin = 1 if margin is None else margin

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        target = torch.as_tensor(target, device=input.device)
        if target.numel() > 1:
            target = like_input(self, input, target)
        near = (target == 1).reshape(target.shape if target.numel() > 1 else ())
        return self.mean_or_sum(torch.where(near, input, (self.margin - input).clamp(min=0)))
