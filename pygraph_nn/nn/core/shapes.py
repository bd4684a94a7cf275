"""Checks and conversions of shapes that layers share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from ... import nested
from ...errors import GraphError, type_name


def expect_table(layer: object, input: Any, at_least: int = 1) -> list[Any]:
    """Return the table `input` as a list.

    Raises:
        GraphError: If `input` is not a table or has fewer than `at_least` elements.
    """
    if not isinstance(input, (list, tuple)) or len(input) < at_least:
        at_least_elements = f" of at least {elements(at_least)}" if at_least else ""
        raise GraphError(f"{layer}: expecting a table{at_least_elements}, got {size_of(input)}")
    return list(input)


def expect_pair(layer: object, input: Any, what: str = "two tensors") -> tuple[Any, Any]:
    """Return the two elements of the table `input`.

    Raises:
        GraphError: If `input` is not a table of two elements.
    """
    if not isinstance(input, (list, tuple)) or len(input) != 2:
        raise GraphError(f"{layer}: expecting a table of {what}, got {size_of(input)}")
    return input[0], input[1]


def size_of(input: Any) -> str:
    """Return the number of elements of a list, or the type of anything else, and what to write."""
    if isinstance(input, (list, tuple)):
        return elements(len(input))
    if isinstance(input, torch.Tensor):
        return f"{type_name(input)}. A table of one element is a list: [x]"
    reason = nested.not_tensors(input, "It") or "A table is a list"
    return f"{type_name(input)}. {reason}"


def elements(count: int) -> str:
    """Return ``1 element``, ``2 elements`` and so on."""
    return f"{count} element" + "s" * (count != 1)


def expect_same_shape(
    layer: object, input: Any, what: str = "two tensors"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the two tensors of the table `input`.

    Raises:
        GraphError: If `input` is not a table of two tensors of the same shape.
    """
    a, b = expect_pair(layer, input, what)
    if a.shape != b.shape:
        raise GraphError(f"{layer}: shapes differ: {tuple(a.shape)} and {tuple(b.shape)}")
    return a, b


def expect_dims(layer: object, input: torch.Tensor, dims: Sequence[int], what: str) -> None:
    """Check the number of dimensions of `input`.

    Raises:
        GraphError: If it is not one of `dims`; the message asks for `what`.
    """
    if input.dim() not in dims:
        raise GraphError(f"{layer}: expecting {what}, got shape {tuple(input.shape)}")


def expect_image(layer: object, input: torch.Tensor, planes: int | None = None) -> None:
    """Check that `input` is (planes, height, width) or (batch, planes, height, width).

    Raises:
        GraphError: If it has another shape, or not `planes` planes.
    """
    if input.dim() not in (3, 4) or (planes and input.shape[-3] != planes):
        raise GraphError(
            f"{layer}: expecting ({planes or 'planes'}, height, width) or a batch of these, got "
            f"shape {tuple(input.shape)}"
        )


def sample_dimension(
    layer: object, dimension: int, nInputDims: int | None, input: torch.Tensor
) -> int:
    """Convert a `dimension` of one sample to a dimension of `input`, counted from 0.

    A sample has `nInputDims` dimensions. An input with one more is a batch, whose first dimension
    is not counted. A negative `dimension` counts from the end.

    Raises:
        GraphError: If `input` does not have this dimension.
    """
    if dimension >= 0 and nInputDims and input.dim() == nInputDims + 1:
        dimension += 1
    if not -input.dim() <= dimension < input.dim():
        raise GraphError(
            f"{layer}: no dimension {dimension} in an input of shape {tuple(input.shape)}; "
            "dimensions count from 0"
        )
    return dimension % input.dim()


def needs_floats(layer: object, input: torch.Tensor) -> GraphError:
    """Return the error for an `input` of integers with which PyTorch would compute in integers."""
    dtype = torch.get_default_dtype()
    return GraphError(f"{layer}: got a {type_name(input)}, not of floats: write x.to({dtype})")


def at_least_1d(output: torch.Tensor) -> torch.Tensor:
    """Reshape a tensor without dimensions, which Torch7 does not have, to (1,)."""
    return output if output.dim() else output.reshape(1)


def as_size(size: tuple[Any, ...]) -> tuple[int, ...]:
    """Return sizes passed one by one, or in one list like Lua's LongStorage, as a tuple."""
    if len(size) == 1 and isinstance(size[0], (list, tuple)):
        return tuple(size[0])
    return size


def at_least_1(layer: str, **sizes: int | float | None) -> None:
    """Check that all `sizes` except None are at least 1.

    Raises:
        GraphError: If one is smaller; the message shows the call.
    """
    if any(size is not None and size < 1 for size in sizes.values()):
        call = ", ".join(f"{name}={size}" for name, size in sizes.items())
        raise GraphError(f"{layer}({call}): sizes, kernels and steps must be at least 1")


def like_sample(
    layer: object, parameter: torch.Tensor, input: torch.Tensor, name: str
) -> torch.Tensor:
    """Reshape `parameter` to broadcast over `input`, one sample of its size or a batch.

    A parameter with as many dimensions as `input` is expanded along dimensions of size 1.

    Raises:
        GraphError: If it fits neither a sample nor a batch.
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
        f"{tuple(input.shape)} nor one sample of it"
    )
