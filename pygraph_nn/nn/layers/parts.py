"""Parts of a tensor: Select, Narrow, Index, MaskedSelect; also Padding."""

from __future__ import annotations

from typing import Any

import torch

from ...errors import GraphError
from ..core.counting import CountsFromOne, counted
from ..core.module import Module
from ..core.shapes import expect_pair, needs_floats, sample_dimension
from ..core.torch7_form import Torch7Form


class Select(Module):
    """Selects the slice `index` along `dimension` and drops the dimension (``nn.Select``).

    Both count from 0, negative ones from the end. As in Torch7, the output is a copy: an in-place
    layer after this one does not change the input.

    Raises:
        GraphError: At run time, if the dimension or the index is out of range.
    """

    counts_from_one = CountsFromOne(arguments=("dimension", "index"), fields=("dimension", "index"))

    def __init__(self, dimension: int, index: int) -> None:
        super().__init__()
        self.dimension = dimension
        self.index = index

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        dimension = sample_dimension(self, self.dimension, None, input)
        size = input.shape[dimension]
        if not -size <= self.index < size:
            raise GraphError(
                f"{self}: no index {self.index} along dimension {dimension} of an input of shape "
                f"{tuple(input.shape)}; indices count from 0"
            )
        return input.select(dimension, self.index).clone()


class Narrow(Module):
    """Selects `length` slices along `dimension`, starting at `offset` (``nn.Narrow``).

    `dimension` and `offset` count from 0, a negative dimension from the end. A length of -1 reaches
    to the last slice, -2 to the one before it. With a negative offset, as in Torch7, all but the
    last `length` slices are selected. The output is a copy, as in `Select`.

    Raises:
        GraphError: At run time, if the slices are out of range.
    """

    torch7_form = Torch7Form(arguments={"offset": "index"})
    counts_from_one = CountsFromOne(
        arguments=("dimension", "offset"), fields=("dimension", "index")
    )

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
    """Selects slices along `dimension` by a vector of indices (``nn.Index``).

    The input is a table [tensor, indices]. Dimension and indices count from 0. The indices, (n,),
    get no gradient.

    Raises:
        GraphError: At run time, if the indices are not a vector.
    """

    torch7_form = Torch7Form(has_table_input=True)
    takes_integers = True
    takes_table = True

    counts_from_one = CountsFromOne(arguments=("dimension",), fields=("dimension",), inputs=(1,))

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.dimension = dimension

    def updateOutput(self, input: Any) -> torch.Tensor:
        tensor, indices = expect_pair(self, input, "a tensor and its indices")
        if indices.dim() != 1:
            raise GraphError(f"{self}: indices must be (n,), got shape {tuple(indices.shape)}")
        dimension = sample_dimension(self, self.dimension, None, tensor)
        return tensor.index_select(dimension, counted(indices.long()))


class MaskedSelect(Module):
    """Selects the elements where a mask is not 0 (``nn.MaskedSelect``): [tensor, mask] to (n,).

    Raises:
        GraphError: At run time, if the mask has another number of elements than the tensor.
    """

    torch7_form = Torch7Form(
        scratch={
            "_maskIndices": "LongTensor",
            "_maskIndexBuffer": "LongTensor",
            "_maskIndexBufferCPU": "FloatTensor",
            "_gradBuffer": "Tensor",
            "_gradMask": "ByteTensor",
        }
    )
    takes_integers = True
    takes_table = True

    def updateOutput(self, input: Any) -> torch.Tensor:
        tensor, mask = expect_pair(self, input, "a tensor and a mask")
        if mask.shape != tensor.shape:  # Torch7 compares only their numbers of elements
            if mask.numel() != tensor.numel():
                shapes = f"{tuple(mask.shape)} for a tensor of shape {tuple(tensor.shape)}"
                raise GraphError(f"{self}: the mask has shape {shapes}")
            mask = mask.reshape(tensor.shape)
        return torch.masked_select(tensor, mask.bool())


class Padding(Module):
    """Pads dimension `dim` with |`pad`| slices of `value` (``nn.Padding``).

    Args:
        dim: The dimension, from 0; a negative one counts from the end.
        pad: The number of slices, at the end if positive, at the start if negative.
        nInputDim: The number of dimensions of one sample. An input with another number is a batch,
            whose first dimension is not counted.
        value: The padding value.
        index: The distance of the padding from the end or start; Torch7's default 1 is 0 here.

    Raises:
        GraphError: At run time, if the input is too small.
    """

    torch7_form = Torch7Form(scratch={"outputSize": "LongStorage"})
    counts_from_one = CountsFromOne(arguments=("dim", "index"), fields=("dim", "index"))

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
        is_integer = not input.is_floating_point() and not input.is_complex()
        if is_integer and (self.value % 1 or input.dtype is torch.bool):
            raise needs_floats(self, input)
        batched = self.dim >= 0 and self.nInputDim and input.dim() != self.nInputDim
        dim = sample_dimension(self, self.dim + bool(batched), None, input)
        size = input.shape[dim]
        if not 0 <= self.index <= size:
            raise GraphError(
                f"{self}: no index {self.index} in dimension {dim} of an input of shape "
                f"{tuple(input.shape)}"
            )
        start = size - self.index if self.pad > 0 else self.index
        shape = [*input.shape[:dim], abs(self.pad), *input.shape[dim + 1 :]]
        padding = input.new_full(shape, self.value)
        before, after = input.narrow(dim, 0, start), input.narrow(dim, start, size - start)
        return torch.cat([before, padding, after], dim)
