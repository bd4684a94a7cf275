"""Linear and bilinear maps, Maxout, and distances to learned vectors."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F

from ...errors import GraphError
from ..core.initial import draw_uniform, new_parameter
from ..core.module import Module
from ..core.rows import rows_of_matrices
from ..core.shapes import at_least_1, expect_dims, expect_pair
from ..core.torch7_form import Has, SizeOf, Torch7Form
from .containers import Sequential
from .reduction import Max
from .reshape import View
from .roots import root


class Linear(Module):
    """Applies x W' + b (``nn.Linear``): (inputSize,) or (batch, inputSize) to (..., outputSize).

    `weight` is (outputSize, inputSize) and `bias` (outputSize,), both uniform within
    1 / sqrt(inputSize), drawn from Torch7's generator in this order.

    Raises:
        GraphError: If a size is not positive, or at run time if the input is not a vector or matrix
            of `inputSize` columns.
    """

    torch7_form = Torch7Form(
        arguments={
            "inputSize": SizeOf("weight", 1),
            "outputSize": SizeOf("weight", 0),
            "bias": Has("bias"),
        }
    )
    row_wise = rows_of_matrices

    bias: torch.nn.Parameter | None

    def __init__(self, inputSize: int, outputSize: int, bias: bool = True) -> None:
        super().__init__()
        at_least_1("nn.Linear", inputSize=inputSize, outputSize=outputSize)
        self.weight = new_parameter(outputSize, inputSize)
        self.register_parameter("bias", new_parameter(outputSize) if bias is not False else None)
        self.reset()

    def noBias(self) -> Linear:
        """Remove the bias and return the layer."""
        self.bias = None
        return self

    def reset(self, stdv: float | None = None) -> Linear:
        """Redraw the parameters, with standard deviation `stdv` if set, and return the layer."""
        draw_uniform(1.0 / math.sqrt(self.weight.shape[1]), stdv, self.weight, self.bias)
        return self

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        if input.dim() not in (1, 2) or input.shape[-1] != self.weight.shape[1]:
            raise GraphError(
                f"{self}: input must be vector or matrix of {self.weight.shape[1]} columns, "
                f"got shape {tuple(input.shape)}"
            )
        return F.linear(input, self.weight, self.bias)

    def __repr__(self) -> str:
        outputs, inputs = self.weight.shape
        return f"nn.Linear({inputs} -> {outputs})" + (" without bias" * (self.bias is None))


class Bilinear(Module):
    """Computes x1' W_k x2 + b_k for each output k (``nn.Bilinear``).

    A table [(batch, inputSize1), (batch, inputSize2)] to (batch, outputSize). `weight` is
    (outputSize, inputSize1, inputSize2) and `bias` (outputSize,), both uniform within
    1 / sqrt(inputSize1), drawn from Torch7's generator in this order.

    Raises:
        GraphError: If a size is not positive, or at run time if the input has other shapes.
    """

    torch7_form = Torch7Form(
        arguments={
            "inputSize1": SizeOf("weight", 1),
            "inputSize2": SizeOf("weight", 2),
            "outputSize": SizeOf("weight", 0),
            "bias": Has("bias"),
        },
        has_table_input=True,
    )
    takes_table = True
    row_wise = rows_of_matrices

    bias: torch.nn.Parameter | None

    def __init__(
        self, inputSize1: int, inputSize2: int, outputSize: int, bias: bool = True
    ) -> None:
        super().__init__()
        at_least_1(
            "nn.Bilinear", inputSize1=inputSize1, inputSize2=inputSize2, outputSize=outputSize
        )
        self.weight = new_parameter(outputSize, inputSize1, inputSize2)
        self.register_parameter("bias", new_parameter(outputSize) if bias is not False else None)
        self.reset()

    def reset(self, stdv: float | None = None) -> Bilinear:
        """Redraw the parameters, with standard deviation `stdv` if set, and return the layer."""
        draw_uniform(1.0 / math.sqrt(self.weight.shape[1]), stdv, self.weight, self.bias)
        return self

    def updateOutput(self, input: Any) -> torch.Tensor:
        a, b = expect_pair(self, input, "two matrices")
        if a.dim() != 2 or b.dim() != 2 or len(a) != len(b):
            raise GraphError(
                f"{self}: input tensors should be two-dimensional with the same number of rows, "
                f"got shapes {tuple(a.shape)} and {tuple(b.shape)}"
            )
        if (a.shape[1], b.shape[1]) != tuple(self.weight.shape[1:]):
            raise GraphError(
                f"{self}: the input tensors have {a.shape[1]} and {b.shape[1]} columns instead of "
                f"{self.weight.shape[1]} and {self.weight.shape[2]}"
            )
        return F.bilinear(a, b, self.weight, self.bias)

    def __repr__(self) -> str:
        outputs, first, second = self.weight.shape
        bias = " without bias" * (self.bias is None)
        return f"{self.torch7_name()}({first}x{second} -> {outputs}) {bias}"


class Maxout(Sequential):
    """Takes the elementwise maximum of `maxoutNumber` linear layers (``nn.Maxout``).

    (inputSize,) or (batch, inputSize) to (..., outputSize). The module `preprocess` is applied to
    the outputs of all linear layers, (..., maxoutNumber, outputSize), before the maximum.
    """

    def __init__(
        self,
        inputSize: int,
        outputSize: int,
        maxoutNumber: int,
        preprocess: torch.nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.add(Linear(inputSize, outputSize * maxoutNumber))
        self.add(View(maxoutNumber, outputSize).setNumInputDims(1))
        if preprocess is not None:
            self.add(preprocess)
        self.add(Max(0, 2))


class _ToLearnedVectors(Module):
    """Base of the layers that compare their input to outputSize learned vectors."""

    torch7_form = Torch7Form(
        arguments={"inputSize": SizeOf("weight", 0), "outputSize": SizeOf("weight", 1)}
    )
    weight: torch.nn.Parameter
    of_columns = True  # the learned vectors are the columns of the weight, not its rows

    def __init__(self, inputSize: int, outputSize: int) -> None:
        super().__init__()
        at_least_1(self.torch7_name(), inputSize=inputSize, outputSize=outputSize)
        self.inputSize = inputSize
        size = (inputSize, outputSize) if self.of_columns else (outputSize, inputSize)
        self.weight = new_parameter(*size)
        self.reset()

    def reset(self, stdv: float | None = None) -> Any:
        """Redraw the vectors, with standard deviation `stdv` if set, and return the layer."""
        draw_uniform(1.0 / math.sqrt(self.weight.shape[0]), stdv, self.weight)
        return self

    def check(self, input: torch.Tensor) -> None:
        """Check that `input` is a vector or a matrix of inputSize columns."""
        expect_dims(self, input, (1, 2), "a vector or a matrix")
        if input.shape[-1] != self.inputSize:
            raise GraphError(
                f"{self}: expecting {self.inputSize} columns, got shape {tuple(input.shape)}"
            )


class Euclidean(_ToLearnedVectors):
    """Computes Euclidean distances to learned vectors (``nn.Euclidean``).

    (inputSize,) or (batch, inputSize) to (..., outputSize). `weight` is (inputSize, outputSize),
    uniform within 1 / sqrt(inputSize), from Torch7's generator. As in Torch7, 1e-7 is added to the
    distance where the gradient divides by it.

    Raises:
        GraphError: If a size is not positive, or at run time if the input is not a vector or matrix
            of `inputSize` columns.
    """

    torch7_form = _ToLearnedVectors.torch7_form._replace(scratch={"fastBackward": 1})
    row_wise = rows_of_matrices

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.check(input)
        return root(self._differences(input).square().sum(-2), 2, 1e-7)

    def _differences(self, input: torch.Tensor) -> torch.Tensor:
        return input.unsqueeze(-1) - self.weight  # (..., inputSize, outputSize)


class WeightedEuclidean(Euclidean):
    """`Euclidean` with a learned factor for each difference (``nn.WeightedEuclidean``).

    The factors, `diagCov`, are (inputSize, outputSize) and start at 1.
    """

    def __init__(self, inputSize: int, outputSize: int) -> None:
        super().__init__(inputSize, outputSize)
        self.diagCov = torch.nn.Parameter(torch.ones(inputSize, outputSize))

    def _differences(self, input: torch.Tensor) -> torch.Tensor:
        return super()._differences(input) * self.diagCov


class Cosine(_ToLearnedVectors):
    """Computes cosines of the angles to learned vectors (``nn.Cosine``).

    (inputSize,) or (batch, inputSize) to (..., outputSize). `weight` is (outputSize, inputSize),
    uniform within 1 / sqrt(outputSize), from Torch7's generator. 1e-12 is added to the lengths.

    Raises:
        GraphError: As in `Euclidean`.
    """

    torch7_form = Torch7Form(
        arguments={"inputSize": SizeOf("weight", 1), "outputSize": SizeOf("weight", 0)}
    )
    row_wise = rows_of_matrices

    of_columns = False

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.check(input)
        lengths = self.weight.norm(dim=1) + 1e-12
        return F.linear(input, self.weight) / lengths / (input.norm(dim=-1, keepdim=True) + 1e-12)
