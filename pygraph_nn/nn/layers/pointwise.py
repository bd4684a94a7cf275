"""Elementwise functions: powers, logarithm, absolute value, sum and product with a constant."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ...errors import GraphError, type_name
from ..core.inplace import inplace_flag, writable
from ..core.module import Module
from ..core.rows import elementwise
from ..core.torch7_form import Torch7Form


def absolute(x: torch.Tensor) -> torch.Tensor:
    """Return |x| with Torch7's gradient, which is 1 where x is 0; PyTorch's is 0."""
    return torch.where(x >= 0, x, -x)


class Abs(Module):
    """Computes |x| element by element (``nn.Abs``).

    The gradient at 0 is 1, as in Torch7; PyTorch's is 0.
    """

    sign = "|x|"
    row_wise = elementwise

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return absolute(input)


class Exp(Module):
    """Computes exp(x) element by element (``nn.Exp``)."""

    sign = "exp"
    row_wise = elementwise

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return torch.exp(input)


class Log(Module):
    """Computes the natural logarithm element by element (``nn.Log``)."""

    sign = "log"
    row_wise = elementwise

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return torch.log(input)


class Square(Module):
    """Computes the square element by element (``nn.Square``)."""

    sign = "x²"
    row_wise = elementwise

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return torch.square(input)


class Sqrt(Module):
    """Computes the square root element by element (``nn.Sqrt``).

    The gradient at 0 is 0, as in Torch7; PyTorch's is infinite. `b` is stored as `eps` and ignored,
    as in Torch7.
    """

    torch7_form = Torch7Form(arguments={"b": "eps"})
    sign = "√x"
    row_wise = elementwise

    def __init__(self, b: float | None = 0) -> None:
        super().__init__()
        self.eps = 0 if b is None else b

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        zero = input == 0
        return torch.sqrt(input.masked_fill(zero, 1)).masked_fill(zero, 0)


class Power(Module):
    """Raises x to the power `p` element by element (``nn.Power``).

    Raises:
        GraphError: If `p` is not a number.
    """

    torch7_form = Torch7Form(arguments={"p": "pow"})
    row_wise = elementwise

    def __init__(self, p: float) -> None:
        super().__init__()
        if isinstance(p, bool) or not isinstance(p, (int, float)):
            raise GraphError(f"nn.Power({p!r}): the power must be a number")
        self.pow = p

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return torch.pow(input, self.pow)


class AddConstant(Module):
    """Adds `constant_scalar` (``nn.AddConstant``); with `inplace` overwrites the input.

    The constant is a number, added to an input of any shape, or a tensor (n,), added to a vector
    (n,) or to each row of a matrix (batch, n).

    Raises:
        GraphError: If the constant is neither, or at run time if a tensor does not fit the input.
    """

    constant_scalar: float | torch.Tensor

    def __init__(self, constant_scalar: float | torch.Tensor, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace_flag("nn.AddConstant", inplace)
        if isinstance(constant_scalar, torch.Tensor) and constant_scalar.dim() == 1:
            self.register_buffer("constant_scalar", constant_scalar)
        elif isinstance(constant_scalar, (int, float)):
            self.constant_scalar = constant_scalar
        else:
            raise GraphError(
                "nn.AddConstant: the constant must be a number or a vector, got "
                f"{type_name(constant_scalar)}"
            )

    def row_wise(self, shapes: Sequence[torch.Size]) -> bool:
        """Return True for a number that does not overwrite the input."""
        return elementwise(self, shapes) and not isinstance(self.constant_scalar, torch.Tensor)

    @property
    def sign(self) -> str:  # type: ignore[override]
        """The sign in a picture: ``+1``, or ``+c`` for a tensor."""
        return signed("+", self.constant_scalar)

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        constant = self.constant_scalar
        if isinstance(constant, torch.Tensor) and (
            input.dim() not in (1, 2) or input.shape[-1] != constant.shape[0]
        ):
            raise GraphError(
                f"{self}: a constant of {constant.shape[0]} values does not match an input of "
                f"shape {tuple(input.shape)}"
            )
        return writable(input).add_(constant) if self.inplace else input + constant


class MulConstant(Module):
    """Multiplies by `constant_scalar` (``nn.MulConstant``); with `inplace` overwrites the input.

    Raises:
        GraphError: If the constant is not a number.
    """

    row_wise = elementwise

    def __init__(self, constant_scalar: float, inplace: bool = False) -> None:
        super().__init__()
        if isinstance(constant_scalar, bool) or not isinstance(constant_scalar, (int, float)):
            raise GraphError(
                f"nn.MulConstant: the constant must be a number, got {type_name(constant_scalar)}"
            )
        self.constant_scalar = constant_scalar
        self.inplace = inplace_flag("nn.MulConstant", inplace)

    @property
    def sign(self) -> str:  # type: ignore[override]
        """The sign in a picture: ``×−1``."""
        return signed("×", self.constant_scalar)

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        if self.inplace:
            return writable(input).mul_(self.constant_scalar)
        return torch.mul(input, self.constant_scalar)  # `list * int` would repeat a table


def signed(sign: str, constant: float | torch.Tensor) -> str:
    """Return `sign` and the constant, with a typographic minus: ``×−1``."""
    shown = "c" if isinstance(constant, torch.Tensor) else f"{constant:g}"
    return sign + shown.replace("-", "−")
