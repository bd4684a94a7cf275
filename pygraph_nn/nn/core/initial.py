"""How Torch7 initialises most layers: parameters drawn from one uniform distribution, in order."""

from __future__ import annotations

import math

import torch

from ... import torch7_random


def new_parameter(*size: int) -> torch.nn.Parameter:
    """A parameter of that size whose values are to be drawn."""
    return torch.nn.Parameter(torch.empty(*size))


def draw_uniform(limit: float, stdv: float | None, *parameters: torch.Tensor | None) -> None:
    """Fill the `parameters` that are there from Torch7's generator, uniform within `limit`.

    With `stdv`, the argument of Torch7's ``reset``, the deviation is `stdv` instead.
    """
    limit = stdv * math.sqrt(3) if stdv else limit
    for parameter in parameters:
        if parameter is not None:
            torch7_random.uniform_(parameter, -limit, limit)
