"""Criteria of pairs: the input is a table of two tensors that should be alike, apart or ordered."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from ...errors import GraphError
from ..core.criterion import Criterion
from ..core.shapes import expect_dims, expect_pair
from ..layers.pair import cosine


def _alike(criterion: Criterion, input: Any) -> tuple[torch.Tensor, torch.Tensor]:
    a, b = expect_pair(criterion, input)
    if a.shape != b.shape:
        raise GraphError(f"{criterion}: shapes differ: {tuple(a.shape)} and {tuple(b.shape)}")
    return a, b


class CosineEmbeddingCriterion(Criterion):
    """Pairs that should point the same way or not (``nn.CosineEmbeddingCriterion``).

    The input is a table of two (n,) or two (batch, n), the target one number or (batch,). The mean
    over the batch of 1 - cosine where the target is 1 and max(0, cosine - margin) where it is -1.
    With the field `sizeAverage` set to False, the sum.
    """

    def __init__(self, margin: float | None = 0) -> None:
        super().__init__()
        self.margin = margin or 0
        self.sizeAverage = True

    def updateOutput(self, input: Any, target: Any) -> torch.Tensor:
        a, b = _alike(self, input)
        expect_dims(self, a, (1, 2), "two vectors or two batches of them")
        cosines = cosine(torch.atleast_2d(a), torch.atleast_2d(b))  # (batch,)
        target = torch.as_tensor(target, device=a.device).reshape(-1)
        if target.shape != cosines.shape:
            raise GraphError(
                f"{self}: {len(cosines)} pairs with targets of shape {tuple(target.shape)}"
            )
        losses = torch.where(target == 1, 1 - cosines, torch.relu(cosines - self.margin))
        return losses.mean() if self.sizeAverage else losses.sum()


class L1HingeEmbeddingCriterion(Criterion):
    """One pair that should be near or far (``nn.L1HingeEmbeddingCriterion``).

    The input is a table of two tensors of one shape, the target one number. With d the sum of
    absolute differences: d where the target is 1, max(0, margin - d) where it is -1. The gradient
    of equal elements is 0, where Torch7's is -1 or 1 at random.
    """

    def __init__(self, margin: float | None = 1) -> None:
        super().__init__()
        self.margin = 1 if margin is None else margin

    def updateOutput(self, input: Any, target: Any) -> torch.Tensor:
        a, b = _alike(self, input)
        distance = (a - b).abs().sum()
        far = torch.as_tensor(target, device=a.device).reshape(()) == -1
        return torch.where(far, (self.margin - distance).clamp(min=0), distance)


class MarginRankingCriterion(Criterion):
    """Pairs of which one should be larger by a margin (``nn.MarginRankingCriterion``).

    The input is a table of two tensors of one shape, the target one number or of that shape. The
    sum of max(0, margin - target * (x1 - x2)), the target being 1 where the first should be larger
    and -1 otherwise; of a target of more than one number, divided by its first size, unless the
    field `sizeAverage` is False.
    """

    def __init__(self, margin: float | None = 1) -> None:
        super().__init__()
        self.margin = 1 if margin is None else margin
        self.sizeAverage = True

    def updateOutput(self, input: Any, target: Any) -> torch.Tensor:
        a, b = _alike(self, input)
        target = torch.as_tensor(target, device=a.device)
        if target.dim() and target.shape != a.shape:
            raise GraphError(
                f"{self}: pairs of shape {tuple(a.shape)} with targets of shape "
                f"{tuple(target.shape)}"
            )
        loss = (self.margin - target * (a - b)).clamp(min=0).sum()
        return loss / len(target) if self.sizeAverage and target.dim() else loss


class DistanceRatioCriterion(Criterion):
    """A distance that should be small against one that should be large; there is no target.

    The input is a table of two (batch,) (``nn.DistanceRatioCriterion``). The mean (or with
    ``sizeAverage=False`` the sum) of -log(exp(-x1) / (exp(-x1) + exp(-x2))).
    """

    def __init__(self, sizeAverage: bool | None = True) -> None:
        super().__init__()
        self.sizeAverage = sizeAverage is not False

    def updateOutput(self, input: Any, target: Any = None) -> torch.Tensor:
        near, far = _alike(self, input)
        loss = -F.logsigmoid(far - near).sum()
        return loss / len(near) if self.sizeAverage else loss
