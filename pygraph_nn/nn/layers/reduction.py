"""Reductions of one dimension: sum, mean, maximum, minimum."""

from __future__ import annotations

import torch

from ..core.module import Module
from ..core.shapes import at_least_1d, sample_dimension


class _OfDimension(Module):
    """Base of the layers that reduce `dimension`, counted as in `SplitTable`, and drop it.

    What is left of a vector has the shape (1,).
    """

    def __init__(self, dimension: int = 0, nInputDims: int | None = None) -> None:
        super().__init__()
        self.dimension = 0 if dimension is None else dimension
        self.nInputDims = nInputDims

    def along(self, input: torch.Tensor) -> int:
        return sample_dimension(self, self.dimension, self.nInputDims, input)


class Max(_OfDimension):
    """The maximum along `dimension` (``nn.Max``). Of equal values the first gets the gradient."""

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return at_least_1d(torch.max(input, self.along(input)).values)


class Min(_OfDimension):
    """The minimum along `dimension` (``nn.Min``). Of equal values the first gets the gradient."""

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return at_least_1d(torch.min(input, self.along(input)).values)


class Sum(_OfDimension):
    """The sum along `dimension`, or with `sizeAverage` the mean (``nn.Sum``).

    With ``squeeze=False`` the dimension stays, with size 1.
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
    """The mean along `dimension` (``nn.Mean``)."""

    def __init__(self, dimension: int = 0, nInputDims: int | None = None) -> None:
        super().__init__(dimension, nInputDims, True)
