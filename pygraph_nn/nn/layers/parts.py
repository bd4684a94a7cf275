"""Parts of a tensor: Select, Narrow, Index, MaskedSelect; and Padding, which adds some."""

from __future__ import annotations

from typing import Any

import torch

from ...errors import GraphError
from ..core.module import Module
from ..core.shapes import expect_pair, sample_dimension


class Select(Module):
    """The slice `index` along `dimension`, without that dimension (``nn.Select``).

    Both count from 0, negative ones from the end. Like Torch7's it is a copy, so that an in-place
    layer after it leaves the input alone.

    Raises:
        GraphError: at run time, there is no such slice.
    """

    def __init__(self, dimension: int, index: int) -> None:
        super().__init__()
        self.dimension = dimension
        self.index = index

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        dimension = sample_dimension(self, self.dimension, None, input)
        size = input.shape[dimension]
        if not -size <= self.index < size:
            raise GraphError(
                f"{self}: index {self.index} along dimension {dimension} of an input of shape "
                f"{tuple(input.shape)}; indices count from 0"
            )
        return input.select(dimension, self.index).clone()


class Narrow(Module):
    """`length` slices along `dimension` from `offset` on (``nn.Narrow``), a copy as in `Select`.

    All count from 0, a negative dimension from the end. A negative length leads to the end: -1 to
    the last slice, -2 to the one before. With a negative offset, as in Torch7, the last `length`
    slices are left out.

    Raises:
        GraphError: at run time, the part reaches beyond the input.
    """

    def __init__(self, dimension: int, offset: int, length: int = 1) -> None:
        super().__init__()
        self.dimension = dimension
        self.index = offset
        self.length = 1 if length is None else length

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        dimension = sample_dimension(self, self.dimension, None, input)
        size = input.shape[dimension]
        if self.index < 0:
            start, length = 0, size - self.length
        else:
            start = self.index
            length = self.length if self.length >= 0 else size - start + self.length + 1
        if length < 1 or start + length > size:
            raise GraphError(
                f"{self}({self.dimension}, {self.index}, {self.length}): no such part of an input "
                f"of shape {tuple(input.shape)}; offsets count from 0"
            )
        return input.narrow(dimension, start, length).clone()


class Index(Module):
    """[tensor, indices]: its slices at the indices along `dimension` (``nn.Index``).

    Dimension and indices count from 0; the indices, (n,), get no gradient.

    Raises:
        GraphError: at run time, the indices are no vector.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.dimension = dimension

    def updateOutput(self, input: Any) -> torch.Tensor:
        tensor, indices = expect_pair(self, input, "a tensor and its indices")
        if indices.dim() != 1:
            raise GraphError(f"{self}: indices must be (n,), got shape {tuple(indices.shape)}")
        dimension = sample_dimension(self, self.dimension, None, tensor)
        return tensor.index_select(dimension, indices.long())


class MaskedSelect(Module):
    """[tensor, mask]: the elements where the mask is not 0, as (n,) (``nn.MaskedSelect``)."""

    def updateOutput(self, input: Any) -> torch.Tensor:
        tensor, mask = expect_pair(self, input, "a tensor and a mask")
        return torch.masked_select(tensor, mask.bool())


class Padding(Module):
    """`value` put |`pad`| times into dimension `dim` (``nn.Padding``).

    A positive `pad` stands at the end, a negative one at the start; with `index`, that many slices
    before the end or after the start. One sample has `nInputDim` dimensions, if given; an input of
    another number is a batch, whose first dimension does not count. `dim` and `index` count from
    0, where Torch7's default index is 1.

    Raises:
        GraphError: at run time, the input is too small.
    """

    def __init__(
        self,
        dim: int,
        pad: int,
        nInputDim: int | None = None,
        value: float = 0,
        index: int = 0,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.pad = pad
        self.nInputDim = nInputDim
        self.value = 0 if value is None else value
        self.index = 0 if index is None else index

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        batched = self.dim >= 0 and self.nInputDim and input.dim() != self.nInputDim
        dim = sample_dimension(self, self.dim + bool(batched), None, input)
        size = input.shape[dim]
        if not 0 <= self.index <= size:
            raise GraphError(
                f"{self}: index {self.index} in dimension {dim} of an input of shape "
                f"{tuple(input.shape)}"
            )
        where = size - self.index if self.pad > 0 else self.index
        shape = [*input.shape[:dim], abs(self.pad), *input.shape[dim + 1 :]]
        padding = input.new_full(shape, self.value)
        before, after = input.narrow(dim, 0, where), input.narrow(dim, where, size - where)
        return torch.cat([before, padding, after], dim)
