"""Padding, cropping and upsampling of images."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ...errors import GraphError
from ..core.module import Module
from ..core.shapes import at_least_1, expect_dims, expect_image
from ..core.torch7_form import Torch7Form


class _Border(Module):
    """Base of the layers that pad images, (planes, height, width) or a batch of these.

    Args:
        pad_l: Padding on the left.
        pad_r, pad_t, pad_b: Padding on the right, top and bottom; `pad_l` by default.
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
        expect_image(self, input)
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
    """Pads images with zeros (``nn.SpatialZeroPadding``); negative padding crops.

    The input is (planes, height, width) or (batch, planes, height, width). `pad_r`, `pad_t` and
    `pad_b` are `pad_l` by default.

    Raises:
        GraphError: At run time, if nothing is left of the image, or the input has another number
            of dimensions.
    """


class SpatialReflectionPadding(_Border):
    """Pads images by reflection at the border pixels (``nn.SpatialReflectionPadding``).

    Arguments and shapes are as in `SpatialZeroPadding`.
    """

    mode = "reflect"


class SpatialReplicationPadding(_Border):
    """Pads images with copies of the border pixels (``nn.SpatialReplicationPadding``).

    Arguments and shapes are as in `SpatialZeroPadding`.
    """

    mode = "replicate"


def _check_scale(layer: str, scale: object) -> int:
    if isinstance(scale, bool) or not isinstance(scale, (int, float)) or scale < 1 or scale % 1:
        raise GraphError(f"{layer}: scale_factor must be a positive integer, got {scale!r}")
    return int(scale)


class SpatialUpSamplingNearest(Module):
    """Upsamples images by repeating pixels `scale` times (``nn.SpatialUpSamplingNearest``).

    (planes, height, width), or a batch of these, to (..., planes, height * scale, width * scale).

    Raises:
        GraphError: If `scale` is not a positive integer, or at run time if the input has another
            number of dimensions.
    """

    torch7_form = Torch7Form(
        arguments={"scale": "scale_factor"},
        scratch={"inputSize": "LongStorage", "outputSize": "LongStorage"},
    )

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale_factor = _check_scale("nn.SpatialUpSamplingNearest", scale)

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        expect_image(self, input)
        wide = input.repeat_interleave(self.scale_factor, -1)
        return wide.repeat_interleave(self.scale_factor, -2)


class SpatialUpSamplingBilinear(Module):
    """Upsamples images bilinearly, with aligned corners (``nn.SpatialUpSamplingBilinear``).

    The input is (planes, height, width) or (batch, planes, height, width). `params` is a factor, or
    a dict of the output sizes `owidth` and `oheight`.

    Raises:
        GraphError: If the factor is not a positive integer or a size is missing, or at run time if
            the input has another number of dimensions.
    """

    def __init__(self, params: int | dict[str, int]) -> None:
        super().__init__()
        self.scale_factor: int | None = None
        self.owidth: int | None = None
        self.oheight: int | None = None
        if isinstance(params, dict):
            self.owidth, self.oheight = params.get("owidth"), params.get("oheight")
            if self.owidth is None or self.oheight is None:
                raise GraphError(
                    f"{self.torch7_name()}: expecting owidth and oheight, got {params}"
                )
            at_least_1(self.torch7_name(), owidth=self.owidth, oheight=self.oheight)
        else:
            self.scale_factor = _check_scale(self.torch7_name(), params)

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        expect_image(self, input)
        batch = input if input.dim() == 4 else input.unsqueeze(0)
        output = F.interpolate(batch, self.size(input), mode="bilinear", align_corners=True)
        return output if input.dim() == 4 else output.squeeze(0)

    def size(self, input: torch.Tensor) -> tuple[int, int]:
        """Return height and width of the output."""
        if self.scale_factor is not None:
            return input.shape[-2] * self.scale_factor, input.shape[-1] * self.scale_factor
        assert self.oheight is not None
        assert self.owidth is not None
        return self.oheight, self.owidth

    def __repr__(self) -> str:
        size = self.scale_factor if self.scale_factor else f"{self.oheight}, {self.owidth}"
        return f"{self.torch7_name()}({size})"


class UpSampling(Module):
    """Upsamples images or volumes (``nn.UpSampling``).

    The input is (batch, planes, height, width) or (batch, planes, depth, height, width).

    Args:
        params: A factor, or in linear mode a dict of the output sizes `owidth`, `oheight` and, for
            volumes, `odepth`.
        mode: "nearest", or "linear" (also "bilinear", "trilinear") with aligned corners.

    Raises:
        GraphError: If the factor is not a positive integer, or a size is missing or not allowed.
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
            raise GraphError(f"nn.UpSampling: expecting owidth and oheight, got {params}")
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
            raise GraphError(f"{self}: a volume needs an output depth, odepth")
        return [self.sizes[name] for name in names]

    def __repr__(self) -> str:
        if self.scale_factor is not None:
            return f"{self.torch7_name()}({self.scale_factor}x, {self.mode})"
        names = [name for name in ("odepth", "oheight", "owidth") if name in self.sizes]
        sizes = "x".join(str(self.sizes[name]) for name in names)
        return f"{self.torch7_name()}({sizes}, {self.mode})"


class PixelShuffle(Module):
    """Rearranges planes to the pixels of larger images (``nn.PixelShuffle``).

    With r = `upscaleFactor`, (planes * r * r, height, width), or a batch of these, to (..., planes,
    height * r, width * r).

    Raises:
        GraphError: At run time, if the number of planes is not a multiple of r * r.
    """

    def __init__(self, upscaleFactor: int) -> None:
        super().__init__()
        at_least_1("nn.PixelShuffle", upscaleFactor=upscaleFactor)
        self.upscaleFactor = upscaleFactor

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        expect_image(self, input)
        if input.shape[-3] % self.upscaleFactor**2:
            raise GraphError(
                f"{self}: the number of planes, {input.shape[-3]}, is not a multiple of "
                f"{self.upscaleFactor}x{self.upscaleFactor}"
            )
        return F.pixel_shuffle(input, self.upscaleFactor)
