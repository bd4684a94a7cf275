"""What layers share about shapes: tables of tensors, dimensions of one sample or of a batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from ...errors import GraphError, type_name


def expect_table(layer: object, input: Any, at_least: int = 1) -> list[Any]:
    """`input` as a list.

    Raises:
        GraphError: it is no table of `at_least` elements.
    """
    if not isinstance(input, (list, tuple)) or len(input) < at_least:
        raise GraphError(
            f"{layer}: expecting a table of at least {at_least} elements, got "
            f"{f'one of {len(input)}' if isinstance(input, (list, tuple)) else type_name(input)}"
        )
    return list(input)


def expect_pair(layer: object, input: Any, what: str = "two tensors") -> tuple[Any, Any]:
    """The two elements of the table `input`.

    Raises:
        GraphError: it is no table of two elements.
    """
    if not isinstance(input, (list, tuple)) or len(input) != 2:
        got = f"{len(input)} elements" if isinstance(input, (list, tuple)) else type_name(input)
        raise GraphError(f"{layer}: expecting a table of {what}, got {got}")
    return input[0], input[1]


def expect_dims(layer: object, input: torch.Tensor, dims: Sequence[int], what: str) -> None:
    """Raise a GraphError that asks for `what` unless `input` has one of the numbers `dims`."""
    if input.dim() not in dims:
        raise GraphError(f"{layer}: expecting {what}, got shape {tuple(input.shape)}")


def sample_dimension(
    layer: object, dimension: int, nInputDims: int | None, input: torch.Tensor
) -> int:
    """`dimension` of one sample as a dimension of `input`, which may be a batch, from 0.

    One sample has `nInputDims` dimensions; an input of one more is a batch, whose first dimension
    does not count. A negative `dimension` counts from the end.

    Raises:
        GraphError: there is no such dimension.
    """
    if dimension >= 0 and nInputDims and input.dim() == nInputDims + 1:
        dimension += 1
    if not -input.dim() <= dimension < input.dim():
        raise GraphError(
            f"{layer}: dimension {dimension} of an input of shape {tuple(input.shape)}; "
            "dimensions count from 0"
        )
    return dimension % input.dim()


def at_least_1d(output: torch.Tensor) -> torch.Tensor:
    """Torch7 has no tensors of no dimensions: a single number has the shape (1,)."""
    return output if output.dim() else output.reshape(1)


def as_size(size: tuple[Any, ...]) -> tuple[int, ...]:
    """Sizes given one by one or, as Lua's LongStorage was, in one list."""
    if len(size) == 1 and isinstance(size[0], (list, tuple)):
        return tuple(size[0])
    return size


def at_least_1(layer: str, **sizes: int | float | None) -> None:
    """Raise a GraphError that shows the call unless all `sizes` that are given are positive."""
    if any(size is not None and size < 1 for size in sizes.values()):
        call = ", ".join(f"{name}={size}" for name, size in sizes.items())
        raise GraphError(f"{layer}({call}): sizes, kernels and steps must be at least 1")


def like_sample(
    layer: object, parameter: torch.Tensor, input: torch.Tensor, name: str
) -> torch.Tensor:
    """`parameter` in a shape that broadcasts over `input`, a sample of its size or a batch of them.

    With as many dimensions as `input`, sizes of 1 are repeated.

    Raises:
        GraphError: it fits neither.
    """
    if parameter.numel() == 1:
        return parameter.reshape(())
    if parameter.numel() == input.numel():
        return parameter.view_as(input)
    sizes = zip(parameter.shape, input.shape, strict=False)
    if parameter.dim() == input.dim() and all(mine in (1, theirs) for mine, theirs in sizes):
        return parameter
    if math.prod(input.shape[1:]) == parameter.numel():
        return parameter.reshape(input.shape[1:])
    raise GraphError(
        f"{layer}: {name} of shape {tuple(parameter.shape)} fits neither an input of shape "
        f"{tuple(input.shape)} nor the samples of such a batch"
    )
