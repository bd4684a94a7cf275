"""Criteria for classification: targets are classes, counted from 0."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from ...errors import GraphError
from ..core.counting import CountsFromOne, counted, first_index
from ..core.criterion import Criterion
from .common import Averaged, Weighted

_IGNORE_NOTHING = -100


class ClassNLLCriterion(Weighted):
    """Measures the negative log-likelihood of classes (``nn.ClassNLLCriterion``).

    `input` holds log-probabilities, (batch, classes) or (classes,). `target` is (batch,) or one
    number, of any integer or floating-point type.

    Args:
        weights: A weight for each class, (classes,).
        sizeAverage: Divide by the batch size, or with `weights` by the sum of the targets' weights.
        ignoreIndex: A target that is not counted.

    Raises:
        GraphError: At run time, if a target is out of range or shapes do not fit.
    """

    counts_from_one = CountsFromOne(
        arguments=("ignoreIndex",), fields=("ignoreIndex",), target=True, zero={"ignoreIndex": -1}
    )

    def __init__(
        self,
        weights: torch.Tensor | None = None,
        sizeAverage: bool | None = True,
        ignoreIndex: int | None = _IGNORE_NOTHING,
    ) -> None:
        super().__init__(weights, sizeAverage)
        self.ignoreIndex = _IGNORE_NOTHING if ignoreIndex is None else ignoreIndex

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        target = counted(torch.as_tensor(target, device=input.device).long())
        target = target.reshape(()) if input.dim() == 1 else target.reshape(-1)
        if input.dim() not in (1, 2) or (input.dim() == 2 and len(target) != len(input)):
            raise GraphError(
                f"{self}: input of shape {tuple(input.shape)} with targets of shape "
                f"{tuple(target.shape)}; expecting (batch, classes) and (batch,)"
            )
        return self.nll(input, target)

    def nll(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss of targets of the right shape, with classes in dimension 1 of a batch.

        Raises:
            GraphError: If a target is out of range.
        """
        # If all targets are ignored, PyTorch's mean is 0 / 0 and Torch7's is 0.
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
            classes, first = input.shape[-1 if input.dim() < 3 else 1], first_index()
            raise GraphError(
                f"{self}: a target is out of range: targets are {target.min().item() + first}.."
                f"{target.max().item() + first}, but classes are {first}..{classes - 1 + first} "
                f"(they count from {first})"
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
    """Measures `ClassNLLCriterion` at each pixel (``nn.SpatialClassNLLCriterion``).

    `input` is (batch, classes, height, width), `target` (batch, height, width).
    """

    counts_from_one = ClassNLLCriterion.counts_from_one._replace(arguments=())

    def __init__(
        self, weights: torch.Tensor | None = None, sizeAverage: bool | None = True
    ) -> None:
        super().__init__(weights, sizeAverage)

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        target = counted(torch.as_tensor(target, device=input.device).long())
        if input.dim() != 4 or target.shape != (input.shape[0], *input.shape[2:]):
            raise GraphError(
                f"{self}: input of shape {tuple(input.shape)} with targets of shape "
                f"{tuple(target.shape)}; expecting (batch, classes, height, width) and (batch, "
                "height, width)"
            )
        return self.nll(input, target)


class CrossEntropyCriterion(Criterion):
    """Measures the cross-entropy of scores (``nn.CrossEntropyCriterion``).

    It combines `LogSoftMax` and `ClassNLLCriterion`. As in Torch7, dimensions of size 1 of `input`
    are dropped.
    """

    counts_from_one = CountsFromOne(target=True)

    def __init__(
        self, weights: torch.Tensor | None = None, sizeAverage: bool | None = True
    ) -> None:
        super().__init__()
        self.nll = ClassNLLCriterion(weights, sizeAverage)

    @property
    def sizeAverage(self) -> bool:
        """True for a mean, False for a sum; can be set."""
        return self.nll.sizeAverage

    @sizeAverage.setter
    def sizeAverage(self, value: bool) -> None:
        """Set whether the loss is a mean."""
        self.nll.sizeAverage = value

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        scores = input.squeeze()
        return self.nll.updateOutput(F.log_softmax(scores, scores.dim() - 1), target)


def _as_batch(
    criterion: Criterion, input: torch.Tensor, target: torch.Tensor, target_dims: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `input` as (batch, classes) and `target` with `target_dims` dimensions.

    Raises:
        GraphError: If their shapes do not fit.
    """
    if input.dim() == 1:
        input = input.unsqueeze(0)
        target = target.reshape(1, -1) if target_dims == 2 else target.reshape(-1)
    shape = input.shape if target_dims == 2 else input.shape[:1]
    if input.dim() != 2 or target.shape != shape:
        raise GraphError(
            f"{criterion}: inconsistent target size: input of shape {tuple(input.shape)} with "
            f"targets of shape {tuple(target.shape)}"
        )
    return input, target


class MultiMarginCriterion(Weighted):
    """Measures the margin of the target class over all others (``nn.MultiMarginCriterion``).

    The loss is the sum over other classes i of max(0, margin - x[target] + x[i]) ** p, divided by
    the number of classes. `input` is (batch, classes) or (classes,), `target` (batch,) or one
    number.

    Args:
        p: 1 or 2.
        weights: A factor for each target class, (classes,).
        margin: The margin.

    Raises:
        GraphError: If `p` is neither 1 nor 2, or at run time if shapes do not fit.
    """

    counts_from_one = CountsFromOne(target=True)

    def __init__(
        self,
        p: int | None = 1,
        weights: torch.Tensor | None = None,
        margin: float | None = 1.0,
    ) -> None:
        super().__init__(weights)
        if p not in (None, 1, 2):
            raise GraphError(f"nn.MultiMarginCriterion({p}): only p=1 and p=2 supported")
        self.p = p or 1
        self.margin = 1.0 if margin is None else margin

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        target = counted(torch.as_tensor(target, device=input.device).long())
        input, target = _as_batch(self, input, target, 1)
        score = input.gather(1, target.unsqueeze(1))  # (batch, 1)
        others = torch.arange(input.shape[1], device=input.device) != target.unsqueeze(1)
        excess = torch.relu(self.margin - score + input) * others  # (batch, classes)
        losses = excess if self.p == 1 else excess * excess
        if self.weights is not None:
            losses = losses * self.weights[target].unsqueeze(1)
        return self.mean_or_sum(losses.sum(1) / input.shape[1])


class MultiLabelMarginCriterion(Averaged):
    """Measures margins of 1 of target classes over others (``nn.MultiLabelMarginCriterion``).

    `input` is (batch, classes) or (classes,). `target` has the same shape and lists the target
    classes of a row, ended by -1 (0 in Torch7, which counts from 1).

    Raises:
        GraphError: At run time, if shapes do not fit.
    """

    counts_from_one = CountsFromOne(target=True)

    def __init__(self) -> None:
        super().__init__()

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        target = counted(torch.as_tensor(target, device=input.device).long())
        input, target = _as_batch(self, input, target, 2)
        listed = (target >= 0).cumprod(1)  # (batch, listed): 1 up to the first -1
        classes = target * listed
        targets = torch.zeros_like(input).scatter_add(1, classes, listed.to(input.dtype)) > 0
        scores = input.gather(1, classes)  # (batch, listed)
        excess = torch.relu(1 - scores.unsqueeze(2) + input.unsqueeze(1))
        counts = listed.unsqueeze(2) * ~targets.unsqueeze(1)  # (batch, listed, classes)
        return self.mean_or_sum((excess * counts).sum((1, 2)) / input.shape[1])


class ClassSimplexCriterion(Averaged):
    """Measures squared distances to the corners of a simplex (``nn.ClassSimplexCriterion``).

    `input` is (batch, nClasses) or (nClasses,), `target` (batch,) or one number. The corners, one
    for each class, are the rows of `simplex`, (nClasses, nClasses): unit vectors at equal distances
    from each other, whose last coordinate is 0.

    Raises:
        GraphError: If there are fewer than two classes, or at run time if shapes do not fit.
    """

    counts_from_one = CountsFromOne(target=True)
    simplex: torch.Tensor

    def __init__(self, nClasses: int) -> None:
        super().__init__()
        if isinstance(nClasses, bool) or not isinstance(nClasses, int) or nClasses < 2:
            raise GraphError(f"nn.ClassSimplexCriterion({nClasses}): expecting at least 2 classes")
        self.nClasses = nClasses
        self.register_buffer("simplex", _simplex(nClasses))

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        target = counted(torch.as_tensor(target, device=input.device).long())
        input, target = _as_batch(self, input, target, 1)
        corners = self.simplex[target]  # (batch, nClasses)
        if corners.shape != input.shape:
            raise GraphError(
                f"{self}: expecting {self.nClasses} columns, got shape {tuple(input.shape)}"
            )
        return self.mean_or_sum((input - corners).square())

    def getPredictions(self, input: torch.Tensor) -> torch.Tensor:
        """Return the dot products of inputs and corners, (batch, nClasses)."""
        return torch.atleast_2d(input) @ self.simplex.t()

    def getTopPrediction(self, input: torch.Tensor) -> torch.Tensor:
        """Return the class with the largest dot product, (batch,)."""
        return self.getPredictions(input).argmax(1)


def _simplex(corners: int) -> torch.Tensor:
    """Return unit vectors with pairwise dot products -1 / (corners - 1), (corners, corners).

    The rows are computed like the factor of a Cholesky factorization: the diagonal makes the length
    1, the elements below it the dot products.
    """
    rows = torch.zeros(corners, corners)
    for k in range(corners - 1):
        rows[k, k] = (1 - rows[k, :k].square().sum()).sqrt()
        dot = -1 / (corners - 1) - rows[k, :k].square().sum()
        rows[k + 1 :, k] = dot / rows[k, k]
    return rows
