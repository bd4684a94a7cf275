"""Layers that enlarge or crop images: borders, upsampling, pixel shuffle."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from ...errors import GraphError
from ..core.module import Module
from ..core.shapes import at_least_1, expect_dims


class _Border(Module):
    """Base of the layers that put a border around images, (..., planes, height, width).

    Widths are given left, right, top, bottom; those not given are as on the left.
    """

    mode = "constant"

    def __init__(
        self,
        pad_l: int,
        pad_r: int | None = None,
        pad_t: int | None = None,
        pad_b: int | None = None,
    ) -> None:
        super().__init__()
        self.pad_l = pad_l
        self.pad_r = pad_l if pad_r is None else pad_r
        self.pad_t = pad_l if pad_t is None else pad_t
        self.pad_b = pad_l if pad_b is None else pad_b

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        expect_dims(self, input, (3, 4), "(planes, height, width) or a batch of such")
        height = input.shape[-2] + self.pad_t + self.pad_b
        width = input.shape[-1] + self.pad_l + self.pad_r
        if height < 1 or width < 1:
            raise GraphError(f"{self}: an input of shape {tuple(input.shape)} is too small")
        return F.pad(input, (self.pad_l, self.pad_r, self.pad_t, self.pad_b), self.mode)

    def __repr__(self) -> str:
        return (
            f"{self.torch7_name()}(l={self.pad_l}, r={self.pad_r}, t={self.pad_t}, b={self.pad_b})"
        )


class SpatialZeroPadding(_Border):
    """Zeros around images, (planes, height, width) or a batch (``nn.SpatialZeroPadding``).

    Negative widths crop.

    Raises:
        GraphError: at run time, nothing is left, or the input has another number of dimensions.
    """


class SpatialReflectionPadding(_Border):
    """Images mirrored at their outermost pixels (``nn.SpatialReflectionPadding``)."""

    mode = "reflect"


class SpatialReplicationPadding(_Border):
    """Images whose outermost pixels are repeated (``nn.SpatialReplicationPadding``)."""

    mode = "replicate"


def _check_scale(layer: str, scale: Any) -> int:
    if isinstance(scale, bool) or not isinstance(scale, (int, float)) or scale < 1 or scale % 1:
        raise GraphError(f"{layer}: scale_factor must be an integer of at least 1, got {scale!r}")
    return int(scale)


class SpatialUpSamplingNearest(Module):
    """Each pixel as a square of `scale` x `scale` (``nn.SpatialUpSamplingNearest``).

    (planes, height, width) or a batch of such.

    Raises:
        GraphError: `scale` is no positive integer.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale_factor = _check_scale("nn.SpatialUpSamplingNearest", scale)

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        expect_dims(self, input, (3, 4), "(planes, height, width) or a batch of such")
        wide = input.repeat_interleave(self.scale_factor, -1)
        return wide.repeat_interleave(self.scale_factor, -2)


class SpatialUpSamplingBilinear(Module):
    """Images enlarged bilinearly, corners on corners (``nn.SpatialUpSamplingBilinear``).

    (planes, height, width) or a batch of such. `params` is a factor, or a dict of the sizes
    `owidth` and `oheight` to give.

    Raises:
        GraphError: the factor is no positive integer, or a size is missing.
    """

    def __init__(self, params: int | dict[str, int]) -> None:
        super().__init__()
        self.scale_factor: int | None = None
        self.owidth: int | None = None
        self.oheight: int | None = None
        if isinstance(params, dict):
            self.owidth, self.oheight = params.get("owidth"), params.get("oheight")
            if self.owidth is None or self.oheight is None:
                raise GraphError(f"{self.torch7_name()}: owidth and oheight are due, got {params}")
            at_least_1(self.torch7_name(), owidth=self.owidth, oheight=self.oheight)
        else:
            self.scale_factor = _check_scale(self.torch7_name(), params)

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        expect_dims(self, input, (3, 4), "(planes, height, width) or a batch of such")
        batch = input if input.dim() == 4 else input.unsqueeze(0)
        output = F.interpolate(batch, self.size(input), mode="bilinear", align_corners=True)
        return output if input.dim() == 4 else output.squeeze(0)

    def size(self, input: torch.Tensor) -> tuple[int, int]:
        if self.scale_factor is not None:
            return input.shape[-2] * self.scale_factor, input.shape[-1] * self.scale_factor
        assert self.oheight is not None
        assert self.owidth is not None
        return self.oheight, self.owidth

    def __repr__(self) -> str:
        size = self.scale_factor if self.scale_factor else f"{self.oheight}, {self.owidth}"
        return f"{self.torch7_name()}({size})"


