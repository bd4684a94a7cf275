"""Table layers: splits, joins, selections and rearrangements of lists of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ... import nested
from ...errors import GraphError, type_name
from ..core.module import Module
from ..core.routes import Element, Slice, Whole, Wrapped
from ..core.rows import elementwise
from ..core.shapes import expect_pair, expect_table, sample_dimension


class Identity(Module):
    """Passes its input on, whatever it is (``nn.Identity``)."""

    row_wise = elementwise

    def route(self) -> Whole:
        return Whole()

    def updateOutput(self, input: Any) -> Any:
        return input


class SplitTable(Module):
    """The slices of a tensor along `dimension` as a table (``nn.SplitTable``).

    `dimension` counts from 0; a negative one from the end. With `nInputDims`, an input of one
    dimension more is a batch, whose first dimension does not count.
    """

    def __init__(self, dimension: int, nInputDims: int | None = None) -> None:
        super().__init__()
        self.dimension = dimension
        self.nInputDims = nInputDims

    def row_wise(self, shapes: Sequence[torch.Size]) -> bool:
        return _splits_samples(self, shapes)

    def updateOutput(self, input: torch.Tensor) -> list[torch.Tensor]:
        return list(input.unbind(sample_dimension(self, self.dimension, self.nInputDims, input)))


def _splits_samples(layer: SplitTable | JoinTable, shapes: Sequence[torch.Size]) -> bool:
    """Return whether `dimension` names one of a sample's dimensions, alike for all `shapes`."""
    dimensions = {len(shape) for shape in shapes}
    return (
        layer.nInputDims is None
        and len(dimensions) == 1
        and 0 < layer.dimension < dimensions.pop() - 1
    )


class JoinTable(Module):
    """A table of tensors concatenated along `dimension`, counted as in `SplitTable`."""

    def __init__(self, dimension: int, nInputDims: int | None = None) -> None:
        super().__init__()
        self.dimension = dimension
        self.nInputDims = nInputDims

    def row_wise(self, shapes: Sequence[torch.Size]) -> bool:
        return _splits_samples(self, shapes)

    def updateOutput(self, input: Any) -> torch.Tensor:
        tensors = expect_table(self, input)
        dimension = sample_dimension(self, self.dimension, self.nInputDims, tensors[0])
        return torch.cat(tensors, dimension)


class SelectTable(Module):
    """One element of a table (``nn.SelectTable``): by index from 0, negative from the end, or key.

    The other elements' gradients are zero.
    """

    def __init__(self, index: int | str) -> None:
        super().__init__()
        self.index = index

    def route(self) -> Element:
        return Element(self.index)

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

    def __init__(self, offset: int, length: int | None = 1) -> None:
        super().__init__()
        self.offset = offset
        self.length = 1 if length is None else length

    def route(self) -> Slice:
        return Slice(self.offset, self.length)

    def updateOutput(self, input: Any) -> list[Any]:
        part = expect_table(self, input)[self.offset : self.offset + self.length]
        if len(part) != self.length:
            raise GraphError(
                f"{self}: elements {self.offset}..{self.offset + self.length - 1} of a table of "
                f"{len(input)}"
            )
        return part


class FlattenTable(Module):
    """The tensors of a table of tables, at any depth, in one table (``nn.FlattenTable``)."""

    def updateOutput(self, input: Any) -> list[Any]:
        return nested.leaves(expect_table(self, input, 0))


class ZipTable(Module):
    """A table of rows as the table of its columns (``nn.ZipTable``).

    [[a1, a2], [b1, b2]] becomes [[a1, b1], [a2, b2]].

    Raises:
        GraphError: at run time, the rows differ in length.
    """

    def updateOutput(self, input: Any) -> list[list[Any]]:
        rows = [expect_table(self, row, 0) for row in expect_table(self, input)]
        if len({len(row) for row in rows}) > 1:
            raise GraphError(f"{self}: the tables have {[len(row) for row in rows]} elements")
        return [list(column) for column in zip(*rows, strict=True)]


class ZipTableOneToMany(Module):
    """[x, [a, b]] as [[x, a], [x, b]] (``nn.ZipTableOneToMany``)."""

    def updateOutput(self, input: Any) -> list[list[Any]]:
        one, many = expect_pair(self, input, "an element and a table")
        return [[one, element] for element in expect_table(self, many, 0)]


class MixtureTable(Module):
    """A sum of experts weighted by a gate (``nn.MixtureTable``): the table [gate, experts].

    The gate is (experts,) for one sample or (batch, experts). The experts are a table of tensors,
    of a batch (batch, ...), or one tensor that holds them along `dim`, counted from 0: by default
    dimension 1 of a batch and 0 of one sample.

    Raises:
        GraphError: at run time, there is not one gate value for each expert.
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def updateOutput(self, input: Any) -> torch.Tensor:
        gate, experts = expect_pair(self, input, "a gate and its experts")
        batched = gate.dim() > 1
        dim = self.dim if self.dim is not None else int(batched)
        if isinstance(experts, (list, tuple)):
            dim = int(batched)
            experts = torch.stack(list(experts), dim)
        if gate.shape[-1] != experts.shape[dim]:
            raise GraphError(
                f"{self}: should be one gater output per expert, got a gate of shape "
                f"{tuple(gate.shape)} for {experts.shape[dim]} experts"
            )
        shape = [1] * experts.dim()
        shape[dim] = gate.shape[-1]
        if batched:
            shape[0] = gate.shape[0]
        return (gate.reshape(shape) * experts).sum(dim)


class JustTable(Module):
    """Its input as the only element of a table (``nngraph.JustTable``)."""

    def route(self) -> Wrapped:
        return Wrapped()

    def updateOutput(self, input: Any) -> list[Any]:
        return [input]

    def torch7_name(self) -> str:
        return "nngraph.JustTable"


class JustElement(Module):
    """The only element of a one-element table (``nngraph.JustElement``), what split(1) makes."""

    def route(self) -> Element:
        return Element(0, only=True)

    def updateOutput(self, input: Any) -> Any:
        if len(expect_table(self, input)) != 1:
            raise GraphError(f"{self}: expecting one element, got a table of {len(input)}")
        return input[0]

    def torch7_name(self) -> str:
        return "nngraph.JustElement"
