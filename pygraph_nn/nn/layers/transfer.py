"""Transfer functions: elementwise nonlinearities. With `inplace` they overwrite the input."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ...errors import GraphError
from ..core.counting import CountsFromOne
from ..core.inplace import inplace_flag, writable
from ..core.module import Module
from ..core.rows import elementwise
from ..core.shapes import needs_floats, sample_dimension
from ..core.torch7_form import Torch7Form


class Sigmoid(Module):
    """Computes 1 / (1 + exp(-x)) element by element (``nn.Sigmoid``)."""

    sign = "σ"
    row_wise = elementwise

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(input)


class LogSigmoid(Module):
    """Computes log(1 / (1 + exp(-x))) element by element (``nn.LogSigmoid``)."""

    sign = "log σ"
    row_wise = elementwise

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return F.logsigmoid(input)


class Tanh(Module):
    """Computes the hyperbolic tangent element by element (``nn.Tanh``)."""

    sign = "tanh"
    row_wise = elementwise

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return torch.tanh(input)


class TanhShrink(Module):
    """Computes x - tanh(x) element by element (``nn.TanhShrink``)."""

    row_wise = elementwise

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return input - torch.tanh(input)


class SoftSign(Module):
    """Computes x / (1 + |x|) element by element (``nn.SoftSign``)."""

    row_wise = elementwise

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return F.softsign(input)


class SoftPlus(Module):
    """Computes log(1 + exp(beta x)) / beta element by element (``nn.SoftPlus``).

    Where beta x > 20 the output is x.

    Raises:
        GraphError: If `beta` is 0.
    """

    sign = "softplus"
    row_wise = elementwise

    def __init__(self, beta: float | None = 1) -> None:
        super().__init__()
        if beta == 0:
            raise GraphError("nn.SoftPlus(0): beta must not be 0")
        self.beta = 1 if beta is None else beta
        self.threshold = 20

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return F.softplus(input, self.beta, self.threshold)


class _Shrink(Module):
    """Base of the shrinkage functions, which map a range around 0 to 0."""

    torch7_form = Torch7Form(names={"lambda_": "lambda"})

    def __init__(self, lambda_: float | None = 0.5) -> None:
        super().__init__()
        lambda_ = 0.5 if lambda_ is None else lambda_
        if lambda_ < 0:
            raise GraphError(f"{self}({lambda_}): lambda must not be negative")
        self.lambda_ = lambda_


class HardShrink(_Shrink):
    """Sets x to 0 unless |x| > `lambda_`, element by element (``nn.HardShrink``).

    Raises:
        GraphError: If `lambda_` is negative.
    """

    row_wise = elementwise

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return F.hardshrink(input, self.lambda_)


class SoftShrink(_Shrink):
    """Moves x towards 0 by `lambda_`, and no further than 0 (``nn.SoftShrink``).

    Raises:
        GraphError: If `lambda_` is negative.
    """

    row_wise = elementwise

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return F.softshrink(input, self.lambda_)


class HardTanh(Module):
    """Limits x to the range from `min_value` to `max_value` (``nn.HardTanh``).

    The gradient is 0 at the bounds too.

    Raises:
        GraphError: If `max_value` is not larger than `min_value`.
    """

    torch7_form = Torch7Form(arguments={"min_value": "min_val", "max_value": "max_val"})
    sign: str | None = "hard tanh"
    row_wise = elementwise

    def __init__(
        self, min_value: float | None = -1, max_value: float | None = 1, inplace: bool = False
    ) -> None:
        super().__init__()
        self.min_val = -1 if min_value is None else min_value
        self.max_val = 1 if max_value is None else max_value
        self.inplace = inplace_flag("nn.HardTanh", inplace)
        if self.max_val <= self.min_val:
            raise GraphError(
                f"{self}({min_value}, {max_value}): max_value must be larger than min_value"
            )

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        if not input.is_floating_point() and (self.min_val % 1 or self.max_val % 1):
            raise needs_floats(self, input)
        if self.inplace:
            return F.hardtanh(writable(input), self.min_val, self.max_val, inplace=True)
        return F.hardtanh(input, self.min_val, self.max_val)


class Clamp(HardTanh):
    """Limits x to the range from `min_value` to `max_value`, like `HardTanh` (``nn.Clamp``)."""

    sign = None

    def __init__(self, min_value: float, max_value: float) -> None:
        super().__init__(min_value, max_value)


class GatedLinearUnit(Module):
    """Multiplies the first half of x by the sigmoid of the second (``nn.GatedLinearUnit``).

    x is halved along `dim`, counted from 0; by default the last dimension.

    Raises:
        GraphError: At run time, if the dimension has an odd size.
    """

    counts_from_one = CountsFromOne(arguments=("dim",), fields=("dim",))

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        dim = sample_dimension(self, -1 if self.dim is None else self.dim, None, input)
        if input.shape[dim] % 2:
            raise GraphError(
                f"{self}: the size of dimension {dim} must be even, got shape {tuple(input.shape)}"
            )
        return F.glu(input, dim)