class UpSampling(Module):
    """Images or volumes enlarged (``nn.UpSampling``).

    (batch, planes, height, width) or (batch, planes, depth, height, width). `mode` is "nearest" or
    "linear" (also "bilinear", "trilinear"), corners on corners. `params` is a factor, or for the
    linear mode a dict of the sizes `owidth`, `oheight` and, of a volume, `odepth`.

    Raises:
        GraphError: the factor is no positive integer, a size is missing or not allowed.
    """

    def __init__(self, params: int | dict[str, int], mode: str | None = "nearest") -> None:
        super().__init__()
        linear = mode in ("linear", "bilinear", "trilinear")
        self.mode = "linear" if linear else "nearest"
        self.scale_factor: int | None = None
        self.sizes: dict[str, int] = {}
        if not isinstance(params, dict):
            self.scale_factor = _check_scale("nn.UpSampling", params)
        elif not linear:
            raise GraphError("nn.UpSampling: nearest neighbour upsampling takes a scale_factor")
        elif not {"owidth", "oheight"} <= set(params):
            raise GraphError(f"nn.UpSampling: owidth and oheight are due, got {params}")
        else:
            at_least_1("nn.UpSampling", **params)
            self.sizes = dict(params)

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        expect_dims(self, input, (4, 5), "a batch of images or of volumes")
        if self.mode == "nearest":
            return F.interpolate(input, scale_factor=float(self.scale_factor or 1))
        mode = "bilinear" if input.dim() == 4 else "trilinear"
        return F.interpolate(input, self._size(input), mode=mode, align_corners=True)

    def _size(self, input: torch.Tensor) -> list[int]:
        if self.scale_factor is not None:
            return [n * self.scale_factor for n in input.shape[2:]]
        names = ["odepth", "oheight", "owidth"][5 - input.dim() :]
        if not set(names) <= set(self.sizes):
            raise GraphError(f"{self}: no output depth was given for a volume")
        return [self.sizes[name] for name in names]

    def __repr__(self) -> str:
        if self.scale_factor is not None:
            return f"{self.torch7_name()}({self.scale_factor}x, {self.mode})"
        names = [name for name in ("odepth", "oheight", "owidth") if name in self.sizes]
        sizes = "x".join(str(self.sizes[name]) for name in names)
        return f"{self.torch7_name()}({sizes}, {self.mode})"


class PixelShuffle(Module):
    """Planes as places in finer images (``nn.PixelShuffle``).

    (planes * r * r, height, width) or a batch of such to (..., planes, height * r, width * r), r
    being `upscaleFactor`.

    Raises:
        GraphError: at run time, the number of planes is no multiple of r * r.
    """

    def __init__(self, upscaleFactor: int) -> None:
        super().__init__()
        at_least_1("nn.PixelShuffle", upscaleFactor=upscaleFactor)
        self.upscaleFactor = upscaleFactor

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        expect_dims(self, input, (3, 4), "(planes, height, width) or a batch of such")
        if input.shape[-3] % self.upscaleFactor**2:
            raise GraphError(
                f"{self}: {input.shape[-3]} planes are no multiple of "
                f"{self.upscaleFactor}x{self.upscaleFactor}"
            )
        return F.pixel_shuffle(input, self.upscaleFactor)
