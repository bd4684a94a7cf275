"""Convolutions of images, (planes, height, width) or (batch, planes, height, width)."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F

from ...errors import GraphError
from ..core.initial import draw_uniform, new_parameter
from ..core.shapes import at_least_1, expect_image, expect_pair
from .windows import Windowed


class SpatialConvolution(Windowed):
    """Applies a 2-D convolution, strictly a cross-correlation (``nn.SpatialConvolution``).

    (nInputPlane, height, width), or a batch of these, to (..., nOutputPlane, height', width') with
    height' = (height + 2 padH - kH) / dH + 1, rounded down, and width' alike.

    `weight` is (nOutputPlane, nInputPlane, kH, kW) and `bias` (nOutputPlane,), both uniform within
    1 / sqrt(kW * kH * nInputPlane), drawn from Torch7's generator in this order.

    Args:
        nInputPlane: Number of input planes.
        nOutputPlane: Number of output planes.
        kW, kH: Width and height of the kernel.
        dW, dH: Steps of the kernel.
        padW, padH: Zeros added on each side; `padH` defaults to `padW`.

    Raises:
        GraphError: If a size is not positive, or at run time if the input has another number of
            planes or is smaller than the kernel.
    """

    weight: torch.nn.Parameter
    bias: torch.nn.Parameter | None

    def __init__(
        self,
        nInputPlane: int,
        nOutputPlane: int,
        kW: int,
        kH: int,
        dW: int | None = 1,
        dH: int | None = 1,
        padW: int | None = 0,
        padH: int | None = None,
    ) -> None:
        padW = padW or 0
        super().__init__(kW, kH, dW or 1, dH or 1, padW, padW if padH is None else padH)
        at_least_1(self.torch7_name(), nInputPlane=nInputPlane, nOutputPlane=nOutputPlane)
        self.nInputPlane = nInputPlane
        self.nOutputPlane = nOutputPlane
        self.dilation = (1, 1)
        self.weight = new_parameter(*self.weight_size())
        self.bias = new_parameter(*self.bias_size())
        self.reset()

    def weight_size(self) -> tuple[int, ...]:
        """Return the shape of `weight`."""
        return self.nOutputPlane, self.nInputPlane, self.kH, self.kW

    def bias_size(self) -> tuple[int, ...]:
        """Return the shape of `bias`."""
        return (self.nOutputPlane,)

    def noBias(self) -> Any:
        """Remove the bias and return the layer."""
        self.bias = None
        return self

    def reset(self, stdv: float | None = None) -> Any:
        """Redraw the parameters, with standard deviation `stdv` if set, and return the layer."""
        limit = 1 / math.sqrt(self.kW * self.kH * self.nInputPlane)
        draw_uniform(limit, stdv, self.weight, self.bias)
        return self

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.check_image(input, self.nInputPlane)
        weight = self.weight.view(self.nOutputPlane, self.nInputPlane, self.kH, self.kW)
        return F.conv2d(input, weight, self.bias, self.step, self.padding, self.dilation)

    def describe(self, *more: str) -> str:
        """Return the layer as Torch7 prints it, with `more` arguments at the end."""
        planes = f"{self.nInputPlane} -> {self.nOutputPlane}, {self.kW}x{self.kH}"
        bias = " without bias" * (self.bias is None)
        return self.describe_window(planes, False, *more) + bias

    def __repr__(self) -> str:
        return self.describe()


class SpatialConvolutionMM(SpatialConvolution):
    """`SpatialConvolution` with a 2-D weight (``nn.SpatialConvolutionMM``).

    `weight` is (nOutputPlane, nInputPlane * kH * kW).
    """

    def weight_size(self) -> tuple[int, ...]:
        """Return the shape of `weight`."""
        return self.nOutputPlane, self.nInputPlane * self.kH * self.kW


class SpatialDilatedConvolution(SpatialConvolution):
    """`SpatialConvolution` with a dilated kernel (``nn.SpatialDilatedConvolution``).

    The kernel covers every dilationW-th column and every dilationH-th row.
    """

    def __init__(
        self,
        nInputPlane: int,
        nOutputPlane: int,
        kW: int,
        kH: int,
        dW: int | None = 1,
        dH: int | None = 1,
        padW: int | None = 0,
        padH: int | None = None,
        dilationW: int | None = 1,
        dilationH: int | None = 1,
    ) -> None:
        super().__init__(nInputPlane, nOutputPlane, kW, kH, dW, dH, padW, padH)
        self.dilationW, self.dilationH = dilationW or 1, dilationH or 1
        at_least_1(self.torch7_name(), dilationW=self.dilationW, dilationH=self.dilationH)
        self.dilation = (self.dilationH, self.dilationW)

    def __repr__(self) -> str:
        return self.describe(f"{self.dilationW},{self.dilationH}")


class SpatialDepthWiseConvolution(SpatialConvolution):
    """Convolves each plane with nOutputPlane kernels (``nn.SpatialDepthWiseConvolution``).

    The output has nInputPlane * nOutputPlane planes, ordered by input plane. `weight` is
    (nOutputPlane, nInputPlane * kH * kW) and `bias` (nOutputPlane, nInputPlane).
    """

    def weight_size(self) -> tuple[int, ...]:
        """Return the shape of `weight`."""
        return self.nOutputPlane, self.nInputPlane * self.kH * self.kW

    def bias_size(self) -> tuple[int, ...]:
        """Return the shape of `bias`."""
        return self.nOutputPlane, self.nInputPlane

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.check_image(input, self.nInputPlane)
        by_plane = self.weight.view(self.nOutputPlane, self.nInputPlane, self.kH, self.kW)
        weight = by_plane.transpose(0, 1).reshape(-1, 1, self.kH, self.kW)
        bias = None if self.bias is None else self.bias.t().reshape(-1)
        return F.conv2d(input, weight, bias, self.step, self.padding, groups=self.nInputPlane)


class SpatialFullConvolution(SpatialConvolution):
    """Applies a 2-D transposed convolution (``nn.SpatialFullConvolution``).

    (nInputPlane, height, width), or a batch of these, to (..., nOutputPlane, height', width') with
    height' = (height - 1) dH - 2 padH + kH + adjH, and width' alike. For a table [input, other],
    `adjW` and `adjH` are chosen to produce the size of `other`.

    `weight` is (nInputPlane, nOutputPlane, kH, kW). All else is as in `SpatialConvolution`, except
    that `padH` defaults to 0.

    Raises:
        GraphError: If `adjW` or `adjH` is not smaller than its step.
    """

    def __init__(
        self,
        nInputPlane: int,
        nOutputPlane: int,
        kW: int,
        kH: int,
        dW: int | None = 1,
        dH: int | None = 1,
        padW: int | None = 0,
        padH: int | None = 0,
        adjW: int | None = 0,
        adjH: int | None = 0,
    ) -> None:
        super().__init__(nInputPlane, nOutputPlane, kW, kH, dW, dH, padW, padH or 0)
        self.adjW, self.adjH = adjW or 0, adjH or 0
        if self.adjW > self.dW - 1 or self.adjH > self.dH - 1:
            raise GraphError(
                f"{self}: adjW and adjH must be smaller than dW = {self.dW} and dH = {self.dH}"
            )

    def weight_size(self) -> tuple[int, ...]:
        """Return the shape of `weight`."""
        return self.nInputPlane, self.nOutputPlane, self.kH, self.kW

    def updateOutput(self, input: Any) -> torch.Tensor:
        adjust = (self.adjH, self.adjW)
        if isinstance(input, (list, tuple)):
            input, other = expect_pair(self, input, "an image and one of the output's size")
            adjust = (
                (other.shape[-2] + 2 * self.padH - self.kH) % self.dH,
                (other.shape[-1] + 2 * self.padW - self.kW) % self.dW,
            )
        expect_image(self, input, self.nInputPlane)
        return F.conv_transpose2d(input, self.weight, self.bias, self.step, self.padding, adjust)

    def __repr__(self) -> str:
        adjust = [f"{self.adjW},{self.adjH}"] if self.adjW or self.adjH else []
        return self.describe(*adjust)
