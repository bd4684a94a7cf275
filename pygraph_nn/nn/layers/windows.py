"""What layers share that move a window over an image: kernel, step, padding, and how they print."""

from __future__ import annotations

from typing import Any

import torch

from ...errors import GraphError
from ..core.module import Module
from ..core.shapes import at_least_1


class Windowed(Module):
    """Base of layers with a kernel of `kW` x `kH`, steps `dW`, `dH` and padding `padW`, `padH`.

    Torch7 names the width before the height; PyTorch's functions take the height first, as the
    properties here give it.
    """

    def __init__(self, kW: int, kH: int, dW: int, dH: int, padW: int = 0, padH: int = 0) -> None:
        super().__init__()
        at_least_1(self.torch7_name(), kW=kW, kH=kH, dW=dW, dH=dH)
        if padW < 0 or padH < 0:
            raise GraphError(f"{self.torch7_name()}: padding {padW}, {padH} must not be negative")
        self.kW, self.kH = kW, kH
        self.dW, self.dH = dW, dH
        self.padW, self.padH = padW, padH

    @property
    def kernel(self) -> tuple[int, int]:
        return self.kH, self.kW

    @property
    def step(self) -> tuple[int, int]:
        return self.dH, self.dW

    @property
    def padding(self) -> tuple[int, int]:
        return self.padH, self.padW

    def check_image(self, input: torch.Tensor, planes: int | None = None) -> None:
        """Raise a GraphError unless `input` is an image of `planes`, or a batch, not too small."""
        if input.dim() not in (3, 4) or (planes and input.shape[-3] != planes):
            raise GraphError(
                f"{self}: expecting ({planes or 'planes'}, height, width) or a batch of such, got "
                f"shape {tuple(input.shape)}"
            )
        if input.shape[-2] + 2 * self.padH < self.kH or input.shape[-1] + 2 * self.padW < self.kW:
            raise GraphError(
                f"{self}: an input of shape {tuple(input.shape)} is smaller than the kernel; the "
                "output size would be too small"
            )

    def describe_window(self, first: str, always_step: bool, *more: Any) -> str:
        """``nn.Layer(first, dW,dH, padW,padH, more)``, leaving out what is not set."""
        parts = [first]
        if always_step or (self.dW, self.dH, self.padW, self.padH) != (1, 1, 0, 0):
            parts.append(f"{self.dW},{self.dH}")
        if self.padW or self.padH:
            parts.append(f"{self.padW},{self.padH}")
        return f"{self.torch7_name()}({', '.join([*parts, *map(str, more)])})"
