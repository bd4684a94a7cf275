"""Layers with weights that are products: Linear."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from .. import torch7_random
from ..errors import GraphError
from .module import Module


class Linear(Module):
    """x W' + b (``nn.Linear``): (inputSize,) or (batch, inputSize) to (..., outputSize).

    `weight` is (outputSize, inputSize) and `bias` (outputSize,), both uniform within
    1 / sqrt(inputSize), drawn from Torch7's generator in this order.

    Raises:
        GraphError: a size is not positive; at run time, the input is no vector or matrix of
            inputSize columns.
    """

    bias: torch.nn.Parameter | None

    def __init__(self, inputSize: int, outputSize: int, bias: bool = True) -> None:
        super().__init__()
        if inputSize < 1 or outputSize < 1:
            raise GraphError(f"Linear({inputSize}, {outputSize}): sizes must be at least 1")
        self.weight = torch.nn.Parameter(torch.empty(outputSize, inputSize))
        if bias:
            self.bias = torch.nn.Parameter(torch.empty(outputSize))
        else:
            self.register_parameter("bias", None)
        self.reset()

    def reset(self, stdv: float | None = None) -> Linear:
        """Draw the parameters anew, uniform with deviation `stdv` if given."""
        limit = stdv * math.sqrt(3) if stdv else 1.0 / math.sqrt(self.weight.shape[1])
        torch7_random.uniform_(self.weight, -limit, limit)
        if self.bias is not None:
            torch7_random.uniform_(self.bias, -limit, limit)
        return self

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        if input.dim() not in (1, 2) or input.shape[-1] != self.weight.shape[1]:
            raise GraphError(
                f"{self}: input must be vector or matrix of {self.weight.shape[1]} columns, "
                f"got shape {tuple(input.shape)}"
            )
        return F.linear(input, self.weight, self.bias)

    def __repr__(self) -> str:
        outputs, inputs = self.weight.shape
        return f"nn.Linear({inputs} -> {outputs})" + (" without bias" * (self.bias is None))
