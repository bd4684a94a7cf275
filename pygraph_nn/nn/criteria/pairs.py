"""Criteria of pairs: the input is a table of two tensors to be similar, dissimilar or ordered."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from ...errors import GraphError
from ..core.criterion import Criterion
from ..core.shapes import expect_dims, expect_same_shape
from ..layers.pair import cosine
from .common import Averaged


class CosineEmbeddingCriterion(Averaged):
    """Measures whether vectors have similar directions (``nn.CosineEmbeddingCriterion``).

    The input is a table of two (n,) or two (batch, n), the target one number or (batch,). The loss
    is 1 - cosine for target 1 and max(0, cosine - margin) for target -1. It is averaged over the
    batch, or summed if the field `sizeAverage` is False.

    Raises:
        GraphError: At run time, if shapes do not fit.
    """

    def __init__(self, margin: float | None = 0) -> None:
        super().__init__()
        self.margin = margin or 0

    def updateOutput(self, input: Any, target: Any) -> torch.Tensor:
        a, b = expect_same_shape(self, input)
        expect_dims(self, a, (1, 2), "two vectors or two batches of them")
        cosines = cosine(torch.atleast_2d(a), torch.atleast_2d(b))  # (batch,)
        target = torch.as_tensor(target, device=a.device).reshape(-1)
        if target.shape != cosines.shape:
            raise GraphError(
                f"{self}: {len(cosines)} pairs with targets of shape {tuple(target.shape)}"
            )
        losses = torch.where(target == 1, 1 - cosines, torch.relu(cosines - self.margin))
        return self.mean_or_sum(losses)


class L1HingeEmbeddingCriterion(Criterion):
    """Measures whether two tensors are close in the L1 norm (``nn.L1HingeEmbeddingCriterion``).

    The input is a table of two tensors of one shape, the target one number. With d the sum of
    absolute differences, the loss is d for target 1 and max(0, margin - d) for target -1. The
    gradient of equal elements is 0; Torch7's is -1 or 1 at random.

    Raises:
        GraphError: At run time, if the shapes differ.
    """

    def __init__(self, margin: float | None = 1) -> None:
        super().__init__()
        self.margin = 1 if margin is None else margin

    def updateOutput(self, input: Any, target: Any) -> torch.Tensor:
        a, b = expect_same_shape(self, input)
        distance = (a - b).abs().sum()
        far = torch.as_tensor(target, device=a.device).reshape(()) == -1
        return torch.where(far, (self.margin - distance).clamp(min=0), distance)


class MarginRankingCriterion(Averaged):
    """Measures whether one tensor is larger by a margin (``nn.MarginRankingCriterion``).

    The input is a table of two tensors of one shape. The target is one number or has this shape; it
    is 1 where the first tensor should be larger and -1 elsewhere. The loss is the sum of
    max(0, margin - target * (x1 - x2)), divided by the first size of a target tensor unless the
    field `sizeAverage` is False.

    Raises:
        GraphError: At run time, if shapes do not fit.
    """

    def __init__(self, margin: float | None = 1) -> None:
        super().__init__()
        self.margin = 1 if margin is None else margin

    def updateOutput(self, input: Any, target: Any) -> torch.Tensor:
        a, b = expect_same_shape(self, input)
        target = torch.as_tensor(target, device=a.device)
        if target.dim() and target.shape != a.shape:
            raise GraphError(
                f"{self}: pairs of shape {tuple(a.shape)} with targets of shape "
                f"{tuple(target.shape)}"
            )
        loss = (self.margin - target * (a - b)).clamp(min=0).sum()
        return loss / len(target) if self.sizeAverage and target.dim() else loss


class DistanceRatioCriterion(Averaged):
    """Compares small distances to large ones, without a target (``nn.DistanceRatioCriterion``).

    The input is a table of two (batch,). The loss is the mean, or with ``sizeAverage=False`` the
    sum, of -log(exp(-x1) / (exp(-x1) + exp(-x2))).

    Raises:
        GraphError: At run time, if the shapes differ.
    """

    def updateOutput(self, input: Any, target: Any = None) -> torch.Tensor:
        near, far = expect_same_shape(self, input)
        loss = -F.logsigmoid(far - near).sum()
        return loss / len(near) if self.sizeAverage else loss
