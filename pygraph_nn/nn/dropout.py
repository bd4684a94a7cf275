"""Dropout, and the reference mode in which its masks come from Torch7's generator."""

from __future__ import annotations

from types import TracebackType

import torch
import torch.nn.functional as F

from .. import torch7_random
from ..errors import GraphError
from .inplace import writable
from .module import Module

_reference = False


class reference_mode:
    """Draw dropout masks from Torch7's generator, to repeat a Lua run exactly.

    Like `torch.set_grad_enabled`, a call sets the mode and a ``with`` block sets it for a while::

        with nngraph.reference_mode():
            net.forward(x)
    """

    def __init__(self, enabled: bool = True) -> None:
        global _reference
        self._before = _reference
        _reference = enabled

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        global _reference
        _reference = self._before


def in_reference_mode() -> bool:
    """Whether dropout masks come from Torch7's generator."""
    return _reference


class Dropout(Module):
    """Zeroes elements with probability `p` in training (``nn.Dropout``), any shape.

    What is left is scaled by 1 / (1 - p) in training; with `v1`, Torch7's first version, it is
    scaled by 1 - p in evaluation instead. `stochasticInference` drops in evaluation too. In
    `reference_mode` the last mask is kept as `noise`.

    Raises:
        GraphError: `p` is not in [0, 1).
    """

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
        self.noise: torch.Tensor | None = None

    def setp(self, p: float) -> None:
        if not 0 <= p < 1:
            raise GraphError(f"Dropout({p}): illegal percentage, must be 0 <= p < 1")
        self.p = p

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        if self.inplace:
            input = writable(input)
        if self.p == 0:
            return input
        if self.training or self.stochastic_inference:
            if self.v2 and not self.inplace and not _reference:
                return F.dropout(input, self.p)
            noise = self._mask(input)
            return input.mul_(noise) if self.inplace else input * noise
        if not self.v2:
            return input.mul_(1 - self.p) if self.inplace else input * (1 - self.p)
        return input

    def _mask(self, input: torch.Tensor) -> torch.Tensor:
        if _reference:
            # On the CPU in any case: the generator is there, and draws in the element order.
            noise = torch.empty(input.shape, dtype=input.dtype)
            noise = torch7_random.bernoulli_(noise, 1 - self.p).to(input.device)
            self.noise = noise
        else:
            noise = torch.empty_like(input).bernoulli_(1 - self.p)
        return noise.div_(1 - self.p) if self.v2 else noise

    def __repr__(self) -> str:
        return f"nn.Dropout({self.p:f})"
