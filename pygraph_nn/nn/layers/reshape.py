"""Layers that only change shapes: Reshape, View, Transpose, Squeeze, Replicate and the like."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from ...errors import GraphError
from ..core.module import Module
from ..core.shapes import as_size, at_least_1d, sample_dimension


class Reshape(Module):
    """The input in the shape `size` (``nn.Reshape``), of one sample or of a batch of samples.

    With `batchMode` the first dimension is the batch, and kept; without it there is none. By
    default an input is one sample if it has as many values as `size` and its first dimension is
    not 1.

    Raises:
        GraphError: at run time, the number of values does not fit.
    """

    def __init__(self, *size: Any, batchMode: bool | None = None) -> None:
        super().__init__()
        # In Lua the mode is a last argument: nn.Reshape(2, 3, true).
        if size and isinstance(size[-1], bool):
            batchMode, size = size[-1], size[:-1]
        self.size = as_size(size)
        self.batchMode = batchMode
        self.nelement = math.prod(self.size)

    def row_wise(self, shapes: Sequence[torch.Size]) -> bool:
        _, batch, *rest = shapes[0]
        if self.batchMode is False or math.prod(rest) != self.nelement:
            return False
        # Without a mode, one row of as many values as asked for may be a single sample.
        return self.batchMode is True or batch == 1 or self.nelement * batch != self.nelement

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

    def __init__(self, *sizes: Any) -> None:
        super().__init__()
        self.numInputDims: int | None = None
        self.resetSize(*sizes)

    def resetSize(self, *sizes: Any) -> View:
        """View as other sizes from now on."""
        sizes = as_size(sizes)
        if any(size < -1 or size == 0 for size in sizes):
            raise GraphError(f"View{sizes}: sizes should be positive or -1")
        if sizes.count(-1) > 1:
            raise GraphError(f"View{sizes}: only one dimension can be at -1")
        self.size = sizes
        self.numElements = math.prod(size for size in sizes if size > 0)
        return self

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


class Collapse(Module):
    """One sample of `nInputDim` dimensions as a vector, a batch as a matrix (``nn.Collapse``)."""

    def __init__(self, nInputDim: int) -> None:
        super().__init__()
        self.nInputDim = nInputDim

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return input.flatten(1 if input.dim() > self.nInputDim else 0)


class Squeeze(Module):
    """The input without its dimensions of size 1, or without dimension `dim` (``nn.Squeeze``).

    A `dim` of another size stays. With `numInputDims`, an input of one dimension more is a batch,
    whose first dimension does not count and stays. At least one dimension is left.
    """

    def __init__(self, dim: int | None = None, numInputDims: int | None = None) -> None:
        super().__init__()
        self.dim = dim
        self.numInputDims = numInputDims

    def setNumInputDims(self, numInputDims: int) -> Squeeze:
        """Say how many dimensions one sample has."""
        self.numInputDims = numInputDims
        return self

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        if self.dim is not None:
            dim = sample_dimension(self, self.dim, self.numInputDims, input)
            return at_least_1d(input.squeeze(dim))
        batched = self.numInputDims and input.dim() == self.numInputDims + 1
        first = 1 if batched else 0
        kept = [size for i, size in enumerate(input.shape) if i < first or size != 1]
        return at_least_1d(input.reshape(kept))


class Unsqueeze(Module):
    """The input with a dimension of size 1 before dimension `pos` (``nn.Unsqueeze``).

    `pos` counts from 0, up to the number of dimensions; a negative one counts from the end, -1
    putting it last. With `numInputDims`, dimensions that the input has beyond these are batch
    dimensions, which stand first and do not count. Torch7 takes this number from the first input
    where it is not given; ours has no such memory.

    Raises:
        GraphError: at run time, there is no such position.
    """

    def __init__(self, pos: int, numInputDims: int | None = None) -> None:
        super().__init__()
        self.pos = pos
        self.numInputDims = numInputDims

    def setNumInputDims(self, numInputDims: int) -> Unsqueeze:
        """Say how many dimensions one sample has."""
        self.numInputDims = numInputDims
        return self

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        offset = input.dim() - self.numInputDims if self.numInputDims and self.pos >= 0 else 0
        pos = self.pos + offset
        if offset < 0 or not -input.dim() - 1 <= pos <= input.dim():
            raise GraphError(
                f"{self}: invalid position {self.pos} for an input of shape "
                f"{tuple(input.shape)} whose samples have "
                f"{self.numInputDims or input.dim()} dimensions; positions count from 0"
            )
        return input.unsqueeze(pos)

    def __repr__(self) -> str:
        return f"nn.Unsqueeze(dim {self.pos})"


class Transpose(Module):
    """Pairs of dimensions swapped, one pair after the other (``nn.Transpose``).

    ``nn.Transpose([0, 1], [1, 2])``; dimensions count from 0, negative ones from the end. With
    ``setNumInputDims(n)``, dimensions beyond the last n do not count. Like Torch7's, the output is
    a copy in the new order.

    Raises:
        GraphError: an argument is no pair; at run time, there is no such dimension.
    """

    def __init__(self, *permutations: Any) -> None:
        super().__init__()
        for pair in permutations:
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                raise GraphError(
                    f"nn.Transpose: expecting pairs of dimensions, as in nn.Transpose([0, 1]), "
                    f"got {pair!r}"
                )
        self.permutations = [tuple(pair) for pair in permutations]
        self.numInputDims: int | None = None

    def setNumInputDims(self, numInputDims: int) -> Transpose:
        """Say how many dimensions one sample has."""
        self.numInputDims = numInputDims
        return self

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        offset = input.dim() - self.numInputDims if self.numInputDims else 0
        output = input
        for pair in self.permutations:
            a, b = (
                sample_dimension(self, dim + offset if dim >= 0 else dim, None, input)
                for dim in pair
            )
            output = output.transpose(a, b)
        return output.clone(memory_format=torch.contiguous_format)


class Contiguous(Module):
    """The input with its elements in order in memory (``nn.Contiguous``), a copy if need be."""

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return input.contiguous()


class Replicate(Module):
    """The input `nf` times along a new dimension `dim` (``nn.Replicate``).

    `dim` counts from 0. One sample has `ndim` dimensions, if given; an input of more is a batch,
    whose first dimension does not count. Nothing is copied.

    Raises:
        GraphError: `dim` is negative; at run time, the input has too few dimensions.
    """

    def __init__(self, nf: int, dim: int = 0, ndim: int | None = None) -> None:
        super().__init__()
        self.nfeatures = nf
        self.dim = 0 if dim is None else dim
        self.ndim = ndim
        if self.dim < 0:
            raise GraphError(f"nn.Replicate({nf}, {dim}): dim counts from 0, not from the end")

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        dim = self.dim + bool(self.ndim and input.dim() > self.ndim)
        if dim > input.dim():
            raise GraphError(
                f"{self}: not enough input dimensions to replicate along dimension {self.dim}: the "
                f"input has shape {tuple(input.shape)}"
            )
        return input.unsqueeze(dim).expand(*input.shape[:dim], self.nfeatures, *input.shape[dim:])
