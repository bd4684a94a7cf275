"""Transfer functions: elementwise nonlinearities, scalings and softmaxes."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from .inplace import writable
from .module import Module


class Sigmoid(Module):
    """1 / (1 + exp(-x)), any shape (``nn.Sigmoid``)."""

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(input)


class Tanh(Module):
    """Hyperbolic tangent, any shape (``nn.Tanh``)."""

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return torch.tanh(input)


class ReLU(Module):
    """max(x, 0), any shape (``nn.ReLU``); with `inplace` the input is overwritten."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return torch.relu_(writable(input)) if self.inplace else torch.relu(input)


class AddConstant(Module):
    """x + `constant_scalar`, any shape (``nn.AddConstant``)."""

    def __init__(self, constant_scalar: float, inplace: bool = False) -> None:
        super().__init__()
        self.constant_scalar = constant_scalar
        self.inplace = inplace

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        if self.inplace:
            return writable(input).add_(self.constant_scalar)
        return input + self.constant_scalar


class MulConstant(Module):
    """x * `constant_scalar`, any shape (``nn.MulConstant``)."""

    def __init__(self, constant_scalar: float, inplace: bool = False) -> None:
        super().__init__()
        self.constant_scalar = constant_scalar
        self.inplace = inplace

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        if self.inplace:
            return writable(input).mul_(self.constant_scalar)
        return input * self.constant_scalar


def _classes_dimension(input: torch.Tensor) -> int:
    """Torch7's softmaxes work on a vector, a batch of vectors, an image or a batch of images."""
    return 0 if input.dim() in (1, 3) else 1


class SoftMax(Module):
    """Probabilities over the classes (``nn.SoftMax``).

    (classes,), (batch, classes), (classes, height, width) or (batch, classes, height, width).
    """

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return F.softmax(input, _classes_dimension(input))


class LogSoftMax(Module):
    """Log-probabilities over the classes, shapes as in `SoftMax` (``nn.LogSoftMax``)."""

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return F.log_softmax(input, _classes_dimension(input))


__all__ = ["AddConstant", "LogSoftMax", "MulConstant", "ReLU", "Sigmoid", "SoftMax", "Tanh"]
