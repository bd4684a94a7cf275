"""Convolutions of images, (planes, height, width) or (batch, planes, height, width)."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F

from ...errors import GraphError
from ..core.initial import draw_uniform, new_parameter
from ..core.shapes import at_least_1, expect_pair
from .windows import Windowed


class SpatialConvolution(Windowed):
    """A convolution (strictly a cross-correlation) of images (``nn.SpatialConvolution``).

    (nInputPlane, height, width) or a batch of such to (..., nOutputPlane, height', width'), with
    height' = (height + 2 padH - kH) / dH + 1, rounded down, and likewise width'. `padH` is `padW`
    if it is not given.

    `weight` is (nOutputPlane, nInputPlane, kH, kW) and `bias` (nOutputPlane,), both uniform within
    1 / sqrt(kW * kH * nInputPlane), drawn from Torch7's generator in this order.

    Raises:
        GraphError: a size is not positive; at run time, the input has another number of planes,
            or is smaller than the kernel.
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
        return self.nOutputPlane, self.nInputPlane, self.kH, self.kW

    def bias_size(self) -> tuple[int, ...]:
        return (self.nOutputPlane,)

    def noBias(self) -> Any:
        """Drop the bias; gives the layer back."""
        self.bias = None
        return self

    def reset(self, stdv: float | None = None) -> Any:
        """Draw the parameters anew, uniform with deviation `stdv` if given."""
        limit = 1 / math.sqrt(self.kW * self.kH * self.nInputPlane)
        draw_uniform(limit, stdv, self.weight, self.bias)
        return self

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.check_image(input, self.nInputPlane)
        weight = self.weight.view(self.nOutputPlane, self.nInputPlane, self.kH, self.kW)
        return F.conv2d(input, weight, self.bias, self.step, self.padding, self.dilation)

    def described(self, *more: str) -> str:
        planes = f"{self.nInputPlane} -> {self.nOutputPlane}, {self.kW}x{self.kH}"
        bias = " without bias" * (self.bias is None)
        return self.describe_window(planes, False, *more) + bias

    def __repr__(self) -> str:
        return self.described()


class SpatialConvolutionMM(SpatialConvolution):
    """`SpatialConvolution` whose `weight` is (nOutputPlane, nInputPlane * kH * kW)."""

    def weight_size(self) -> tuple[int, ...]:
        return self.nOutputPlane, self.nInputPlane * self.kH * self.kW


class SpatialDilatedConvolution(SpatialConvolution):
    """`SpatialConvolution` whose kernel takes every dilationW-th column and dilationH-th row."""

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
        return self.described(f"{self.dilationW},{self.dilationH}")


class SpatialDepthWiseConvolution(SpatialConvolution):
    """nOutputPlane convolutions of each plane alone (``nn.SpatialDepthWiseConvolution``).

    Gives nInputPlane * nOutputPlane planes: all those made of the first plane, then the next.
    `weight` is (nOutputPlane, nInputPlane * kH * kW) and `bias` (nOutputPlane, nInputPlane).
    """

    def weight_size(self) -> tuple[int, ...]:
        return self.nOutputPlane, self.nInputPlane * self.kH * self.kW

    def bias_size(self) -> tuple[int, ...]:
        return self.nOutputPlane, self.nInputPlane

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.check_image(input, self.nInputPlane)
        by_plane = self.weight.view(self.nOutputPlane, self.nInputPlane, self.kH, self.kW)
        weight = by_plane.transpose(0, 1).reshape(-1, 1, self.kH, self.kW)
        bias = None if self.bias is None else self.bias.t().reshape(-1)
        return F.conv2d(input, weight, bias, self.step, self.padding, groups=self.nInputPlane)


class SpatialFullConvolution(SpatialConvolution):
    """The transposed convolution (``nn.SpatialFullConvolution``).

    (nInputPlane, height, width) or a batch of such to (..., nOutputPlane, height', width'), with
    height' = (height - 1) dH - 2 padH + kH + adjH, and likewise width'. Given a table [input,
    other], `adjW` and `adjH` are chosen so that the output has the size of `other`.

    `weight` is (nInputPlane, nOutputPlane, kH, kW), all else as in `SpatialConvolution`, but `padH`
    is 0 if it is not given.

    Raises:
        GraphError: `adjW` or `adjH` is not below the step.
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
        return self.nInputPlane, self.nOutputPlane, self.kH, self.kW

    def updateOutput(self, input: Any) -> torch.Tensor:
        adjust = (self.adjH, self.adjW)
        if isinstance(input, (list, tuple)):
            input, other = expect_pair(self, input, "an image and one of the size to give")
            adjust = (
                (other.shape[-2] + 2 * self.padH - self.kH) % self.dH,
                (other.shape[-1] + 2 * self.padW - self.kW) % self.dW,
            )
        if input.dim() not in (3, 4) or input.shape[-3] != self.nInputPlane:
            raise GraphError(
                f"{self}: expecting ({self.nInputPlane}, height, width) or a batch of such, got "
                f"shape {tuple(input.shape)}"
            )
        return F.conv_transpose2d(input, self.weight, self.bias, self.step, self.padding, adjust)

    def __repr__(self) -> str:
        adjust = [f"{self.adjW},{self.adjH}"] if self.adjW or self.adjH else []
        return self.described(*adjust)
