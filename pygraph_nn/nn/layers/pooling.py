"""Pooling of images: maxima, means and sums over windows."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F

from ...errors import GraphError
from ..core.initial import draw_uniform, new_parameter
from ..core.module import Module
from ..core.shapes import at_least_1, expect_image, needs_floats
from ..core.torch7_form import Torch7Form
from .containers import Sequential
from .pointwise import MulConstant, Power, Sqrt, Square
from .windows import Windowed


class _Pooling(Windowed):
    """Base of pooling layers. Output sizes are rounded down, or up after `ceil()`."""

    def __init__(self, kW: int, kH: int, dW: int, dH: int, padW: int = 0, padH: int = 0) -> None:
        super().__init__(kW, kH, dW, dH, padW, padH)
        self.ceil_mode = False

    def ceil(self) -> Any:
        """Keep a last window that extends beyond the image, and return the layer."""
        self.ceil_mode = True
        return self

    def floor(self) -> Any:
        """Drop a last window that extends beyond the image, and return the layer."""
        self.ceil_mode = False
        return self

    def check_padding(self) -> None:
        """Check that the padding is at most half of the kernel size.

        Raises:
            GraphError: If it is not.
        """
        if self.padW > self.kW // 2 or self.padH > self.kH // 2:
            raise GraphError(
                f"{self}: pad should be at most half of the kernel size, got padW = {self.padW}, "
                f"padH = {self.padH}, kW = {self.kW}, kH = {self.kH}"
            )

    def __repr__(self) -> str:
        return self.describe_window(f"{self.kW}x{self.kH}", True)


class SpatialMaxPooling(_Pooling):
    """Applies 2-D max pooling (``nn.SpatialMaxPooling``).

    The input is (planes, height, width) or (batch, planes, height, width).

    Args:
        kW, kH: Width and height of the window.
        dW, dH: Steps of the window; the size of the window by default.
        padW, padH: Padding on each side, which is never the maximum.

    Raises:
        GraphError: If a size is not positive or the padding exceeds half the window, or at run
            time if the input has another shape or is smaller than the window.
    """

    torch7_form = Torch7Form(scratch={"indices": "LongTensor"})

    def __init__(
        self,
        kW: int,
        kH: int,
        dW: int | None = None,
        dH: int | None = None,
        padW: int | None = 0,
        padH: int | None = 0,
    ) -> None:
        super().__init__(kW, kH, dW or kW, dH or kH, padW or 0, padH or 0)
        self.dilationW = self.dilationH = 1
        self.check_padding()

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.check_image(input)
        dilation = (self.dilationH, self.dilationW)
        return F.max_pool2d(input, self.kernel, self.step, self.padding, dilation, self.ceil_mode)


class SpatialDilatedMaxPooling(SpatialMaxPooling):
    """`SpatialMaxPooling` with a dilated window (``nn.SpatialDilatedMaxPooling``).

    The window covers every dilationW-th column and every dilationH-th row.
    """

    def __init__(
        self,
        kW: int,
        kH: int,
        dW: int | None = None,
        dH: int | None = None,
        padW: int | None = 0,
        padH: int | None = 0,
        dilationW: int | None = 1,
        dilationH: int | None = 1,
    ) -> None:
        super().__init__(kW, kH, dW, dH, padW, padH)
        self.dilationW, self.dilationH = dilationW or 1, dilationH or 1

    def __repr__(self) -> str:
        dilation = f"{self.dilationW},{self.dilationH}"
        return self.describe_window(f"{self.kW}x{self.kH}", True, dilation)


class SpatialAveragePooling(_Pooling):
    """Applies 2-D average pooling (``nn.SpatialAveragePooling``).

    Arguments and shapes are as in `SpatialMaxPooling`, except that steps are 1 by default. Padding
    counts as zeros, unless `setCountExcludePad` is called. If the field `divide` is False, the
    means are multiplied by kW * kH.

    Raises:
        GraphError: As in `SpatialMaxPooling`.
    """

    def __init__(
        self,
        kW: int,
        kH: int,
        dW: int | None = 1,
        dH: int | None = 1,
        padW: int | None = 0,
        padH: int | None = 0,
    ) -> None:
        super().__init__(kW, kH, dW or 1, dH or 1, padW or 0, padH or 0)
        self.count_include_pad = True
        self.divide = True
        self.check_padding()

    def setCountIncludePad(self) -> SpatialAveragePooling:
        """Count padding as zeros and return the layer."""
        self.count_include_pad = True
        return self

    def setCountExcludePad(self) -> SpatialAveragePooling:
        """Average only over values inside the image, and return the layer."""
        self.count_include_pad = False
        return self

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.check_image(input)
        if not input.is_floating_point():
            raise needs_floats(self, input)
        means = F.avg_pool2d(
            input, self.kernel, self.step, self.padding, self.ceil_mode, self.count_include_pad
        )
        return means if self.divide else means * (self.kW * self.kH)


class _Adaptive(Module):
    """Base of pooling to an output of `W` columns and `H` rows."""

    def __init__(self, W: int, H: int) -> None:
        super().__init__()
        at_least_1(self.torch7_name(), W=W, H=H)
        self.W, self.H = W, H

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        expect_image(self, input)
        return self.pool(input, (self.H, self.W))

    def pool(self, input: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        raise NotImplementedError


class SpatialAdaptiveMaxPooling(_Adaptive):
    """Applies max pooling with an output of `W` x `H` (``nn.SpatialAdaptiveMaxPooling``)."""

    def pool(self, input: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """Return maxima, (..., *size)."""
        return F.adaptive_max_pool2d(input, size)


class SpatialAdaptiveAveragePooling(_Adaptive):
    """Applies mean pooling with an output of `W` x `H` (``nn.SpatialAdaptiveAveragePooling``)."""

    def pool(self, input: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """Return means, (..., *size)."""
        return F.adaptive_avg_pool2d(input, size)


class SpatialLPPooling(Sequential):
    """Takes the `pnorm`-th root of sums of powers over windows (``nn.SpatialLPPooling``).

    Shapes and windows are as in `SpatialMaxPooling`. As in Torch7, the layer is a chain of other
    layers and ignores `nInputPlane`. Values should not be negative unless `pnorm` is 2.
    """

    def __init__(
        self,
        nInputPlane: int,
        pnorm: float,
        kW: int,
        kH: int,
        dW: int | None = None,
        dH: int | None = None,
    ) -> None:
        super().__init__()
        self.kW, self.kH = kW, kH
        self.dW, self.dH = dW or kW, dH or kH
        self.add(Square() if pnorm == 2 else Power(pnorm))
        self.add(SpatialAveragePooling(kW, kH, self.dW, self.dH))
        self.add(MulConstant(kW * kH))
        self.add(Sqrt() if pnorm == 2 else Power(1 / pnorm))


class SpatialSubSampling(Windowed):
    """Sums over windows, then scales and shifts each plane (``nn.SpatialSubSampling``).

    The input is (nInputPlane, height, width) or a batch of these. The learned `weight` and `bias`
    are (nInputPlane,), uniform within 1 / sqrt(kW * kH), drawn from Torch7's generator in this
    order.

    Raises:
        GraphError: If a size is not positive, or at run time if the input has another shape.
    """

    def __init__(
        self, nInputPlane: int, kW: int, kH: int, dW: int | None = 1, dH: int | None = 1
    ) -> None:
        super().__init__(kW, kH, dW or 1, dH or 1)
        at_least_1(self.torch7_name(), nInputPlane=nInputPlane)
        self.nInputPlane = nInputPlane
        self.weight = new_parameter(nInputPlane)
        self.bias = new_parameter(nInputPlane)
        self.reset()

    def reset(self, stdv: float | None = None) -> SpatialSubSampling:
        """Redraw the parameters, with standard deviation `stdv` if set, and return the layer."""
        draw_uniform(1 / math.sqrt(self.kW * self.kH), stdv, self.weight, self.bias)
        return self

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.check_image(input, self.nInputPlane)
        sums = F.avg_pool2d(input, self.kernel, self.step, divisor_override=1)
        return sums * self.weight.reshape(-1, 1, 1) + self.bias.reshape(-1, 1, 1)
