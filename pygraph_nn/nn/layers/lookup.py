"""Layers of indices: LookupTable (embeddings), OneHot, Constant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F

from ... import torch7_random
from ...errors import GraphError, type_name
from ..core import protocol
from ..core.module import Module


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

    def setPadding(self, paddingValue: int | None) -> LookupTable:
        """Set the index whose row gets no gradient."""
        self.paddingValue = paddingValue
        return self

    def setMaxNorm(self, maxNorm: float | None) -> LookupTable:
        """Set the norm that rows are scaled down to."""
        self.maxNorm = maxNorm
        return self

    def setNormType(self, normType: float | None) -> LookupTable:
        """Set the p of that norm."""
        self.normType = 2.0 if normType is None else normType
        return self

    def scaleGradByFreq(self) -> LookupTable:
        """Divide a row's gradient by how often its index stands in the input."""
        self.shouldScaleGradByFreq = True
        return self

    def row_wise(self, shapes: Sequence[torch.Size]) -> bool:
        # Neither scaled by how often an index stands in a batch, nor changed when looked up.
        is_plain = not self.shouldScaleGradByFreq and self.maxNorm is None
        return len(shapes[0]) == 2 and is_plain

    def title(self) -> str:
        return f"LookupTable {self.weight.shape[0]} → {self.weight.shape[1]}"

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


class OneHot(Module):
    """Vectors that are 1 at an index and 0 elsewhere (``nn.OneHot``): (...,) to (..., outputSize).

    Indices are 0..outputSize-1, of any integer or floating type, or one Python number; they get no
    gradient. The output has torch's default dtype, or that of a floating input.

    Raises:
        GraphError: `outputSize` is not positive.
    """

    def __init__(self, outputSize: int) -> None:
        super().__init__()
        if outputSize < 1:
            raise GraphError(f"nn.OneHot({outputSize}): the size must be at least 1")
        self.outputSize = outputSize

    def forward(self, input: Any) -> Any:
        return super().forward(torch.tensor(input) if isinstance(input, int) else input)

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        dtype = input.dtype if input.is_floating_point() else torch.get_default_dtype()
        classes = torch.arange(self.outputSize, device=input.device)
        return (input.detach().unsqueeze(-1) == classes).to(dtype)


class Constant(Module):
    """A constant whatever the input is (``nn.Constant``); the input's gradient is zero.

    With `nInputDim`, an input of more dimensions is a batch, and the constant comes once for each
    of its samples.

    Raises:
        GraphError: `value` is neither a number nor a tensor.
    """

    def __init__(self, value: float | torch.Tensor, nInputDim: int | None = None) -> None:
        super().__init__()
        if not isinstance(value, (int, float, torch.Tensor)):
            raise GraphError(f"nn.Constant: expecting a number or a tensor, got {type_name(value)}")
        constant = value if isinstance(value, torch.Tensor) else torch.tensor([float(value)])
        self.value: torch.Tensor
        self.register_buffer("value", constant)
        self.nInputDim = nInputDim

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        if self.nInputDim is not None and input.dim() > self.nInputDim:
            return self.value.expand(input.shape[0], *self.value.shape)
        return self.value.clone()
