"""Learned factors and summands: Mul and Add of one number or vector, CMul and CAdd of any shape."""

from __future__ import annotations

import math
from typing import Any

import torch

from ..core.initial import draw_uniform, new_parameter
from ..core.module import Module
from ..core.rows import elementwise
from ..core.shapes import as_size, at_least_1, like_sample


class Mul(Module):
    """x times one learned number, any shape (``nn.Mul``).

    `weight` is (1,), uniform within 1 from Torch7's generator.
    """

    row_wise = elementwise

    def __init__(self) -> None:
        super().__init__()
        self.weight = new_parameter(1)
        self.reset()

    def reset(self, stdv: float | None = None) -> Mul:
        """Draw the factor anew, with deviation `stdv` if given."""
        draw_uniform(1.0, stdv, self.weight)
        return self

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return input * self.weight.reshape(())


class Add(Module):
    """x plus a learned vector, or with `scalar` one learned number (``nn.Add``).

    `bias` is (inputSize,), or (1,) with `scalar`, uniform within 1 / sqrt(its size) from Torch7's
    generator. The input is one sample of that many values, or a batch of them.

    Raises:
        GraphError: at run time, it is neither.
    """

    def __init__(self, inputSize: int | None = None, scalar: bool = False) -> None:
        super().__init__()
        size = 1 if scalar or inputSize is None else inputSize
        at_least_1("nn.Add", inputSize=size)
        self.scalar = scalar
        self.bias = new_parameter(size)
        self.reset()

    def reset(self, stdv: float | None = None) -> Add:
        """Draw the summands anew, with deviation `stdv` if given."""
        draw_uniform(1 / math.sqrt(self.bias.numel()), stdv, self.bias)
        return self

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return input + like_sample(self, self.bias, input, "bias")


class _Componentwise(Module):
    """Base of the layers that hold one learned number for each component of a sample."""

    def __init__(self, *size: Any) -> None:
        super().__init__()
        self.size = as_size(size)
        at_least_1(self.torch7_name(), **{f"size{i}": n for i, n in enumerate(self.size)})

    def drawn(self) -> torch.nn.Parameter:
        parameter = new_parameter(*self.size)
        draw_uniform(1 / math.sqrt(parameter.numel()), None, parameter)
        return parameter


class CMul(_Componentwise):
    """x times a learned tensor of the shape `size` (``nn.CMul``).

    The input is one sample of as many values, a batch of such samples, or of as many dimensions,
    in which case sizes of 1 are repeated. `weight` is uniform within 1 / sqrt(how many) from
    Torch7's generator.

    Raises:
        GraphError: at run time, the input is none of these.
    """

    def __init__(self, *size: Any) -> None:
        super().__init__(*size)
        self.weight = self.drawn()

    def reset(self, stdv: float | None = None) -> CMul:
        """Draw the factors anew, with deviation `stdv` if given."""
        draw_uniform(1 / math.sqrt(self.weight.numel()), stdv, self.weight)
        return self

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return input * like_sample(self, self.weight, input, "weight")


class CAdd(_Componentwise):
    """x plus a learned tensor of the shape `size` (``nn.CAdd``); all else as in `CMul`, the
    parameter's name being `bias`.
    """

    def __init__(self, *size: Any) -> None:
        super().__init__(*size)
        self.bias = self.drawn()

    def reset(self, stdv: float | None = None) -> CAdd:
        """Draw the summands anew, with deviation `stdv` if given."""
        draw_uniform(1 / math.sqrt(self.bias.numel()), stdv, self.bias)
        return self

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return input + like_sample(self, self.bias, input, "bias")
