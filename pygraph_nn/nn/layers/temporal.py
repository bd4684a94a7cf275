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
    """Applies a 1-D convolution over time (``nn.TemporalConvolution``).

    (frames, inputFrameSize), or a batch of these, to (..., frames', outputFrameSize) with
    frames' = (frames - kW) / dW + 1, rounded down.

    `weight` is (outputFrameSize, kW * inputFrameSize), frame by frame, and `bias`
    (outputFrameSize,), both uniform within 1 / sqrt(kW * inputFrameSize), drawn from Torch7's
    generator in this order.

    Args:
        inputFrameSize: Number of features of an input frame.
        outputFrameSize: Number of features of an output frame.
        kW: Number of frames the kernel covers.
        dW: Step of the kernel, in frames.

    Raises:
        GraphError: If a size is not positive, or at run time if the input has another frame size or
            fewer frames than the kernel.
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
        """Redraw the parameters, with standard deviation `stdv` if set, and return the layer."""
        limit = 1 / math.sqrt(self.kW * self.inputFrameSize)
        draw_uniform(limit, stdv, self.weight, self.bias)
        return self

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        _check_sequence(self, input, self.kW, self.inputFrameSize)
        weight = self.weight.view(self.outputFrameSize, self.kW, self.inputFrameSize)
        by_feature = F.conv1d(
            input.transpose(-1, -2), weight.transpose(1, 2), self.bias, self.dW
        )  # (..., outputFrameSize, frames')
        return by_feature.transpose(-1, -2)


class TemporalRowConvolution(Module):
    """Convolves each feature over time by itself (``nn.TemporalRowConvolution``).

    The input is (frames, inputFrameSize), or with `featFirst` (inputFrameSize, frames), or a batch
    of these.

    `weight` is (inputFrameSize, 1, kW) and `bias` (inputFrameSize,), both uniform within
    1 / sqrt(kW * inputFrameSize), drawn from Torch7's generator in this order.

    Raises:
        GraphError: As in `TemporalConvolution`.
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
        """Remove the bias and return the layer."""
        self.bias = None
        return self

    def reset(self, stdv: float | None = None) -> TemporalRowConvolution:
        """Redraw the parameters, with standard deviation `stdv` if set, and return the layer."""
        limit = 1 / math.sqrt(self.kW * self.inputFrameSize)
        draw_uniform(limit, stdv, self.weight, self.bias)
        return self

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        _check_sequence(self, input, self.kW, self.inputFrameSize, self.featFirst)
        by_feature = input if self.featFirst else input.transpose(-1, -2)
        output = F.conv1d(by_feature, self.weight, self.bias, self.dW, groups=self.inputFrameSize)
        return output if self.featFirst else output.transpose(-1, -2)

    def __repr__(self) -> str:
        step = f", {self.dW}" if self.dW != 1 else ""
        bias = " without bias" * (self.bias is None)
        return f"{self.torch7_name()}({self.inputFrameSize}, {self.kW}{step}){bias}"


class _OverTime(Module):
    """Base of the layers that pool `kW` frames of a sequence at a time."""

    def __init__(self, kW: int, dW: int) -> None:
        super().__init__()
        at_least_1(self.torch7_name(), kW=kW, dW=dW)
        self.kW, self.dW = kW, dW

    def windows(self, input: torch.Tensor, size: int | None = None) -> torch.Tensor:
        """Return the frames of each window, (..., windows, features, kW).

        Raises:
            GraphError: If `input` is not a sequence of frames of `size` features, or too short.
        """
        _check_sequence(self, input, self.kW, size)
        return input.unfold(-2, self.kW, self.dW)


class TemporalMaxPooling(_OverTime):
    """Applies max pooling over time, `kW` frames at a time (``nn.TemporalMaxPooling``).

    The input is (frames, features) or (batch, frames, features). The step `dW` is `kW` by default.

    Raises:
        GraphError: If a size is not positive, or at run time if the input has another number of
            dimensions or fewer frames than `kW`.
    """

    def __init__(self, kW: int, dW: int | None = None) -> None:
        super().__init__(kW, dW or kW)

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return self.windows(input).max(-1).values


class TemporalSubSampling(_OverTime):
    """Sums over `kW` frames, then scales and shifts each feature (``nn.TemporalSubSampling``).

    The input is (frames, inputFrameSize), or a batch of these, which Torch7 does not accept. The
    learned `weight` and `bias` are (inputFrameSize,), uniform within 1 / sqrt(kW), drawn from
    Torch7's generator in this order.

    Raises:
        GraphError: If a size is not positive, or at run time if the input has another shape.
    """

    def __init__(self, inputFrameSize: int, kW: int, dW: int | None = 1) -> None:
        super().__init__(kW, dW or 1)
        at_least_1(self.torch7_name(), inputFrameSize=inputFrameSize)
        self.inputFrameSize = inputFrameSize
        self.weight = new_parameter(inputFrameSize)
        self.bias = new_parameter(inputFrameSize)
        self.reset()

    def reset(self, stdv: float | None = None) -> TemporalSubSampling:
        """Redraw the parameters, with standard deviation `stdv` if set, and return the layer."""
        draw_uniform(1 / math.sqrt(self.kW), stdv, self.weight, self.bias)
        return self

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return self.windows(input, self.inputFrameSize).sum(-1) * self.weight + self.bias


class TemporalDynamicKMaxPooling(Module):
    """Keeps the k largest values of each feature in order (``nn.TemporalDynamicKMaxPooling``).

    (frames, features), or a batch of these, to (..., k, features), where k is the larger of `minK`
    and `factor` * frames, rounded up.

    Raises:
        GraphError: If `minK` is not positive, or at run time if there are fewer than k frames.
    """

    def __init__(self, minK: int, factor: float | None = 0) -> None:
        super().__init__()
        at_least_1("nn.TemporalDynamicKMaxPooling", minK=minK)
        self.minK = minK
        self.factor = factor or 0

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        _check_sequence(self, input)
        frames = input.shape[-2]
        k = max(self.minK, math.ceil(self.factor * frames))
        if frames < k:
            raise GraphError(
                f"{self}: input sequence length ({frames}) too small for desired k value ({k})"
            )
        positions = input.topk(k, -2).indices.sort(-2).values
        return input.gather(-2, positions)


def _check_sequence(
    layer: Module,
    input: torch.Tensor,
    kernel: int = 0,
    size: int | None = None,
    features_first: bool = False,
) -> None:
    """Check that `input` is a sequence or a batch of sequences.

    Raises:
        GraphError: Unless it is, with `size` features and at least `kernel` frames.
    """
    order = "(features, frames)" if features_first else "(frames, features)"
    expect_dims(layer, input, (2, 3), f"{order} or a batch of these")
    frames, features = reversed(input.shape[-2:]) if features_first else input.shape[-2:]
    if size is not None and features != size:
        raise GraphError(
            f"{layer}: expecting frames of {size} features, got shape {tuple(input.shape)}"
        )
    if frames < kernel:
        raise GraphError(
            f"{layer}: an input sequence of {frames} frames is shorter than the kernel, {kernel}"
        )
