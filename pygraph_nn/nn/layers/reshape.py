"""Layers that only change the shape: Reshape, View, Transpose, Squeeze, Replicate and others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from ...errors import GraphError
from ..core.counting import CountsFromOne
from ..core.module import Module
from ..core.shapes import as_size, at_least_1d, sample_dimension
from ..core.torch7_form import Torch7Form


class _OfSamples(Module):
    """Base of the layers whose number of dimensions of one sample can be set."""

    def __init__(self, numInputDims: int | None = None) -> None:
        super().__init__()
        self.numInputDims = numInputDims

    def setNumInputDims(self, numInputDims: int) -> Any:
        """Set the number of dimensions of one sample and return the layer."""
        self.numInputDims = numInputDims
        return self


class Reshape(Module):
    """Reshapes one sample, or each sample of a batch, to `size` (``nn.Reshape``).

    If `batchMode` is True, the first dimension is the batch and stays; if False, the input is one
    sample. By default an input is one sample if it has as many values as `size` and its first
    dimension is not 1.

    Raises:
        GraphError: At run time, if the number of values does not fit.
    """

    torch7_form = Torch7Form(storages=("size",), scratch={"batchsize": "LongStorage"})

    def __init__(self, *size: Any, batchMode: bool | None = None) -> None:
        super().__init__()
        # In Lua the mode is a last argument: nn.Reshape(2, 3, true).
        if size and isinstance(size[-1], bool):
            batchMode, size = size[-1], size[:-1]
        self.size = as_size(size)
        self.batchMode = batchMode
        self.nelement = math.prod(self.size)

    def row_wise(self, shapes: Sequence[torch.Size]) -> bool:
        """Return True if a step and all steps together are both batches of samples."""
        if self.batchMode is False or math.prod(shapes[0][2:]) != self.nelement:
            return False
        # Without a mode, a batch of empty samples has as many values as one sample.
        return self.batchMode is True or self.nelement > 0

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


class View(_OfSamples):
    """Views the input as `sizes` (``nn.View``), one of which may be -1.

    An input with more values than `sizes` is a batch, and the output gets a batch dimension. With
    ``setNumInputDims(n)`` all but the last n dimensions form the batch.

    Raises:
        GraphError: If `sizes` contains 0, or -1 twice, or at run time if the number of values does
            not fit.
    """

    torch7_form = Torch7Form(arguments={"sizes": "size"}, storages=("size",))

    def __init__(self, *sizes: Any) -> None:
        super().__init__()
        self.resetSize(*sizes)

    def resetSize(self, *sizes: Any) -> View:
        """Set `sizes` and return the layer.

        Raises:
            GraphError: If `sizes` contains 0, or -1 twice.
        """
        sizes = as_size(sizes)
        if any(size < -1 or size == 0 for size in sizes):
            raise GraphError(f"View{sizes}: sizes should be positive or -1")
        if sizes.count(-1) > 1:
            raise GraphError(f"View{sizes}: only one dimension can be at -1")
        self.size = sizes
        self.numElements = math.prod(size for size in sizes if size > 0)
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
    """Flattens a sample of `nInputDim` dimensions, or each sample of a batch (``nn.Collapse``)."""

    def __init__(self, nInputDim: int) -> None:
        super().__init__()
        self.nInputDim = nInputDim

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return input.flatten(1 if input.dim() > self.nInputDim else 0)


class Squeeze(_OfSamples):
    """Removes all dimensions of size 1, or only dimension `dim` (``nn.Squeeze``).

    A dimension of another size stays. With `numInputDims`, an input with one more dimension is a
    batch, whose first dimension is not counted and stays. The output has at least one dimension.
    """

    counts_from_one = CountsFromOne(arguments=("dim",), fields=("dim",))

    def __init__(self, dim: int | None = None, numInputDims: int | None = None) -> None:
        super().__init__(numInputDims)
        self.dim = dim

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        if self.dim is not None:
            dim = sample_dimension(self, self.dim, self.numInputDims, input)
            return at_least_1d(input.squeeze(dim))
        batched = self.numInputDims and input.dim() == self.numInputDims + 1
        first = 1 if batched else 0
        sizes = [size for i, size in enumerate(input.shape) if i < first or size != 1]
        return at_least_1d(input.reshape(sizes))


class Unsqueeze(_OfSamples):
    """Inserts a dimension of size 1 before dimension `pos` (``nn.Unsqueeze``).

    `pos` counts from 0 up to the number of dimensions; a negative one counts from the end, where -1
    is after the last dimension. With `numInputDims`, additional leading dimensions are the batch
    and are not counted. Torch7 takes this number from its first input by default; this layer does
    not.

    Raises:
        GraphError: At run time, if the position is out of range.
    """

    counts_from_one = CountsFromOne(arguments=("pos",), fields=("pos",))

    def __init__(self, pos: int, numInputDims: int | None = None) -> None:
        super().__init__(numInputDims)
        self.pos = pos

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        offset = input.dim() - self.numInputDims if self.numInputDims and self.pos >= 0 else 0
        pos = self.pos + offset
        if offset < 0 or not -input.dim() - 1 <= pos <= input.dim():
            raise GraphError(
                f"{self}: invalid position {self.pos} in an input of shape {tuple(input.shape)} "
                f"with samples of {self.numInputDims or input.dim()} dimensions; positions count "
                "from 0"
            )
        return input.unsqueeze(pos)

    def __repr__(self) -> str:
        return f"nn.Unsqueeze(dim {self.pos})"


class Transpose(_OfSamples):
    """Swaps pairs of dimensions, one pair after the other (``nn.Transpose``).

    In ``nn.Transpose([0, 1], [1, 2])`` dimensions count from 0, negative ones from the end. With
    ``setNumInputDims(n)`` only the last n dimensions are counted. As in Torch7, the output is a
    contiguous copy.

    Raises:
        GraphError: If an argument is not a pair, or at run time if a dimension is out of range.
    """

    counts_from_one = CountsFromOne(arguments=("permutations",), fields=("permutations",))

    def __init__(self, *permutations: Any) -> None:
        super().__init__()
        for pair in permutations:
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                raise GraphError(
                    f"nn.Transpose: expecting pairs of dimensions, as in nn.Transpose([0, 1]), "
                    f"got {pair!r}"
                )
        self.permutations = [tuple(pair) for pair in permutations]

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
    """Makes the input contiguous in memory, by a copy if necessary (``nn.Contiguous``)."""

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return input.contiguous()


class Replicate(Module):
    """Repeats the input `nf` times along a new dimension `dim` (``nn.Replicate``).

    `dim` counts from 0. With `ndim`, an input with more dimensions is a batch, whose first
    dimension is not counted. Nothing is copied.

    Raises:
        GraphError: If `dim` is negative, or at run time if the input has too few dimensions.
    """

    torch7_form = Torch7Form(arguments={"nf": "nfeatures"})
    counts_from_one = CountsFromOne(arguments=("dim",), fields=("dim",))

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
                f"{self}: not enough input dimensions to replicate along dimension {self.dim}, got "
                f"shape {tuple(input.shape)}"
            )
        return input.unsqueeze(dim).expand(*input.shape[:dim], self.nfeatures, *input.shape[dim:])
