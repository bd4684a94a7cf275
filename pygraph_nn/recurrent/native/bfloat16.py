"""Call the kernels of products in bfloat16: round the factors, multiply, and the softmax loss.

As in `bindings`, every tensor is checked before its address is passed on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import torch

from ...errors import GraphError, type_name
from .bindings import Shape, address, check_dimensions, compiled
from .structs import Bfloat16Pack, Bfloat16Product, SoftmaxBfloat16

Tensor = torch.Tensor
NewBuffer: TypeAlias = Callable[[Shape], Tensor]
"""Returns a contiguous bfloat16 tensor of a shape, its values undefined."""

_ROUNDED, _FLOATS, _COLUMNS, _PANELS = range(4)  # the layouts of bfloat16_product.c


@dataclass(frozen=True)
class Rounded:
    """A matrix in bfloat16, a factor of products.

    Attributes:
        data: bfloat16, contiguous, (rows, columns); if `columns` is odd, with a column of zeros.
        rows, columns: the dimensions.
    """

    data: Tensor
    rows: int
    columns: int


@dataclass(frozen=True)
class Panels:
    """A matrix in bfloat16 that is packed as the right factor of several products.

    Attributes:
        data: bfloat16, flat; see bfloat16.h.
        rows, columns: the dimensions; a product sums over the rows.
    """

    data: Tensor
    rows: int
    columns: int


RightFactor: TypeAlias = Tensor | Rounded | Panels
"""The right factor of a product; a tensor is float32, its rows or its columns contiguous."""


def rounded_shape(rows: int, columns: int) -> Shape:
    """Return the shape of the data of a `Rounded`."""
    return rows, columns + columns % 2


def round_matrix(matrix: Tensor, buffer: NewBuffer, scale: Tensor | None = None) -> Rounded:
    """Round a matrix to bfloat16.

    Args:
        matrix: float32, its rows or its columns contiguous.
        buffer: allocates the result.
        scale: factors of the columns, (columns,), float32; only where columns are contiguous.

    Raises:
        GraphError: an argument is not as above.
    """
    source = _source("round_matrix", matrix)
    rows, columns = matrix.shape
    arguments = _pack_arguments(source, rows, columns)
    if scale is not None:
        if source.layout != _COLUMNS:
            raise GraphError("round_matrix: scale needs contiguous columns")
        arguments.scale = address("round_matrix", "scale", scale, (columns,))
    data = buffer(rounded_shape(rows, columns))
    arguments.to = _rounded_address("round_matrix", "buffer", Rounded(data, rows, columns))
    compiled(bfloat16=True).bfloat16_pack(arguments)
    return Rounded(data, rows, columns)


def pack_panels(matrix: Tensor, buffer: NewBuffer) -> Panels:
    """Round a matrix to bfloat16 and pack it as a right factor; see `round_matrix`."""
    source = _source("pack_panels", matrix)
    rows, columns = matrix.shape
    arguments = _pack_arguments(source, rows, columns)
    panels = Panels(buffer(_panels_shape(rows, columns)), rows, columns)
    arguments.to = _panels_address("pack_panels", "buffer", panels)
    arguments.panels = 1
    compiled(bfloat16=True).bfloat16_pack(arguments)
    return panels


def product(
    a: Rounded, b: RightFactor, out: Tensor, bias: Tensor | None = None, add: bool = False
) -> Tensor:
    """Write ``a @ b``, summed in float32, into `out` and return it.

    Args:
        a: (rows, k).
        b: (k, columns); a tensor is rounded to bfloat16.
        out: (rows, columns), float32, its rows contiguous.
        bias: (columns,), float32, to add to each row.
        add: whether to add to the values of `out` instead of overwriting them.

    Raises:
        GraphError: an argument is not as above.
    """
    function = "bfloat16_product"
    b_source = _source(function, b)
    k, columns = b.shape if isinstance(b, Tensor) else (b.rows, b.columns)
    if a.columns != k:
        raise GraphError(f"{function}: a has {a.columns} columns, but b has {k} rows")
    out_source = _source(function, out)
    if out.shape != (a.rows, columns) or out_source.layout != _FLOATS:
        raise GraphError(
            f"{function}: out must be ({a.rows}, {columns}) with contiguous rows, got "
            f"{type_name(out)}, strides {out.stride()}"
        )
    arguments = Bfloat16Product(
        a=_rounded_address(function, "a", a),
        b=b_source.address,
        out=out_source.address,
        b_stride=b_source.stride,
        out_stride=out_source.stride,
        rows=a.rows,
        columns=columns,
        k=k,
        layout=b_source.layout,
        threads=torch.get_num_threads(),
        add=add,
    )
    if bias is not None:
        arguments.bias = address(function, "bias", bias, (columns,))
    compiled(bfloat16=True).bfloat16_product(arguments)
    return out


def softmax_loss_bfloat16(
    scores: Tensor, target: Tensor, buffer: NewBuffer
) -> tuple[Tensor, Tensor, Rounded]:
    """Return the negative log-likelihood of each row of `scores`, and the gradients in bfloat16.

    Args:
        scores: (rows, classes), float32.
        target: the class of each row, (rows,), int64, from 0.
        buffer: allocates the gradients.

    Returns:
        The losses, (rows,), a factor for each row, (rows,), and the gradients, (rows, classes), yet
        to be multiplied by it.

    Raises:
        GraphError: a tensor is not as above, or a target is no class.
    """
    function = "softmax_loss"
    if not isinstance(scores, Tensor) or scores.dim() != 2:
        raise GraphError(f"{function}: scores must be (rows, classes), got {type_name(scores)}")
    check_dimensions(function, scores)
    rows, classes = scores.shape
    losses, factor = scores.new_empty(rows), scores.new_empty(rows)
    gradient = Rounded(buffer(rounded_shape(rows, classes)), rows, classes)
    arguments = SoftmaxBfloat16(
        scores=address(function, "scores", scores, (rows, classes)),
        target=address(function, "target", target, (rows,), torch.int64),
        losses=losses.data_ptr(),
        factor=factor.data_ptr(),
        gradient=_rounded_address(function, "the gradient", gradient),
        rows=rows,
        classes=classes,
        threads=torch.get_num_threads(),
    )
    row = compiled(bfloat16=True).softmax_loss_bfloat16(arguments)
    if row >= 0:
        raise GraphError(
            f"{function}: target[{row}] is {target[row].item()}, "
            f"but the classes are 0 to {classes - 1}"
        )
    return losses, factor, gradient


class _Source(NamedTuple):
    """Where the kernels read a matrix: its address, stride and layout."""

    address: int
    stride: int
    layout: int


def _source(function: str, matrix: RightFactor) -> _Source:
    """Return where `matrix` is.

    Raises:
        GraphError: the kernels cannot read it.
    """
    if isinstance(matrix, Rounded):
        stride = rounded_shape(matrix.rows, matrix.columns)[1]
        return _Source(_rounded_address(function, "a factor", matrix), stride, _ROUNDED)
    if isinstance(matrix, Panels):
        return _Source(_panels_address(function, "a factor", matrix), 0, _PANELS)
    if isinstance(matrix, Tensor) and matrix.dim() == 2:
        check_dimensions(function, matrix)
        if is_readable(matrix):
            rows_first = matrix.stride(1) == 1 and matrix.stride(0) >= matrix.shape[1]
            layout = _FLOATS if rows_first else _COLUMNS
            return _Source(matrix.data_ptr(), matrix.stride(0 if rows_first else 1), layout)
    detail = type_name(matrix)
    if isinstance(matrix, Tensor):
        detail += f" on {matrix.device}, strides {matrix.stride()}"
    raise GraphError(
        f"{function}: a matrix must be torch.float32 on the CPU with contiguous rows or columns, "
        f"got {detail}"
    )


def is_readable(matrix: Tensor) -> bool:
    """Return whether the kernels can read a matrix where it is: its rows or columns contiguous."""
    if matrix.dtype is not torch.float32 or not matrix.is_cpu or matrix.is_neg():
        return False
    if not matrix.data_ptr() and matrix.numel():  # it has lost its storage
        return False
    return any(x.stride(1) == 1 and x.stride(0) >= x.shape[1] for x in (matrix, matrix.t()))


def _pack_arguments(source: _Source, rows: int, columns: int) -> Bfloat16Pack:
    return Bfloat16Pack(
        matrix=source.address,
        stride=source.stride,
        layout=source.layout,
        rows=rows,
        columns=columns,
        threads=torch.get_num_threads(),
    )


def _panels_shape(rows: int, columns: int) -> Shape:
    return (int(compiled(bfloat16=True).bfloat16_panels_size(rows, columns)),)


def _panels_address(function: str, name: str, panels: Panels) -> int:
    shape = _panels_shape(panels.rows, panels.columns)
    return address(function, name, panels.data, shape, torch.bfloat16)


def _rounded_address(function: str, name: str, matrix: Rounded) -> int:
    shape = rounded_shape(matrix.rows, matrix.columns)
    return address(function, name, matrix.data, shape, torch.bfloat16)
