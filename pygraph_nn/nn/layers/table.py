"""Table layers: split, join, select and rearrange lists of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ... import nested
from ...errors import GraphError, type_name
from ..core.counting import CountsFromOne
from ..core.module import Module
from ..core.routes import Element, Slice, Whole, Wrapped
from ..core.rows import elementwise
from ..core.shapes import elements, expect_pair, expect_table, size_of
from ..core.torch7_form import Torch7Form
from .dimension import AlongDimension


class Identity(Module):
    """Passes its input on unchanged (``nn.Identity``)."""

    row_wise = elementwise

    def route(self) -> Whole:
        """Return the route to the whole input."""
        return Whole()

    def updateOutput(self, input: Any) -> Any:
        return input


def _along_samples(layer: AlongDimension, shapes: Sequence[torch.Size]) -> bool:
    """Return whether `dimension` is the same dimension of a sample in all of `shapes`."""
    dimensions = {len(shape) for shape in shapes}
    return (
        layer.nInputDims is None
        and len(dimensions) == 1
        and 0 < layer.dimension < dimensions.pop() - 1
    )


class SplitTable(AlongDimension):
    """Splits a tensor into a table of slices along `dimension` (``nn.SplitTable``).

    `dimension` counts from 0, a negative one from the end. With `nInputDims`, an input with one
    more dimension is a batch, whose first dimension is not counted.

    Raises:
        GraphError: At run time, if the input does not have this dimension.
    """

    row_wise = _along_samples

    def updateOutput(self, input: torch.Tensor) -> list[torch.Tensor]:
        return list(input.unbind(self.along(input)))


class JoinTable(AlongDimension):
    """Concatenates a table of tensors along `dimension` (``nn.JoinTable``).

    `dimension` counts as in `SplitTable`.

    Raises:
        GraphError: At run time, if the tensors do not have this dimension.
    """

    torch7_form = Torch7Form(scratch={"size": "LongStorage"}, has_table_input=True)
    takes_table = True
    row_wise = _along_samples

    def updateOutput(self, input: Any) -> torch.Tensor:
        tensors = expect_table(self, input)
        return torch.cat(tensors, self.along(tensors[0]))


class SelectTable(Module):
    """Selects one element of a table (``nn.SelectTable``).

    `index` counts from 0, a negative one from the end; it may be a key of a dict. The gradients of
    the other elements are zero.

    Raises:
        GraphError: At run time, if the table does not have this element.
    """

    torch7_form = Torch7Form(has_table_input=True)
    takes_table = True

    counts_from_one = CountsFromOne(arguments=("index",), fields=("index",))

    def __init__(self, index: int | str) -> None:
        super().__init__()
        self.index = index

    def route(self) -> Element:
        """Return the route to element `index`."""
        return Element(self.index)

    def updateOutput(self, input: Any) -> Any:
        is_table = isinstance(input, (list, tuple, dict))
        if not is_table and isinstance(input, (torch.Tensor, str)):  # [index] would select a part
            raise GraphError(
                f"{self}: expecting a table, got {type_name(input)}. nn.Select selects a row of a "
                "tensor; nngraph.nest([node]) is a table of one element"
            )
        try:
            return input[self.index]
        except (IndexError, KeyError, TypeError) as error:
            size = f"of {elements(len(input))}" if is_table else type_name(input)
            raise GraphError(f"{self}: index does not exist in the input table {size}") from error

    def __repr__(self) -> str:
        return f"nn.SelectTable({self.index})"


class NarrowTable(Module):
    """Selects `length` elements of a table, starting at index `offset` (``nn.NarrowTable``).

    Raises:
        GraphError: At run time, if the table has too few elements.
    """

    torch7_form = Torch7Form(has_table_output=True, has_table_input=True)
    takes_table = True

    counts_from_one = CountsFromOne(arguments=("offset",), fields=("offset",))

    def __init__(self, offset: int, length: int | None = 1) -> None:
        super().__init__()
        self.offset = offset
        self.length = 1 if length is None else length

    def route(self) -> Slice:
        """Return the route to these elements."""
        return Slice(self.offset, self.length)

    def updateOutput(self, input: Any) -> list[Any]:
        part = expect_table(self, input)[self.offset : self.offset + self.length]
        if len(part) != self.length:
            raise GraphError(
                f"{self}: no elements {self.offset}..{self.offset + self.length - 1} in a table of "
                f"{len(input)}"
            )
        return part


class FlattenTable(Module):
    """Flattens nested tables, of any depth, to one table of their tensors (``nn.FlattenTable``)."""

    torch7_form = Torch7Form(
        has_table_output=True, has_table_input=True, scratch={"input_map": "table"}
    )
    takes_table = True

    def updateOutput(self, input: Any) -> list[Any]:
        return nested.leaves(expect_table(self, input, 0))


class ZipTable(Module):
    """Transposes a table of tables (``nn.ZipTable``): [[a1, a2], [b1, b2]] to [[a1, b1], [a2, b2]].

    Raises:
        GraphError: At run time, if the inner tables differ in length.
    """

    torch7_form = Torch7Form(has_table_output=True, has_table_input=True)
    takes_table = True

    def updateOutput(self, input: Any) -> list[list[Any]]:
        rows = [expect_table(self, row, 0) for row in expect_table(self, input)]
        if len({len(row) for row in rows}) > 1:
            raise GraphError(
                f"{self}: expecting tables of one length, got {[len(row) for row in rows]} elements"
            )
        return [list(column) for column in zip(*rows, strict=True)]


class ZipTableOneToMany(Module):
    """Pairs one element with each element of a table: [x, [a, b]] to [[x, a], [x, b]].

    Torch7's ``nn.ZipTableOneToMany``.
    """

    torch7_form = Torch7Form(has_table_output=True, has_table_input=True)
    takes_table = True

    def updateOutput(self, input: Any) -> list[list[Any]]:
        one, many = expect_pair(self, input, "an element and a table")
        return [[one, element] for element in expect_table(self, many, 0)]


class MixtureTable(Module):
    """Sums experts weighted by a gate (``nn.MixtureTable``): [gate, experts] to one tensor.

    The gate is (experts,) for one sample or (batch, experts). The experts are a table of tensors,
    (batch, ...) each for a batch, or one tensor with the experts along `dim`. `dim` counts from 0
    and is by default 1 for a batch and 0 for one sample.

    Raises:
        GraphError: At run time, if the gate does not have one value for each expert.
    """

    torch7_form = Torch7Form(
        has_table_input=True,
        scratch={
            "size": "LongStorage",
            "size2": "LongStorage",
            "batchSize": 0,
            "backwardSetup": False,
        },
    )
    takes_table = True

    counts_from_one = CountsFromOne(arguments=("dim",), fields=("dim",))

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
    """Wraps its input in a table of one element (``nngraph.JustTable``)."""

    def route(self) -> Wrapped:
        """Return the route of an input wrapped in a table."""
        return Wrapped()

    def updateOutput(self, input: Any) -> list[Any]:
        return [input]

    def torch7_name(self) -> str:
        """Return ``nngraph.JustTable``: the class belongs to nngraph, not to nn."""
        return "nngraph.JustTable"


class JustElement(Module):
    """Unwraps a table of one element (``nngraph.JustElement``); ``split(1)`` creates this layer.

    Raises:
        GraphError: At run time, if the table does not have exactly one element.
    """

    takes_table = True

    def route(self) -> Element:
        """Return the route to the only element."""
        return Element(0, only=True)

    def updateOutput(self, input: Any) -> Any:
        if not isinstance(input, (list, tuple)) or len(input) != 1:
            raise GraphError(f"{self}: expecting one element, got {size_of(input)}")
        return input[0]

    def torch7_name(self) -> str:
        """Return ``nngraph.JustElement``: the class belongs to nngraph, not to nn."""
        return "nngraph.JustElement"
