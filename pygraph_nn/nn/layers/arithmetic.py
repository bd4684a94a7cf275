"""Elementwise arithmetic on tables of tensors: sums, products, differences, quotients, extremes."""

from __future__ import annotations

import operator
from functools import reduce
from typing import Any

import torch

from ...errors import GraphError
from ..core.inplace import inplace_flag, writable
from ..core.module import Module
from ..core.rows import elementwise
from ..core.shapes import expect_pair, expect_table, needs_floats
from ..core.torch7_form import Torch7Form


def _like_first(layer: Module, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    """Reshape `tensors` like the first one; Torch7 compares only their numbers of elements."""
    first = tensors[0]
    shape = first.shape
    for x in tensors:
        if x.shape != shape:
            break
    else:
        return tensors
    if any(x.numel() != first.numel() for x in tensors):
        shapes = [tuple(x.shape) for x in tensors]
        raise GraphError(f"{layer}: inconsistent tensor size: the table holds shapes {shapes}")
    return [x.reshape(first.shape) for x in tensors]


class CAddTable(Module):
    """Adds a table of tensors of one shape, element by element (``nn.CAddTable``).

    With `inplace` the sum overwrites the first tensor.
    """

    torch7_form = Torch7Form(has_table_input=True)
    takes_table = True
    sign = "+"
    commutative = True
    row_wise = elementwise

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace_flag("nn.CAddTable", inplace)

    def updateOutput(self, input: Any) -> torch.Tensor:
        first, *others = _like_first(self, expect_table(self, input))
        if first.dtype is torch.bool:
            raise needs_floats(self, first)
        if not self.inplace:
            return reduce(operator.add, others, first) if others else first.clone()
        total = writable(first)
        for x in others:
            total.add_(x)
        return total


class CMulTable(Module):
    """Multiplies a table of tensors of one shape, element by element (``nn.CMulTable``)."""

    torch7_form = Torch7Form(has_table_input=True)
    takes_table = True
    sign = "×"
    commutative = True
    row_wise = elementwise

    def updateOutput(self, input: Any) -> torch.Tensor:
        first, *others = _like_first(self, expect_table(self, input))
        return reduce(operator.mul, others, first) if others else first.clone()


class CMaxTable(Module):
    """Takes the elementwise maximum of a table of tensors of one shape (``nn.CMaxTable``).

    Of equal values the first gets the gradient.
    """

    torch7_form = Torch7Form(
        has_table_input=True,
        scratch={
            "maxIdx": "Tensor",
            "mask": "Tensor",
            "maxVals": "Tensor",
            "gradMaxVals": "Tensor",
        },
    )
    takes_table = True
    sign = "max"
    commutative = True
    row_wise = elementwise

    def updateOutput(self, input: Any) -> torch.Tensor:
        first, *others = _like_first(self, expect_table(self, input))
        if not others:
            return first.clone()
        return reduce(lambda x, y: torch.where(y > x, y, x), others, first)


class CMinTable(Module):
    """Takes the elementwise minimum of a table of tensors of one shape (``nn.CMinTable``).

    Of equal values the first gets the gradient.
    """

    torch7_form = Torch7Form(
        has_table_input=True,
        scratch={
            "minIdx": "Tensor",
            "mask": "Tensor",
            "minVals": "Tensor",
            "gradMaxVals": "Tensor",
        },
    )
    takes_table = True
    sign = "min"
    commutative = True
    row_wise = elementwise

    def updateOutput(self, input: Any) -> torch.Tensor:
        first, *others = _like_first(self, expect_table(self, input))
        if not others:
            return first.clone()
        return reduce(lambda x, y: torch.where(y < x, y, x), others, first)


class CSubTable(Module):
    """Subtracts the second of two tensors of one shape from the first (``nn.CSubTable``)."""

    torch7_form = Torch7Form(has_table_input=True)
    takes_table = True
    sign = "−"
    row_wise = elementwise

    def updateOutput(self, input: Any) -> torch.Tensor:
        x, y = _like_first(self, list(expect_pair(self, input)))
        return x - y


class CDivTable(Module):
    """Divides the first of two tensors of one shape by the second (``nn.CDivTable``)."""

    torch7_form = Torch7Form(has_table_input=True)
    takes_table = True
    sign = "÷"
    row_wise = elementwise

    def updateOutput(self, input: Any) -> torch.Tensor:
        x, y = _like_first(self, list(expect_pair(self, input)))
        return x / y


class CAddTensorTable(Module):
    """Adds a tensor to each tensor of a table (``nn.CAddTensorTable``): [tensor, table] to a table.

    All tensors have one shape.
    """

    torch7_form = Torch7Form(has_table_input=True)
    takes_table = True

    def updateOutput(self, input: Any) -> list[torch.Tensor]:
        tensor, table = expect_pair(self, input, "a tensor and a table of tensors")
        if tensor.dtype is torch.bool:
            raise needs_floats(self, tensor)
        return [_like_first(self, [x, tensor])[1] + x for x in expect_table(self, table)]
