"""The base of layers that slide a window over an image: kernel, step, padding and printing."""

from __future__ import annotations

import torch

from ...errors import GraphError
from ..core.module import Module
from ..core.shapes import at_least_1, expect_image


class Windowed(Module):
    """Base of layers with a kernel of `kW` x `kH`, steps `dW`, `dH` and padding `padW`, `padH`.

    Torch7 takes the width first. The properties return the height first, as PyTorch takes it.

    Raises:
        GraphError: If a size is not positive or a padding is negative.
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
        """Height and width of the kernel."""
        return self.kH, self.kW

    @property
    def step(self) -> tuple[int, int]:
        """Vertical and horizontal step."""
        return self.dH, self.dW

    @property
    def padding(self) -> tuple[int, int]:
        """Vertical and horizontal padding on each side."""
        return self.padH, self.padW

    def check_image(self, input: torch.Tensor, planes: int | None = None) -> None:
        """Check that `input` is an image or a batch of images, no smaller than the kernel.

        Raises:
            GraphError: If it is not, or does not have `planes` planes.
        """
        expect_image(self, input, planes)
        if input.shape[-2] + 2 * self.padH < self.kH or input.shape[-1] + 2 * self.padW < self.kW:
            raise GraphError(
                f"{self}: an input of shape {tuple(input.shape)} is smaller than the kernel"
            )

    def describe_window(self, first: str, always_step: bool, *more: str) -> str:
        """Return ``nn.Layer(first, dW,dH, padW,padH, more)``, omitting zero padding.

        Steps of 1 without padding are omitted too, unless `always_step`.
        """
        parts = [first]
        if always_step or (self.dW, self.dH, self.padW, self.padH) != (1, 1, 0, 0):
            parts.append(f"{self.dW},{self.dH}")
        if self.padW or self.padH:
            parts.append(f"{self.padW},{self.padH}")
        return f"{self.torch7_name()}({', '.join([*parts, *more])})"
