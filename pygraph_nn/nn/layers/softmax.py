"""Softmaxes: scores to probabilities over classes."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..core.module import Module
from ..core.rows import rows_of_matrices
from ..core.shapes import expect_dims


def _classes_dimension(layer: Module, input: torch.Tensor) -> int:
    """Where the classes stand: in a vector and an image first, in a batch of them second."""
    expect_dims(layer, input, (1, 2, 3, 4), "a vector, a matrix, an image or a batch of images")
    return 0 if input.dim() in (1, 3) else 1


class SoftMax(Module):
    """Probabilities over the classes (``nn.SoftMax``).

    (classes,), (batch, classes), (classes, height, width) or (batch, classes, height, width).
    """

    sign = "softmax"
    row_wise = rows_of_matrices

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return F.softmax(input, _classes_dimension(self, input))


class SpatialSoftMax(SoftMax):
    """The same as `SoftMax` (``nn.SpatialSoftMax``)."""


class SoftMin(Module):
    """`SoftMax` of -x (``nn.SoftMin``)."""

    sign = "softmin"
    row_wise = rows_of_matrices

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return F.softmax(-input, _classes_dimension(self, input))


class LogSoftMax(Module):
    """Log-probabilities over the classes, shapes as in `SoftMax` (``nn.LogSoftMax``)."""

    sign = "log softmax"
    row_wise = rows_of_matrices

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return F.log_softmax(input, _classes_dimension(self, input))


class SpatialLogSoftMax(LogSoftMax):
    """The same as `LogSoftMax` (``nn.SpatialLogSoftMax``)."""
