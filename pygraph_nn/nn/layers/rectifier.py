"""Rectifiers: the identity for positive x, a small or no slope for negative x."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ... import torch7_random
from ...errors import GraphError
from ..core.inplace import inplace_flag, writable
from ..core.module import Module
from ..core.noise import NoiseLayer
from ..core.reference import in_reference_mode
from ..core.rows import elementwise
from ..core.torch7_form import Torch7Form
from .transfer import HardTanh


class Threshold(Module):
    """Replaces x by `value` unless x > `threshold`, element by element (``nn.Threshold``).

    Raises:
        GraphError: If an argument is not a number, or `value` exceeds `threshold` with `inplace`.
    """

    torch7_form = Torch7Form(arguments={"value": "val"})
    row_wise = elementwise

    def __init__(
        self, threshold: float | None = 1e-6, value: float | None = 0, inplace: bool = False
    ) -> None:
        super().__init__()
        threshold = 1e-6 if threshold is None else threshold
        value = 0 if value is None else value
        for argument in (threshold, value):
            if isinstance(argument, bool) or not isinstance(argument, (int, float)):
                raise GraphError(
                    f"nn.Threshold({threshold!r}, {value!r}): threshold and value must be numbers"
                )
        self.threshold = threshold
        self.val = value
        self.inplace = inplace_flag("nn.Threshold", inplace)
        if self.inplace and value > threshold:
            raise GraphError(
                f"nn.Threshold: in-place processing requires the value ({value}) not to exceed "
                f"the threshold ({threshold})"
            )

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        if self.inplace:
            return F.threshold(writable(input), self.threshold, self.val, inplace=True)
        return F.threshold(input, self.threshold, self.val)


class ReLU(Module):
    """Computes max(x, 0) element by element (``nn.ReLU``)."""

    torch7_form = Torch7Form(scratch={"threshold": 0, "val": 0})
    sign = "relu"
    row_wise = elementwise

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace_flag("nn.ReLU", inplace)

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return torch.relu_(writable(input)) if self.inplace else torch.relu(input)


class ReLU6(HardTanh):
    """Limits x to the range from 0 to 6, element by element (``nn.ReLU6``)."""

    sign = None

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0, 6, inplace)


class ELU(Module):
    """Returns x where x > 0, else `alpha` (exp(x) - 1), element by element (``nn.ELU``)."""

    sign = "elu"
    row_wise = elementwise

    def __init__(self, alpha: float | None = 1, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = 1 if alpha is None else alpha
        self.inplace = inplace_flag("nn.ELU", inplace)

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        if self.inplace:
            return F.elu(writable(input), self.alpha, inplace=True)
        return F.elu(input, self.alpha)

    def __repr__(self) -> str:
        return f"{self.torch7_name()} (alpha:{self.alpha:f})"


class LeakyReLU(Module):
    """Returns x where x > 0, else `negval` x, element by element (``nn.LeakyReLU``).

    ``LeakyReLU(True)`` works in place. A negative `negval` never does: the gradient depends on the
    sign of the input, which would be lost.
    """

    sign = "leaky relu"
    row_wise = elementwise

    def __init__(self, negval: float | bool | None = 0.01, inplace: bool = False) -> None:
        super().__init__()
        if isinstance(negval, bool):
            inplace = negval
        self.negval = 0.01 if negval is None or isinstance(negval, bool) else negval
        self.inplace = inplace_flag("nn.LeakyReLU", inplace) and self.negval >= 0

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        if self.inplace:
            return F.leaky_relu(writable(input), self.negval, inplace=True)
        return F.leaky_relu(input, self.negval)

    def __repr__(self) -> str:
        return f"{self.torch7_name()}({self.negval:g})"


class PReLU(Module):
    """Returns x where x > 0, else weight x, with a learned weight (``nn.PReLU``).

    `weight` starts at 0.25. It is (1,), for an input of any shape, or with `nOutputPlane`
    (nOutputPlane,), for an input (planes,) or (batch, planes, ...).

    Raises:
        GraphError: At run time, if the input has another number of planes.
    """

    sign = "prelu"

    def __init__(self, nOutputPlane: int = 0) -> None:
        super().__init__()
        self.nOutputPlane = nOutputPlane or 0
        self.weight = torch.nn.Parameter(torch.full((nOutputPlane or 1,), 0.25))

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        if not self.nOutputPlane:
            return F.prelu(input, self.weight)
        planes = input.shape[1 if input.dim() > 1 else 0]
        if planes != self.nOutputPlane:
            raise GraphError(
                f"{self}: wrong number of input planes. Expected {self.nOutputPlane} but got "
                f"{planes}, in an input of shape {tuple(input.shape)}"
            )
        if input.dim() == 1:
            return F.prelu(input.unsqueeze(0), self.weight).squeeze(0)
        return F.prelu(input, self.weight)


class RReLU(NoiseLayer):
    """Returns x where x > 0, else a random slope times x, element by element (``nn.RReLU``).

    During training each slope is uniform on [l, u), during evaluation it is (l + u) / 2.

    Attributes:
        noise: The last slopes drawn in `reference_mode`.

    Raises:
        GraphError: Unless 0 <= l <= u.
    """

    torch7_form = Torch7Form(arguments={"l": "lower", "u": "upper"}, scratch={"noise": "Tensor"})

    def __init__(self, l: float = 1 / 8, u: float = 1 / 3, inplace: bool = False) -> None:  # noqa: E741
        super().__init__()
        self.lower = 1 / 8 if l is None else l
        self.upper = 1 / 3 if u is None else u
        if not 0 <= self.lower <= self.upper:
            raise GraphError(f"nn.RReLU({l}, {u}): the slopes must satisfy 0 <= l <= u")
        self.inplace = inplace_flag("nn.RReLU", inplace)

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        if self.inplace:
            input = writable(input)
        if self.training and in_reference_mode():
            self.noise = slopes = self._slopes(input.detach())
            return input.mul_(slopes) if self.inplace else input * slopes
        if self.training:
            self.drop_noise()
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def _slopes(self, input: torch.Tensor) -> torch.Tensor:
        negative = input.cpu() <= 0  # Torch7 draws for these only, in the order of the elements
        slopes = torch.ones(input.shape, dtype=input.dtype)
        count = int(negative.sum())
        slopes[negative] = torch7_random.uniform(self.lower, self.upper, count, input.dtype)
        return slopes.to(input.device)

    def __repr__(self) -> str:
        return f"{self.torch7_name()} (l:{self.lower:f}, u:{self.upper:f})"


class CReLU(Module):
    """Concatenates max(x, 0) and max(-x, 0) along the first dimension of a sample (``nn.CReLU``).

    A sample has `nInputDims` dimensions; an input with one more is a batch. The output is twice as
    large as the input and cannot overwrite it: `inplace` has no effect.
    """

    def __init__(self, nInputDims: int, inplace: bool = False) -> None:
        super().__init__()
        self.nInputDims = nInputDims
        self.inplace = inplace_flag("nn.CReLU", inplace)

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        dimension = 1 if input.dim() == self.nInputDims + 1 else 0
        return torch.relu(torch.cat([input, -input], dimension))

    def __repr__(self) -> str:
        return "CReLU()"
