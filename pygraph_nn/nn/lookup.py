"""LookupTable: embeddings."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from .. import torch7_random
from ..errors import GraphError
from . import protocol
from .module import Module


class LookupTable(Module):
    """Rows of a table by index (``nn.LookupTable``): (n,) or (batch, n) to (..., nOutput).

    Indices are 0..nIndex-1, of any integer or floating type; their gradient is zero. `weight` is
    (nIndex, nOutput), standard normal from Torch7's generator.

    Args:
        paddingValue: index whose row gets no gradient.
        maxNorm: rows with a larger norm are scaled down to it, in place, when they are looked up.
        normType: p of that norm; 2 if not given.

    Raises:
        GraphError: at run time, an index is out of range or the input is no vector or matrix.
    """

    def __init__(
        self,
        nIndex: int,
        nOutput: int,
        paddingValue: int | None = None,
        maxNorm: float | None = None,
        normType: float | None = None,
    ) -> None:
        super().__init__()
        if nIndex < 1 or nOutput < 1:
            raise GraphError(f"LookupTable({nIndex}, {nOutput}): sizes must be at least 1")
        self.weight = torch.nn.Parameter(torch.empty(nIndex, nOutput))
        self.paddingValue = paddingValue
        self.maxNorm = maxNorm
        self.normType = 2.0 if normType is None else normType
        self.shouldScaleGradByFreq = False
        self.reset()

    def reset(self, stdv: float = 1.0) -> LookupTable:
        """Draw the table anew, normal with deviation `stdv`."""
        torch7_random.normal_(self.weight, 0, stdv)
        return self

    def scaleGradByFreq(self) -> LookupTable:
        """Divide a row's gradient by how often its index stands in the input."""
        self.shouldScaleGradByFreq = True
        return self

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        if input.dim() not in (1, 2):
            raise GraphError(f"{self}: input must be a vector or matrix, got {tuple(input.shape)}")
        indices = input.long()
        try:
            return F.embedding(
                indices,
                self.weight,
                self.paddingValue,
                self.maxNorm,
                self.normType,
                self.shouldScaleGradByFreq,
                # Few rows are looked up at a time: a dense gradient of a table of 10,000 x 200
                # took a third of a training step.
                sparse=protocol.recording() and not self.shouldScaleGradByFreq,
            )
        except IndexError as error:
            low, high = indices.min().item(), indices.max().item()
            raise GraphError(
                f"{self}: index out of range: the input holds {low}..{high}, the table has rows "
                f"0..{self.weight.shape[0] - 1}"
            ) from error
