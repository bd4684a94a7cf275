"""Table layers: sums, products, splits, joins and selections of lists of tensors."""

from __future__ import annotations

from typing import Any

import torch

from ..errors import GraphError, type_name
from ..node import Node
from .inplace import writable
from .module import Module


def _expect_table(module: Module, input: Any, at_least: int = 1) -> list[Any]:
    if not isinstance(input, (list, tuple)) or len(input) < at_least:
        raise GraphError(
            f"{module}: expecting a table of at least {at_least} elements, got "
            f"{f'one of {len(input)}' if isinstance(input, (list, tuple)) else type_name(input)}"
        )
    return list(input)


def _same_shapes(module: Module, input: list[torch.Tensor]) -> None:
    shapes = [tuple(x.shape) for x in input]
    if any(x.numel() != input[0].numel() for x in input):
        raise GraphError(f"{module}: inconsistent tensor size: the table holds shapes {shapes}")


class Identity(Module):
    """Passes its input on, whatever it is (``nn.Identity``)."""

    def updateOutput(self, input: Any) -> Any:
        return input


class CAddTable(Module):
    """The elementwise sum of a table of tensors of one shape (``nn.CAddTable``).

    With `inplace` the sum overwrites the first.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def updateOutput(self, input: Any) -> torch.Tensor:
        first, *rest = tensors = _expect_table(self, input)
        _same_shapes(self, tensors)
        if self.inplace:
            first = writable(first)
            for x in rest:
                first.add_(x.view_as(first))
            return first
        for x in rest:
            first = first + (x if x.shape == first.shape else x.reshape(first.shape))
        return first


class CMulTable(Module):
    """The elementwise product of a table of tensors of one shape (``nn.CMulTable``)."""

    def updateOutput(self, input: Any) -> torch.Tensor:
        first, *rest = tensors = _expect_table(self, input)
        _same_shapes(self, tensors)
        for x in rest:
            first = first * (x if x.shape == first.shape else x.reshape(first.shape))
        return first


def _dimension(dimension: int, nInputDims: int | None, input: torch.Tensor) -> int:
    """`dimension` of one sample as a dimension of `input`, which may be a batch."""
    if dimension >= 0 and nInputDims and input.dim() == nInputDims + 1:
        return dimension + 1
    return dimension


def _check_dimension(module: Module, dimension: int, input: torch.Tensor) -> None:
    if not -input.dim() <= dimension < input.dim():
        raise GraphError(
            f"{module}: dimension {dimension} of an input of shape {tuple(input.shape)}; "
            "dimensions count from 0"
        )


class SplitTable(Module):
    """The slices of a tensor along `dimension` as a table (``nn.SplitTable``).

    `dimension` counts from 0; a negative one from the end. With `nInputDims`, an input of one
    dimension more is a batch, whose first dimension does not count.
    """

    def __init__(self, dimension: int, nInputDims: int | None = None) -> None:
        super().__init__()
        self.dimension = dimension
        self.nInputDims = nInputDims

    def updateOutput(self, input: torch.Tensor) -> list[torch.Tensor]:
        dimension = _dimension(self.dimension, self.nInputDims, input)
        _check_dimension(self, dimension, input)
        return list(input.unbind(dimension))


class JoinTable(Module):
    """A table of tensors concatenated along `dimension`, counted as in `SplitTable`."""

    def __init__(self, dimension: int, nInputDims: int | None = None) -> None:
        super().__init__()
        self.dimension = dimension
        self.nInputDims = nInputDims

    def updateOutput(self, input: Any) -> torch.Tensor:
        tensors = _expect_table(self, input)
        dimension = _dimension(self.dimension, self.nInputDims, tensors[0])
        _check_dimension(self, dimension, tensors[0])
        return torch.cat(tensors, dimension)


class SelectTable(Module):
    """One element of a table (``nn.SelectTable``): by index from 0, negative from the end, or key.

    The other elements' gradients are zero.
    """

    def __init__(self, index: int | str) -> None:
        super().__init__()
        self.index = index

    def updateOutput(self, input: Any) -> Any:
        try:
            return input[self.index]
        except (IndexError, KeyError, TypeError) as error:
            size = f"of {len(input)} elements" if hasattr(input, "__len__") else type_name(input)
            raise GraphError(f"{self}: index does not exist in the input table {size}") from error

    def __repr__(self) -> str:
        return f"nn.SelectTable({self.index})"


class NarrowTable(Module):
    """`length` elements of a table from index `offset` on (``nn.NarrowTable``)."""

    def __init__(self, offset: int, length: int = 1) -> None:
        super().__init__()
        self.offset = offset
        self.length = length

    def updateOutput(self, input: Any) -> list[Any]:
        part = _expect_table(self, input)[self.offset : self.offset + self.length]
        if len(part) != self.length:
            raise GraphError(
                f"{self}: elements {self.offset}..{self.offset + self.length - 1} of a table of "
                f"{len(input)}"
            )
        return part


class JustTable(Module):
    """Its input as the only element of a table (``nngraph.JustTable``)."""

    def updateOutput(self, input: Any) -> list[Any]:
        return [input]

    def torch7_name(self) -> str:
        return "nngraph.JustTable"


class JustElement(Module):
    """The only element of a one-element table (``nngraph.JustElement``), what split(1) makes."""

    def updateOutput(self, input: Any) -> Any:
        if len(_expect_table(self, input)) != 1:
            raise GraphError(f"{self}: expecting one element, got a table of {len(input)}")
        return input[0]

    def torch7_name(self) -> str:
        return "nngraph.JustElement"


Node.just_element = staticmethod(lambda node: JustElement()(node))
