"""Softmax layers: scores to probabilities over classes."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..core.module import Module
from ..core.rows import rows_of_matrices
from ..core.shapes import expect_dims


def _classes_dimension(layer: Module, input: torch.Tensor) -> int:
    """Return the dimension of the classes: 0 in a vector or image, 1 in a batch of these."""
    expect_dims(layer, input, (1, 2, 3, 4), "a vector, a matrix, an image or a batch of images")
    return 0 if input.dim() in (1, 3) else 1


class SoftMax(Module):
    """Applies softmax over the classes (``nn.SoftMax``).

    The input is (classes,), (batch, classes), (classes, height, width) or (batch, classes, height,
    width).
    """

    sign = "softmax"
    row_wise = rows_of_matrices

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return F.softmax(input, _classes_dimension(self, input))


class SpatialSoftMax(SoftMax):
    """Applies softmax over the classes, like `SoftMax` (``nn.SpatialSoftMax``)."""


class SoftMin(Module):
    """Applies softmax to -x; shapes as in `SoftMax` (``nn.SoftMin``)."""

    sign = "softmin"
    row_wise = rows_of_matrices

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return F.softmax(-input, _classes_dimension(self, input))


class LogSoftMax(Module):
    """Applies log-softmax over the classes; shapes as in `SoftMax` (``nn.LogSoftMax``)."""

    sign = "log softmax"
    row_wise = rows_of_matrices

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return F.log_softmax(input, _classes_dimension(self, input))


class SpatialLogSoftMax(LogSoftMax):
    """Applies log-softmax over the classes, like `LogSoftMax` (``nn.SpatialLogSoftMax``)."""
