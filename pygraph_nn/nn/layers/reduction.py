"""Reductions of one dimension: sum, mean, maximum, minimum."""

from __future__ import annotations

import torch

from ..core.shapes import at_least_1d
from .dimension import AlongDimension


class _Reduction(AlongDimension):
    """Base of the layers that reduce `dimension` and drop it; a vector becomes (1,)."""

    def __init__(self, dimension: int = 0, nInputDims: int | None = None) -> None:
        super().__init__(0 if dimension is None else dimension, nInputDims)


class Max(_Reduction):
    """Takes the maximum along `dimension`, counted as in `SplitTable` (``nn.Max``).

    Of equal values the first gets the gradient.
    """

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return at_least_1d(torch.max(input, self.along(input)).values)


class Min(_Reduction):
    """Takes the minimum along `dimension`, counted as in `SplitTable` (``nn.Min``).

    Of equal values the first gets the gradient.
    """

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return at_least_1d(torch.min(input, self.along(input)).values)


class Sum(_Reduction):
    """Sums along `dimension`, counted as in `SplitTable` (``nn.Sum``).

    Args:
        dimension: The dimension to reduce.
        nInputDims: The number of dimensions of one sample.
        sizeAverage: Divide by the size of the dimension.
        squeeze: Drop the dimension; otherwise it keeps size 1.
    """

    def __init__(
        self,
        dimension: int = 0,
        nInputDims: int | None = None,
        sizeAverage: bool = False,
        squeeze: bool = True,
    ) -> None:
        super().__init__(dimension, nInputDims)
        self.sizeAverage = bool(sizeAverage)
        self.squeeze = squeeze is None or bool(squeeze)

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        dimension = self.along(input)
        total = input.sum(dimension, keepdim=not self.squeeze)
        return at_least_1d(total / input.shape[dimension] if self.sizeAverage else total)


class Mean(Sum):
    """Takes the mean along `dimension`, counted as in `SplitTable` (``nn.Mean``)."""

    def __init__(self, dimension: int = 0, nInputDims: int | None = None) -> None:
        super().__init__(dimension, nInputDims, True)
