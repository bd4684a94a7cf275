"""Criteria of classes: the target says which class, or classes, are right. Classes count from 0."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from ...errors import GraphError
from ..core.criterion import Criterion
from .common import check_weights, reduced

_IGNORE_NOTHING = -100


class ClassNLLCriterion(Criterion):
    """The negative log-likelihood of classes (``nn.ClassNLLCriterion``).

    `input` holds log-probabilities, (batch, classes) or (classes,); `target` classes from 0,
    (batch,) or one number, of any integer or floating type.

    Args:
        weights: a weight for each class, (classes,).
        sizeAverage: divide by the batch size (with `weights`, by the sum of the targets' weights).
        ignoreIndex: a target that does not count.

    Raises:
        GraphError: at run time, a target is out of range or there are not as many as rows.
    """

    weights: torch.Tensor | None

    def __init__(
        self,
        weights: torch.Tensor | None = None,
        sizeAverage: bool | None = True,
        ignoreIndex: int | None = _IGNORE_NOTHING,
    ) -> None:
        super().__init__()
        self.register_buffer("weights", check_weights(type(self).__name__, weights))
        self.sizeAverage = sizeAverage is not False
        self.ignoreIndex = _IGNORE_NOTHING if ignoreIndex is None else ignoreIndex

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        target = torch.as_tensor(target, device=input.device).long()
        target = target.reshape(()) if input.dim() == 1 else target.reshape(-1)
        if input.dim() not in (1, 2) or (input.dim() == 2 and len(target) != len(input)):
            raise GraphError(
                f"{self}: input of shape {tuple(input.shape)} with targets of shape "
                f"{tuple(target.shape)}; expecting (batch, classes) and (batch,)"
            )
        return self.nll(input, target)

    def nll(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The loss for targets of a checked shape; classes stand in dimension 1 of a batch."""
        # Where all targets are ignored torch's mean is 0 / 0, Torch7's 0.
        may_be_empty = self.ignoreIndex != _IGNORE_NOTHING or self.weights is not None
        by_torch = self.sizeAverage and not may_be_empty
        try:
            loss = F.nll_loss(
                input,
                target,
                self.weights,
                ignore_index=self.ignoreIndex,
                reduction="mean" if by_torch else "sum",
            )
        except (IndexError, RuntimeError) as error:
            if "out of bounds" not in str(error):
                raise
            classes = input.shape[-1 if input.dim() < 3 else 1]
            raise GraphError(
                f"{self}: a target is out of range: the targets are {target.min().item()}.."
                f"{target.max().item()}, the classes 0..{classes - 1} (they count from 0)"
            ) from error
        if by_torch or not self.sizeAverage:
            return loss
        counted = target != self.ignoreIndex
        weights = counted.to(input.dtype)
        if self.weights is not None:
            weights = weights * self.weights[target * counted]
        total = weights.sum()
        return loss / total.masked_fill(total == 0, 1)


class SpatialClassNLLCriterion(ClassNLLCriterion):
    """`ClassNLLCriterion` for each place of an image (``nn.SpatialClassNLLCriterion``).

    `input` is (batch, classes, height, width), `target` (batch, height, width).
    """

    def __init__(
        self, weights: torch.Tensor | None = None, sizeAverage: bool | None = True
    ) -> None:
        super().__init__(weights, sizeAverage)

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        target = torch.as_tensor(target, device=input.device).long()
        if input.dim() != 4 or target.shape != (input.shape[0], *input.shape[2:]):
            raise GraphError(
                f"{self}: input of shape {tuple(input.shape)} with targets of shape "
                f"{tuple(target.shape)}; expecting (batch, classes, height, width) and (batch, "
                "height, width)"
            )
        return self.nll(input, target)


class CrossEntropyCriterion(Criterion):
    """LogSoftMax and ClassNLLCriterion in one (``nn.CrossEntropyCriterion``).

    `input` holds scores; dimensions of size 1 are dropped, as in Torch7.
    """

    def __init__(
        self, weights: torch.Tensor | None = None, sizeAverage: bool | None = True
    ) -> None:
        super().__init__()
        self.nll = ClassNLLCriterion(weights, sizeAverage)

    @property
    def sizeAverage(self) -> bool:
        """Whether the loss is a mean; can be set."""
        return self.nll.sizeAverage

    @sizeAverage.setter
    def sizeAverage(self, value: bool) -> None:
        self.nll.sizeAverage = value

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        scores = input.squeeze()
        return self.nll.updateOutput(F.log_softmax(scores, scores.dim() - 1), target)


def _as_batch(
    criterion: Criterion, input: torch.Tensor, target: torch.Tensor, target_dims: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Input (batch, classes) and target of `target_dims` dimensions, of a batch or of one."""
    one = input.dim() == 1
    if one:
        input = input.unsqueeze(0)
        target = target.reshape(1, -1) if target_dims == 2 else target.reshape(-1)
    shape = input.shape if target_dims == 2 else input.shape[:1]
    if input.dim() != 2 or target.shape != shape:
        raise GraphError(
            f"{criterion}: inconsistent target size: input of shape {tuple(input.shape)} with "
            f"targets of shape {tuple(target.shape)}"
        )
    return input, target


class MultiMarginCriterion(Criterion):
    """A margin between the right class and all others (``nn.MultiMarginCriterion``).

    The sum over other classes i of max(0, margin - x[target] + x[i]) ** p, divided by the number
    of classes. `input` is (batch, classes) or (classes,), `target` (batch,) or one number.

    Args:
        p: 1 or 2.
        weights: a factor for each target class, (classes,).
        margin: the margin, 1 if not given.

    Raises:
        GraphError: p is neither 1 nor 2; at run time, shapes do not fit.
    """

    weights: torch.Tensor | None

    def __init__(
        self,
        p: int | None = 1,
        weights: torch.Tensor | None = None,
        margin: float | None = 1.0,
    ) -> None:
        super().__init__()
        if p not in (None, 1, 2):
            raise GraphError(f"nn.MultiMarginCriterion({p}): only p=1 and p=2 supported")
        self.p = p or 1
        self.margin = 1.0 if margin is None else margin
        self.sizeAverage = True
        self.register_buffer("weights", check_weights("MultiMarginCriterion", weights))

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        target = torch.as_tensor(target, device=input.device).long()
        input, target = _as_batch(self, input, target, 1)
        right = input.gather(1, target.unsqueeze(1))  # (batch, 1)
        others = torch.arange(input.shape[1], device=input.device) != target.unsqueeze(1)
        excess = torch.relu(self.margin - right + input) * others
        losses = excess if self.p == 1 else excess * excess
        if self.weights is not None:
            losses = losses * self.weights[target].unsqueeze(1)
        return reduced(losses.sum(1) / input.shape[1], self.sizeAverage)


class MultiLabelMarginCriterion(Criterion):
    """A margin of 1 between each right class and each wrong one (``nn.MultiLabelMarginCriterion``).

    `input` is (batch, classes) or (classes,); `target`, of the same shape, lists the right classes
    from 0, ended by -1 (where Torch7, counting from 1, has 0).

    Raises:
        GraphError: at run time, shapes do not fit.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sizeAverage = True

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        target = torch.as_tensor(target, device=input.device).long()
        input, target = _as_batch(self, input, target, 2)
        listed = (target >= 0).cumprod(1)  # (batch, listed): 1 up to the first -1
        places = target * listed
        right = torch.zeros_like(input).scatter_add(1, places, listed.to(input.dtype)) > 0
        scores = input.gather(1, places)  # (batch, listed)
        excess = torch.relu(1 - scores.unsqueeze(2) + input.unsqueeze(1))
        counts = listed.unsqueeze(2) * ~right.unsqueeze(1)
        return reduced((excess * counts).sum((1, 2)) / input.shape[1], self.sizeAverage)


class ClassSimplexCriterion(Criterion):
    """Mean squared distance to the right corner of a simplex (``nn.ClassSimplexCriterion``).

    `input` is (batch, nClasses) or (nClasses,), `target` (batch,) or one number. The corners, one
    for each class, are the rows of `simplex`, (nClasses, nClasses): unit vectors, equally far from
    each other, whose last coordinate is 0.

    Raises:
        GraphError: there are fewer than two classes; at run time, shapes do not fit.
    """

    simplex: torch.Tensor

    def __init__(self, nClasses: int) -> None:
        super().__init__()
        if isinstance(nClasses, bool) or not isinstance(nClasses, int) or nClasses < 2:
            raise GraphError(f"nn.ClassSimplexCriterion({nClasses}): expecting at least 2 classes")
        self.nClasses = nClasses
        self.sizeAverage = True
        self.register_buffer("simplex", _simplex(nClasses))

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        target = torch.as_tensor(target, device=input.device).long()
        input, target = _as_batch(self, input, target, 1)
        corners = self.simplex[target]  # (batch, nClasses)
        if corners.shape != input.shape:
            raise GraphError(
                f"{self}: expecting {self.nClasses} columns, got shape {tuple(input.shape)}"
            )
        return reduced((input - corners).square(), self.sizeAverage)

    def getPredictions(self, input: torch.Tensor) -> torch.Tensor:
        """How far each input points to each corner: the dot products, (batch, nClasses)."""
        return torch.atleast_2d(input) @ self.simplex.t()

    def getTopPrediction(self, input: torch.Tensor) -> torch.Tensor:
        """The class, from 0, whose corner each input points to most, (batch,)."""
        return self.getPredictions(input).argmax(1)


def _simplex(corners: int) -> torch.Tensor:
    """Unit vectors with pairwise dot products -1 / (corners - 1), one a row, (corners, corners).

    Coordinate by coordinate, as in a Cholesky factorization: what is left of a vector's length
    stands on the diagonal, what the dot product asks for below it.
    """
    made = torch.zeros(corners, corners)
    for k in range(corners - 1):
        made[k, k] = (1 - made[k, :k].square().sum()).sqrt()
        dot = -1 / (corners - 1) - made[k, :k].square().sum()
        made[k + 1 :, k] = dot / made[k, k]
    return made
