"""Convolution and pooling of sequences, (frames, features) or (batch, frames, features)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from ...errors import GraphError
from ..core.initial import draw_uniform, new_parameter
from ..core.module import Module
from ..core.shapes import at_least_1, expect_dims


class TemporalConvolution(Module):
    """A convolution of sequences (``nn.TemporalConvolution``).

    (frames, inputFrameSize) or a batch of such to (..., frames', outputFrameSize), with
    frames' = (frames - kW) / dW + 1, rounded down.

    `weight` is (outputFrameSize, kW * inputFrameSize), frame by frame, and `bias`
    (outputFrameSize,), both uniform within 1 / sqrt(kW * inputFrameSize), drawn from Torch7's
    generator in this order.

    Raises:
        GraphError: a size is not positive; at run time, the input has another frame size, or fewer
            frames than the kernel.
    """

    def __init__(
        self, inputFrameSize: int, outputFrameSize: int, kW: int, dW: int | None = 1
    ) -> None:
        super().__init__()
        self.inputFrameSize = inputFrameSize
        self.outputFrameSize = outputFrameSize
        self.kW, self.dW = kW, dW or 1
        at_least_1(
            "nn.TemporalConvolution",
            inputFrameSize=inputFrameSize,
            outputFrameSize=outputFrameSize,
            kW=kW,
            dW=self.dW,
        )
        self.weight = new_parameter(outputFrameSize, inputFrameSize * kW)
        self.bias = new_parameter(outputFrameSize)
        self.reset()

    def reset(self, stdv: float | None = None) -> TemporalConvolution:
        """Draw the parameters anew, uniform with deviation `stdv` if given."""
        limit = 1 / math.sqrt(self.kW * self.inputFrameSize)
        draw_uniform(limit, stdv, self.weight, self.bias)
        return self

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        _check_sequence(self, input, -2, -1, self.inputFrameSize, self.kW)
        weight = self.weight.view(self.outputFrameSize, self.kW, self.inputFrameSize)
        by_feature = F.conv1d(
            input.transpose(-1, -2), weight.transpose(1, 2), self.bias, self.dW
        )  # (..., outputFrameSize, frames')
        return by_feature.transpose(-1, -2)


class TemporalRowConvolution(Module):
    """A convolution of each feature of a sequence alone (``nn.TemporalRowConvolution``).

    (frames, inputFrameSize), with `featFirst` (inputFrameSize, frames), or a batch of such.

    `weight` is (inputFrameSize, 1, kW) and `bias` (inputFrameSize,), both uniform within
    1 / sqrt(kW * inputFrameSize), drawn from Torch7's generator in this order.

    Raises:
        GraphError: as in `TemporalConvolution`.
    """

    bias: torch.nn.Parameter | None

    def __init__(
        self, inputFrameSize: int, kW: int, dW: int | None = 1, featFirst: bool = False
    ) -> None:
        super().__init__()
        self.inputFrameSize = inputFrameSize
        self.kW, self.dW = kW, dW or 1
        at_least_1("nn.TemporalRowConvolution", inputFrameSize=inputFrameSize, kW=kW, dW=self.dW)
        self.featFirst = bool(featFirst)
        self.weight = new_parameter(inputFrameSize, 1, kW)
        self.bias = new_parameter(inputFrameSize)
        self.reset()

    def noBias(self) -> TemporalRowConvolution:
        """Drop the bias; gives the layer back."""
        self.bias = None
        return self

    def reset(self, stdv: float | None = None) -> TemporalRowConvolution:
        """Draw the parameters anew, uniform with deviation `stdv` if given."""
        limit = 1 / math.sqrt(self.kW * self.inputFrameSize)
        draw_uniform(limit, stdv, self.weight, self.bias)
        return self

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        frames, features = (-1, -2) if self.featFirst else (-2, -1)
        _check_sequence(self, input, frames, features, self.inputFrameSize, self.kW)
        by_feature = input if self.featFirst else input.transpose(-1, -2)
        output = F.conv1d(by_feature, self.weight, self.bias, self.dW, groups=self.inputFrameSize)
        return output if self.featFirst else output.transpose(-1, -2)

    def __repr__(self) -> str:
        step = f", {self.dW}" if self.dW != 1 else ""
        bias = " without bias" * (self.bias is None)
        return f"{self.torch7_name()}({self.inputFrameSize}, {self.kW}{step}){bias}"


class _OverTime(Module):
    """Base of pooling over (frames, features) or a batch of such, `kW` frames at a time."""

    def __init__(self, kW: int, dW: int) -> None:
        super().__init__()
        at_least_1(self.torch7_name(), kW=kW, dW=dW)
        self.kW, self.dW = kW, dW

    def windows(self, input: torch.Tensor) -> torch.Tensor:
        """The frames of each window, (..., windows, features, kW)."""
        expect_dims(self, input, (2, 3), "(frames, features) or a batch of such")
        if input.shape[-2] < self.kW:
            raise GraphError(
                f"{self}: the input sequence, {input.shape[-2]} frames, is smaller than the kernel "
                f"size {self.kW}"
            )
        return input.unfold(-2, self.kW, self.dW)


class TemporalMaxPooling(_OverTime):
    """Maxima over `kW` frames (``nn.TemporalMaxPooling``), by default side by side.

    (frames, features) or (batch, frames, features).

    Raises:
        GraphError: a size is not positive; at run time, there are fewer frames.
    """

    def __init__(self, kW: int, dW: int | None = None) -> None:
        super().__init__(kW, dW or kW)

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return self.windows(input).max(-1).values


class TemporalSubSampling(_OverTime):
    """Sums over `kW` frames times a learned factor plus a learned summand, for each feature.

    (frames, inputFrameSize) or a batch of such, where Torch7's ``nn.TemporalSubSampling`` takes
    no batch. `weight` and `bias` are (inputFrameSize,), uniform within 1 / sqrt(kW), drawn from
    Torch7's generator in this order.

    Raises:
        GraphError: a size is not positive; at run time, the input has another shape.
    """

    def __init__(self, inputFrameSize: int, kW: int, dW: int | None = 1) -> None:
        super().__init__(kW, dW or 1)
        at_least_1(self.torch7_name(), inputFrameSize=inputFrameSize)
        self.inputFrameSize = inputFrameSize
        self.weight = new_parameter(inputFrameSize)
        self.bias = new_parameter(inputFrameSize)
        self.reset()

    def reset(self, stdv: float | None = None) -> TemporalSubSampling:
        """Draw the parameters anew, uniform with deviation `stdv` if given."""
        draw_uniform(1 / math.sqrt(self.kW), stdv, self.weight, self.bias)
        return self

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        if input.shape[-1] != self.inputFrameSize:
            raise GraphError(
                f"{self}: expecting {self.inputFrameSize} features, got shape {tuple(input.shape)}"
            )
        return self.windows(input).sum(-1) * self.weight + self.bias


class TemporalDynamicKMaxPooling(Module):
    """The k largest values of each feature, in their order in time.

    (frames, features) or a batch of such (``nn.TemporalDynamicKMaxPooling``). k is `minK`, or
    `factor` times the number of frames, rounded up, if that is more.

    Raises:
        GraphError: at run time, there are fewer than k frames.
    """

    def __init__(self, minK: int, factor: float | None = 0) -> None:
        super().__init__()
        at_least_1("nn.TemporalDynamicKMaxPooling", minK=minK)
        self.minK = minK
        self.factor = factor or 0

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        expect_dims(self, input, (2, 3), "(frames, features) or a batch of such")
        frames = input.shape[-2]
        k = max(self.minK, math.ceil(self.factor * frames))
        if frames < k:
            raise GraphError(
                f"{self}: input sequence length ({frames}) too small for desired k value ({k})"
            )
        places = input.topk(k, -2).indices.sort(-2).values
        return input.gather(-2, places)


def _check_sequence(
    layer: Module, input: torch.Tensor, frames: int, features: int, size: int, kernel: int
) -> None:
    """Raise a GraphError unless `input` has `size` features and no fewer frames than `kernel`."""
    expect_dims(layer, input, (2, 3), "frames of features or a batch of such")
    if input.shape[features] != size:
        raise GraphError(f"{layer}: expecting frames of {size}, got shape {tuple(input.shape)}")
    if input.shape[frames] < kernel:
        raise GraphError(
            f"{layer}: the input sequence, {input.shape[frames]} frames, is smaller than the "
            f"kernel size {kernel}"
        )
