"""Dropout and noise."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ... import torch7_random
from ...errors import GraphError
from ..core.inplace import writable
from ..core.noise import NoiseLayer
from ..core.reference import in_reference_mode
from ..core.rows import elementwise
from ..core.shapes import expect_image
from ..core.torch7_form import Opposite, Torch7Form


def bernoulli(p: float, shape: torch.Size, like: torch.Tensor) -> torch.Tensor:
    """Draw ones with probability `p`, else zeros, with the dtype and device of `like`.

    In the reference mode Torch7's generator draws them.
    """
    if not in_reference_mode():
        return torch.empty(shape, dtype=like.dtype, device=like.device).bernoulli_(p)
    # Torch7's generator fills tensors on the CPU, in the order of their elements.
    return torch7_random.bernoulli_(torch.empty(shape, dtype=like.dtype), p).to(like.device)


class Dropout(NoiseLayer):
    """Zeroes elements with probability `p` during training (``nn.Dropout``); any shape.

    The remaining elements are scaled by 1 / (1 - p) during training.

    Args:
        p: Probability of zeroing an element.
        v1: Scale by 1 - p during evaluation instead, as Torch7's first version did.
        inplace: Overwrite the input.
        stochasticInference: Drop during evaluation too.

    Attributes:
        noise: The last mask, if it was drawn in `reference_mode`, with `v1` or with `inplace`.

    Raises:
        GraphError: If `p` is not in [0, 1).
    """

    torch7_form = Torch7Form(
        arguments={"v1": Opposite("v2"), "stochasticInference": "stochastic_inference"},
        scratch={"noise": "Tensor"},
    )
    row_wise = elementwise

    def __init__(
        self,
        p: float = 0.5,
        v1: bool = False,
        inplace: bool = False,
        stochasticInference: bool = False,
    ) -> None:
        super().__init__()
        self.setp(p)
        self.v2 = not v1
        self.inplace = inplace
        self.stochastic_inference = stochasticInference

    def setp(self, p: float) -> None:
        """Set the probability.

        Raises:
            GraphError: If `p` is not in [0, 1).
        """
        if not 0 <= p < 1:
            raise GraphError(f"Dropout({p}): illegal percentage, must be 0 <= p < 1")
        self.p = p

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        if self.inplace:
            input = writable(input)
        if self.p == 0:
            return input
        if self.training or self.stochastic_inference:
            if self.v2 and not self.inplace and not in_reference_mode():
                self.drop_noise()
                return F.dropout(input, self.p)
            self.noise = noise = self._mask(input)
            return input.mul_(noise) if self.inplace else input * noise
        if not self.v2:
            return input.mul_(1 - self.p) if self.inplace else input * (1 - self.p)
        return input

    def _mask(self, input: torch.Tensor) -> torch.Tensor:
        noise = bernoulli(1 - self.p, input.shape, input)
        return noise.div_(1 - self.p) if self.v2 else noise

    def title(self) -> str:
        """Return the class and the probability for the box of a picture: ``Dropout 0.5``."""
        return f"Dropout {self.p:g}"

    def __repr__(self) -> str:
        return f"nn.Dropout({self.p:f})"


class SpatialDropout(NoiseLayer):
    """Zeroes whole planes with probability `p` during training (``nn.SpatialDropout``).

    The input is (planes, height, width) or (batch, planes, height, width). As in the first version
    of Torch7's Dropout, it is scaled by 1 - p during evaluation, and not during training.

    Args:
        p: Probability of zeroing a plane.
        stochasticInference: Drop during evaluation too.

    Attributes:
        noise: The last mask, (planes, 1, 1) or (batch, planes, 1, 1).

    Raises:
        GraphError: If `p` is not in [0, 1], or at run time if the input has another number of
            dimensions.
    """

    torch7_form = Torch7Form(
        arguments={"stochasticInference": "stochastic_inference"}, scratch={"noise": "Tensor"}
    )

    def __init__(self, p: float = 0.5, stochasticInference: bool = False) -> None:
        super().__init__()
        self.setp(0.5 if p is None else p)
        self.stochastic_inference = bool(stochasticInference)

    def setp(self, p: float) -> None:
        """Set the probability.

        Raises:
            GraphError: If `p` is not in [0, 1].
        """
        if not 0 <= p <= 1:
            raise GraphError(f"{self.torch7_name()}({p}): the probability must be in [0, 1]")
        self.p = p

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        expect_image(self, input)
        if not (self.training or self.stochastic_inference):
            return input * (1 - self.p)
        self.noise = noise = bernoulli(1 - self.p, torch.Size((*input.shape[:-2], 1, 1)), input)
        return input * noise

    def __repr__(self) -> str:
        return f"{self.torch7_name()}({self.p:f})"


class WhiteNoise(NoiseLayer):
    """Adds normal noise during training and its mean during evaluation (``nn.WhiteNoise``).

    The input has any shape.

    Attributes:
        noise: The last noise drawn in `reference_mode`.
    """

    torch7_form = Torch7Form(scratch={"noise": "Tensor"})
    row_wise = elementwise

    def __init__(self, mean: float = 0, std: float = 0.1) -> None:
        super().__init__()
        self.mean = 0 if mean is None else mean
        self.std = 0.1 if std is None else std

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return input + self.mean if self.mean else input
        if not in_reference_mode():
            self.drop_noise()
            return input + torch.randn_like(input) * self.std + self.mean
        noise = torch.empty(input.shape, dtype=input.dtype)
        self.noise = noise = torch7_random.normal_(noise, self.mean, self.std).to(input.device)
        return input + noise

    def __repr__(self) -> str:
        return f"{self.torch7_name()} mean: {self.mean:f}, std: {self.std:f}"
