"""Learned factors and summands: Mul and Add of one number or vector, CMul and CAdd of any shape."""

from __future__ import annotations

import math
from typing import Any

import torch

from ..core.initial import draw_uniform, new_parameter
from ..core.module import Module
from ..core.rows import elementwise
from ..core.shapes import as_size, at_least_1, like_sample
from ..core.torch7_form import SizeOf, Torch7Form


class _OneParameter(Module):
    """Base of the layers with one learned tensor, uniform within 1 / sqrt(its number of values)."""

    parameter_name: str

    def reset(self, stdv: float | None = None) -> Any:
        """Redraw the parameter, with standard deviation `stdv` if set, and return the layer."""
        parameter = getattr(self, self.parameter_name)
        draw_uniform(1 / math.sqrt(parameter.numel()), stdv, parameter)
        return self


class Mul(_OneParameter):
    """Multiplies the input, of any shape, by one learned number (``nn.Mul``).

    `weight` is (1,), uniform within 1, from Torch7's generator.
    """

    parameter_name = "weight"
    row_wise = elementwise

    def __init__(self) -> None:
        super().__init__()
        self.weight = new_parameter(1)
        self.reset()

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return input * self.weight.reshape(())


class Add(_OneParameter):
    """Adds a learned vector, or with `scalar` one learned number (``nn.Add``).

    `bias` is (inputSize,), or (1,) with `scalar`, uniform within 1 / sqrt(its size), from Torch7's
    generator. The input is one sample of `inputSize` values or a batch of samples.

    Raises:
        GraphError: If `inputSize` is not positive, or at run time if `bias` does not fit the input.
    """

    torch7_form = Torch7Form(arguments={"inputSize": SizeOf("bias", 0)})
    parameter_name = "bias"

    def __init__(self, inputSize: int | None = None, scalar: bool = False) -> None:
        super().__init__()
        size = 1 if scalar or inputSize is None else inputSize
        at_least_1("nn.Add", inputSize=size)
        self.scalar = scalar
        self.bias = new_parameter(size)
        self.reset()

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return input + like_sample(self, self.bias, input, "bias")


class _Componentwise(_OneParameter):
    """Base of the layers with one learned number for each component of a sample."""

    torch7_form = Torch7Form(storages=("size",))

    def __init__(self, *size: Any) -> None:
        super().__init__()
        self.size = as_size(size)
        at_least_1(self.torch7_name(), **{f"size{i}": n for i, n in enumerate(self.size)})
        self.register_parameter(self.parameter_name, new_parameter(*self.size))
        self.reset()


class CMul(_Componentwise):
    """Multiplies the input by a learned tensor of shape `size` (``nn.CMul``).

    The input is one sample with as many values as `size`, or a batch of samples. If the input has
    as many dimensions as `size`, dimensions of size 1 are expanded. `weight` is uniform within
    1 / sqrt(its number of values), from Torch7's generator.

    Raises:
        GraphError: If a size is not positive, or at run time if `weight` does not fit the input.
    """

    parameter_name = "weight"
    weight: torch.nn.Parameter

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return input * like_sample(self, self.weight, input, "weight")


class CAdd(_Componentwise):
    """Adds a learned tensor of shape `size` (``nn.CAdd``).

    The tensor is `bias`. All else is as in `CMul`.
    """

    parameter_name = "bias"
    bias: torch.nn.Parameter

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return input + like_sample(self, self.bias, input, "bias")
