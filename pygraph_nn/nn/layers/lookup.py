"""Layers that take indices: LookupTable (embeddings) and OneHot; and Constant."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from ... import torch7_random
from ...errors import GraphError, type_name
from ..core import is_recording
from ..core.counting import WHOLE, CountsFromOne, counted, first_index
from ..core.initial import new_parameter
from ..core.module import Module
from ..core.shapes import at_least_1
from ..core.torch7_form import SizeOf, Torch7Form


class LookupTable(Module):
    """Looks up rows of a table by index (``nn.LookupTable``): (n,) or (batch, n) to (..., nOutput).

    Indices are 0..nIndex-1, of any integer or floating-point type; their gradient is zero. `weight`
    is (nIndex, nOutput), standard normal, from Torch7's generator.

    Args:
        nIndex: Number of rows.
        nOutput: Size of a row.
        paddingValue: Index whose row gets no gradient.
        maxNorm: Rows with a larger norm are scaled down to it, in place, when they are looked up.
        normType: The p of this p-norm; 2 by default.

    Raises:
        GraphError: If a size is not positive, or at run time if an index is out of range or the
            input is not a vector or a matrix.
    """

    torch7_form = Torch7Form(
        arguments={"nIndex": SizeOf("weight", 0), "nOutput": SizeOf("weight", 1)},
        scratch={"_count": "IntTensor", "_input": "LongTensor"},
        version=4,
    )
    counts_from_one = CountsFromOne(
        arguments=("paddingValue",),
        fields=("paddingValue",),
        inputs=(WHOLE,),
        methods={"setPadding": ("paddingValue",)},
        zero={"paddingValue": None},
    )
    takes_integers = True

    def __init__(
        self,
        nIndex: int,
        nOutput: int,
        paddingValue: int | None = None,
        maxNorm: float | None = None,
        normType: float | None = None,
    ) -> None:
        super().__init__()
        at_least_1("nn.LookupTable", nIndex=nIndex, nOutput=nOutput)
        self.weight = new_parameter(nIndex, nOutput)
        self.paddingValue = paddingValue
        self.maxNorm = maxNorm
        self.normType = 2.0 if normType is None else normType
        self.shouldScaleGradByFreq = False
        self.reset()

    def reset(self, stdv: float = 1.0) -> LookupTable:
        """Redraw the table, normal with standard deviation `stdv`, and return the layer."""
        torch7_random.normal_(self.weight, 0, stdv)
        return self

    def setPadding(self, paddingValue: int | None) -> LookupTable:
        """Set the index whose row gets no gradient and return the layer."""
        self.paddingValue = paddingValue
        return self

    def setMaxNorm(self, maxNorm: float | None) -> LookupTable:
        """Set the largest norm of a row and return the layer."""
        self.maxNorm = maxNorm
        return self

    def setNormType(self, normType: float | None) -> LookupTable:
        """Set the p of the norm and return the layer."""
        self.normType = 2.0 if normType is None else normType
        return self

    def scaleGradByFreq(self) -> LookupTable:
        """Divide each row's gradient by the count of its index in the input; return the layer."""
        self.shouldScaleGradByFreq = True
        return self

    def row_wise(self, shapes: Sequence[torch.Size]) -> bool:
        """Return True for steps that are vectors, unless rows depend on the batch or change."""
        is_plain = not self.shouldScaleGradByFreq and self.maxNorm is None
        return len(shapes[0]) == 2 and is_plain

    def title(self) -> str:
        """Return the class and its sizes for the box of a picture: ``LookupTable 50 → 8``."""
        return f"LookupTable {self.weight.shape[0]} → {self.weight.shape[1]}"

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        if input.dim() not in (1, 2):
            raise GraphError(f"{self}: input must be a vector or matrix, got {tuple(input.shape)}")
        indices = counted(input.long())
        try:
            return F.embedding(
                indices,
                self.weight,
                self.paddingValue,
                self.maxNorm,
                self.normType,
                self.shouldScaleGradByFreq,
                # A batch uses few rows. The dense gradient of a 10,000 x 200 table took a third
                # of a training step.
                sparse=is_recording() and not self.shouldScaleGradByFreq,
            )
        except IndexError as error:
            first = first_index()
            low, high = input.min().item(), input.max().item()
            raise GraphError(
                f"{self}: index out of range: the input holds {low:g}..{high:g}, but the table has "
                f"rows {first}..{self.weight.shape[0] - 1 + first}"
            ) from error


class OneHot(Module):
    """Encodes indices as one-hot vectors (``nn.OneHot``): (...,) to (..., outputSize).

    Indices are 0..outputSize-1, of any integer or floating-point type, or one Python number. They
    get no gradient. The output has the dtype of a floating-point input, else the default dtype.

    Raises:
        GraphError: If `outputSize` is not positive.
    """

    counts_from_one = CountsFromOne(inputs=(WHOLE,))
    takes_integers = True

    def __init__(self, outputSize: int) -> None:
        super().__init__()
        at_least_1("nn.OneHot", outputSize=outputSize)
        self.outputSize = outputSize

    def updateOutput(self, input: torch.Tensor | int) -> torch.Tensor:
        input = torch.tensor(input) if isinstance(input, int) else input
        dtype = input.dtype if input.is_floating_point() else torch.get_default_dtype()
        classes = torch.arange(self.outputSize, device=input.device)
        return (counted(input.detach()).unsqueeze(-1) == classes).to(dtype)


class Constant(Module):
    """Returns a constant, whatever the input (``nn.Constant``); the input's gradient is zero.

    With `nInputDim`, an input with more dimensions is a batch, and the constant is repeated for
    each sample.

    Raises:
        GraphError: If `value` is neither a number nor a tensor.
    """

    takes_integers = True

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
