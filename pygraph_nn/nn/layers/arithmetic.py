"""Elementwise arithmetic of tables: sums, products, differences, quotients, maxima."""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch

from ...errors import GraphError
from ..core.inplace import inplace_flag, writable
from ..core.module import Module
from ..core.rows import elementwise
from ..core.shapes import expect_pair, expect_table


def _alike(layer: Module, input: list[torch.Tensor]) -> list[torch.Tensor]:
    """The tensors of a table in the shape of its first; Torch7 compares only how many they hold."""
    first = input[0]
    if all(x.shape == first.shape for x in input):
        return input
    if any(x.numel() != first.numel() for x in input):
        shapes = [tuple(x.shape) for x in input]
        raise GraphError(f"{layer}: inconsistent tensor size: the table holds shapes {shapes}")
    return [x.reshape(first.shape) for x in input]


class _Reduction(Module):
    """Base of the layers that combine a table of tensors of one shape, two at a time."""

    def combine(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def updateOutput(self, input: Any) -> torch.Tensor:
        return reduce(self.combine, _alike(self, expect_table(self, input)))


class CAddTable(Module):
    """The elementwise sum of a table of tensors of one shape (``nn.CAddTable``).

    With `inplace` the sum overwrites the first.
    """

    sign = "+"
    commutative = True
    row_wise = elementwise

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace_flag("nn.CAddTable", inplace)

    def updateOutput(self, input: Any) -> torch.Tensor:
        first, *rest = _alike(self, expect_table(self, input))
        if self.inplace:
            first = writable(first)
            for x in rest:
                first.add_(x)
            return first
        for x in rest:
            first = first + x
        return first


class CMulTable(_Reduction):
    """The elementwise product of a table of tensors of one shape (``nn.CMulTable``)."""

    sign = "×"
    commutative = True
    row_wise = elementwise

    def combine(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x * y


class CMaxTable(_Reduction):
    """The elementwise maximum of a table of tensors of one shape (``nn.CMaxTable``).

    Of equal values the first gets the gradient.
    """

    sign = "max"
    commutative = True
    row_wise = elementwise

    def combine(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.where(y > x, y, x)


class CMinTable(_Reduction):
    """The elementwise minimum of a table of tensors of one shape (``nn.CMinTable``).

    Of equal values the first gets the gradient.
    """

    sign = "min"
    commutative = True
    row_wise = elementwise

    def combine(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.where(y < x, y, x)


class CSubTable(Module):
    """The first of two tensors of one shape minus the second (``nn.CSubTable``)."""

    sign = "−"
    row_wise = elementwise

    def updateOutput(self, input: Any) -> torch.Tensor:
        x, y = _alike(self, list(expect_pair(self, input)))
        return x - y


class CDivTable(Module):
    """The first of two tensors of one shape divided by the second (``nn.CDivTable``)."""

    sign = "÷"
    row_wise = elementwise

    def updateOutput(self, input: Any) -> torch.Tensor:
        x, y = _alike(self, list(expect_pair(self, input)))
        return x / y


class CAddTensorTable(Module):
    """[tensor, table of tensors]: the tensor added to each one (``nn.CAddTensorTable``)."""

    def updateOutput(self, input: Any) -> list[torch.Tensor]:
        tensor, table = expect_pair(self, input, "a tensor and a table of tensors")
        return [_alike(self, [x, tensor])[1] + x for x in expect_table(self, table)]
