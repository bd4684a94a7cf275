"""Transfer functions: the elementwise nonlinearities. With `inplace` the input is overwritten."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ...errors import GraphError
from ..core.inplace import inplace_flag, writable
from ..core.module import Module
from ..core.rows import elementwise
from ..core.shapes import sample_dimension


class Sigmoid(Module):
    """1 / (1 + exp(-x)), any shape (``nn.Sigmoid``)."""

    sign = "σ"
    row_wise = elementwise

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(input)


class LogSigmoid(Module):
    """log(1 / (1 + exp(-x))), any shape (``nn.LogSigmoid``)."""

    sign = "log σ"
    row_wise = elementwise

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return F.logsigmoid(input)


class Tanh(Module):
    """Hyperbolic tangent, any shape (``nn.Tanh``)."""

    sign = "tanh"
    row_wise = elementwise

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return torch.tanh(input)


class TanhShrink(Module):
    """x - tanh(x), any shape (``nn.TanhShrink``)."""

    row_wise = elementwise

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return input - torch.tanh(input)


class SoftSign(Module):
    """x / (1 + |x|), any shape (``nn.SoftSign``)."""

    row_wise = elementwise

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return F.softsign(input)


class SoftPlus(Module):
    """log(1 + exp(beta x)) / beta, any shape (``nn.SoftPlus``); x itself where beta x > 20."""

    sign = "softplus"
    row_wise = elementwise

    def __init__(self, beta: float | None = 1) -> None:
        super().__init__()
        if beta == 0:
            raise GraphError("nn.SoftPlus(0): beta must not be 0, the output is divided by it")
        self.beta = 1 if beta is None else beta
        self.threshold = 20

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return F.softplus(input, self.beta, self.threshold)


class _Shrink(Module):
    """Base of the shrinkages around 0."""

    def __init__(self, lambda_: float | None = 0.5) -> None:
        super().__init__()
        lambda_ = 0.5 if lambda_ is None else lambda_
        if lambda_ < 0:
            raise GraphError(f"{self}({lambda_}): lambda must not be negative")
        self.lambda_ = lambda_


class HardShrink(_Shrink):
    """x where |x| > lambda, else 0; any shape (``nn.HardShrink``)."""

    row_wise = elementwise

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return F.hardshrink(input, self.lambda_)


class SoftShrink(_Shrink):
    """x moved towards 0 by lambda, 0 where |x| <= lambda; any shape (``nn.SoftShrink``)."""

    row_wise = elementwise

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return F.softshrink(input, self.lambda_)


class HardTanh(Module):
    """x kept within `min_value` and `max_value`, any shape (``nn.HardTanh``).

    The gradient is 0 at the bounds as well.

    Raises:
        GraphError: `max_value` does not exceed `min_value`.
    """

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
        if self.inplace:
            return F.hardtanh(writable(input), self.min_val, self.max_val, inplace=True)
        return F.hardtanh(input, self.min_val, self.max_val)


class Clamp(HardTanh):
    """x kept within `min_value` and `max_value`, any shape (``nn.Clamp``)."""

    sign = None
    row_wise = elementwise

    def __init__(self, min_value: float, max_value: float) -> None:
        super().__init__(min_value, max_value)


class GatedLinearUnit(Module):
    """The first half of x times the sigmoid of the second (``nn.GatedLinearUnit``).

    The halves stand along `dim`, counted from 0, the last dimension if it is not given.

    Raises:
        GraphError: at run time, that dimension has an odd size.
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        dim = sample_dimension(self, -1 if self.dim is None else self.dim, None, input)
        if input.shape[dim] % 2:
            raise GraphError(
                f"{self}: the halved dimension must be even, but dimension {dim} of an input of "
                f"shape {tuple(input.shape)} is not"
            )
        return F.glu(input, dim)
