"""The base of layers that work along one dimension of a sample."""

from __future__ import annotations

import torch

from ..core.counting import CountsFromOne
from ..core.module import Module
from ..core.shapes import sample_dimension


class AlongDimension(Module):
    """Base of layers that work along `dimension`, counted from 0 or, if negative, from the end.

    With `nInputDims`, an input with one more dimension is a batch, whose first dimension is not
    counted.
    """

    counts_from_one = CountsFromOne(arguments=("dimension",), fields=("dimension",))

    def __init__(self, dimension: int, nInputDims: int | None = None) -> None:
        super().__init__()
        self.dimension = dimension
        self.nInputDims = nInputDims

    def along(self, input: torch.Tensor) -> int:
        """Return `dimension` as a dimension of `input`, from 0.

        Raises:
            GraphError: If `input` does not have this dimension.
        """
        return sample_dimension(self, self.dimension, self.nInputDims, input)
