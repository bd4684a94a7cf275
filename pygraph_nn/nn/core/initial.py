"""Torch7's default initialisation: all parameters of a layer are uniform within one limit."""

from __future__ import annotations

import math

import torch

from ... import torch7_random


def new_parameter(*size: int) -> torch.nn.Parameter:
    """Return an uninitialised parameter of shape `size`."""
    return torch.nn.Parameter(torch.empty(*size))


def draw_uniform(limit: float, stdv: float | None, *parameters: torch.Tensor | None) -> None:
    """Fill `parameters` in order from Torch7's generator, uniform on [-limit, limit).

    With `stdv`, the argument of Torch7's ``reset``, the standard deviation is `stdv` instead.
    Parameters that are None are skipped.
    """
    limit = stdv * math.sqrt(3) if stdv else limit
    for parameter in parameters:
        if parameter is not None:
            torch7_random.uniform_(parameter, -limit, limit)
