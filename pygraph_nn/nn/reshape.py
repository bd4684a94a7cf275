"""Layers that only change shapes: Reshape and View."""

from __future__ import annotations

import math

import torch

from ..errors import GraphError
from .module import Module


class Reshape(Module):
    """The input in the shape `size` (``nn.Reshape``), of one sample or of a batch of samples.

    With `batchMode` the first dimension is the batch, and kept; without it there is none. By
    default an input is one sample if it has as many values as `size` and its first dimension is
    not 1.

    Raises:
        GraphError: at run time, the number of values does not fit.
    """

    def __init__(self, *size: int, batchMode: bool | None = None) -> None:
        super().__init__()
        # In Lua the mode is a last argument: nn.Reshape(2, 3, true).
        if size and isinstance(size[-1], bool):
            batchMode, size = size[-1], size[:-1]
        self.size = tuple(size)
        self.batchMode = batchMode
        self.nelement = math.prod(self.size)

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        one_sample = self.batchMode is False or (
            self.batchMode is None
            and input.numel() == self.nelement
            and not (input.dim() and input.shape[0] == 1)
        )
        size = self.size if one_sample else (*input.shape[:1], *self.size)
        if math.prod(size) != input.numel():
            raise GraphError(
                f"{self}: wrong size for view. Input size: {tuple(input.shape)}. "
                f"Output size: {size}"
            )
        return input.reshape(size)

    def __repr__(self) -> str:
        return f"nn.Reshape({'x'.join(map(str, self.size))})"


class View(Module):
    """The input viewed as `sizes` (``nn.View``), one of which may be -1.

    A leading batch dimension is kept: what the input holds more than `sizes` is the batch. With
    ``setNumInputDims(n)`` all but the last n dimensions are.

    Raises:
        GraphError: `sizes` hold 0, or -1 twice; at run time, the number of values does not fit.
    """

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        if any(size < -1 or size == 0 for size in sizes):
            raise GraphError(f"View{sizes}: sizes should be positive or -1")
        if sizes.count(-1) > 1:
            raise GraphError(f"View{sizes}: only one dimension can be at -1")
        self.size = tuple(sizes)
        self.numElements = math.prod(size for size in sizes if size > 0)
        self.numInputDims: int | None = None

    def setNumInputDims(self, numInputDims: int) -> View:
        """Say how many dimensions one sample has."""
        self.numInputDims = numInputDims
        return self

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        sample_dims = min(self.numInputDims or input.dim(), input.dim())
        batch_shape = input.shape[: input.dim() - sample_dims]
        per_sample = math.prod(input.shape[input.dim() - sample_dims :])
        if per_sample % self.numElements:
            raise GraphError(
                f"{self}: input view ({'x'.join(map(str, input.shape))}) and desired view "
                f"({'x'.join(map(str, self.size))}) do not match"
            )
        batch = (1 if -1 in self.size else per_sample // self.numElements) * math.prod(batch_shape)
        if batch == 1 and not batch_shape:
            return input.reshape(self.size)
        return input.reshape(batch, *self.size)

    def __repr__(self) -> str:
        return f"nn.View({', '.join(map(str, self.size))})"
