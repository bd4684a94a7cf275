"""Call the kernels of products in bfloat16: pack the factors, multiply, and the loss that feeds it.

As in `bindings`, every tensor is checked before its address is passed on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from ...errors import GraphError, type_name
from .bindings import Shape, address, check_dimensions, compiled
from .structs import Bfloat16Pack, Bfloat16Product, SoftmaxBfloat16

Tensor = torch.Tensor
NewBuffer = Callable[[Shape], Tensor]
"""Returns a contiguous bfloat16 tensor of a shape, its values undefined."""


@dataclass(frozen=True)
class Factor:
    """A factor of a product in bfloat16, packed as bfloat16.h explains.

    Attributes:
        data: bfloat16. As rows, (size, k), or (size, k + 1) if k is odd; as panels, flat.
        k: the number of terms in each sum of the product.
        size: the other dimension: the rows of the left factor, the columns of the right one.
        panels: whether `data` are panels, those of a right factor; else rows, of a left factor.
    """

    data: Tensor
    k: int
    size: int
    panels: bool


def rows_shape(size: int, k: int) -> Shape:
    """Return the shape of the rows of a left factor, (size, k)."""
    return size, k + k % 2


def panels_shape(k: int, size: int) -> Shape:
    """Return the shape of the panels of a right factor, (k, size)."""
    return (int(compiled(bfloat16=True).bfloat16_panels_size(k, size)),)


def pack_rows(matrix: Tensor, buffer: NewBuffer, scale: Tensor | None = None) -> Factor:
    """Pack a left factor, (size, k), rounded to bfloat16.

    Args:
        matrix: float32; one of its dimensions must be contiguous.
        buffer: allocates the rows.
        scale: factors to multiply row k of ``matrix.T`` with before it is rounded, (k,), float32;
            only where the first dimension of `matrix` is the contiguous one.

    Raises:
        GraphError: an argument is not as above.
    """
    return _pack(matrix, buffer, scale, panels=False)


def pack_panels(matrix: Tensor, buffer: NewBuffer) -> Factor:
    """Pack a right factor, (k, size), rounded to bfloat16; see `pack_rows`."""
    return _pack(matrix, buffer, None, panels=True)


def _pack(matrix: Tensor, buffer: NewBuffer, scale: Tensor | None, panels: bool) -> Factor:
    function, library = "bfloat16_pack", compiled(bfloat16=True)
    if not isinstance(matrix, Tensor) or matrix.dim() != 2:
        raise GraphError(f"{function}: the factor must have 2 dimensions, got {type_name(matrix)}")
    check_dimensions(function, matrix)
    k, size = matrix.shape if panels else matrix.shape[::-1]
    transposed = matrix.stride(1) != 1
    source = matrix.t() if transposed else matrix
    # The pairs lie in two rows of `source` if the product runs over its rows.
    across = panels != transposed
    if scale is not None and not across:
        raise GraphError(f"{function}: scale needs a factor with contiguous columns")
    shape = panels_shape(k, size) if panels else rows_shape(size, k)
    data = buffer(shape)
    arguments = Bfloat16Pack(
        matrix=_matrix_address(function, "the factor", source),
        to=address(function, "the buffer", data, shape, torch.bfloat16),
        stride=source.stride(0),
        rows=source.shape[0],
        columns=source.shape[1],
        threads=torch.get_num_threads(),
        across=across,
        panels=panels,
    )
    if scale is not None:
        arguments.scale = address(function, "scale", scale, (len(source),))
    library.bfloat16_pack(arguments)
    return Factor(data, k, size, panels)


def product(
    a: Factor, b: Factor, out: Tensor, bias: Tensor | None = None, add: bool = False
) -> Tensor:
    """Write ``a @ b``, summed in float32, into `out` and return it.

    Args:
        a: (rows, k), as rows.
        b: (k, columns), as panels.
        out: (rows, columns), float32, each row contiguous.
        bias: (columns,), float32, to add to each row.
        add: whether to add to the values of `out` instead of overwriting them.

    Raises:
        GraphError: an argument is not as above.
    """
    function, library = "bfloat16_product", compiled(bfloat16=True)
    if a.panels or not b.panels or a.k != b.k:
        raise GraphError(f"{function}: expecting rows and panels over the same k, got {a} and {b}")
    if not isinstance(out, Tensor) or out.shape != (a.size, b.size):
        raise GraphError(f"{function}: out must be {(a.size, b.size)}, got {type_name(out)}")
    arguments = Bfloat16Product(
        a=address(function, "a", a.data, rows_shape(a.size, a.k), torch.bfloat16),
        b=address(function, "b", b.data, panels_shape(b.k, b.size), torch.bfloat16),
        out=_matrix_address(function, "out", out),
        stride=out.stride(0),
        rows=a.size,
        columns=b.size,
        k=a.k,
        threads=torch.get_num_threads(),
        add=add,
    )
    if bias is not None:
        arguments.bias = address(function, "bias", bias, (b.size,))
    library.bfloat16_product(arguments)
    return out


def softmax_loss_bfloat16(
    scores: Tensor, target: Tensor, buffer: NewBuffer
) -> tuple[Tensor, Tensor, Factor, Factor]:
    """Return the negative log-likelihoods of rows of scores, and their gradients as factors.

    Args:
        scores: (rows, classes), float32.
        target: the class of each row, (rows,), int64, from 0.
        buffer: allocates the factors.

    Returns:
        The losses, (rows,); a factor for each row, (rows,); and the gradients, (rows, classes), yet
        to be multiplied by it: as a left factor with k = classes, and as a right factor with
        k = rows.

    Raises:
        GraphError: a tensor is not as above, or a target is no class.
    """
    function, library = "softmax_loss", compiled(bfloat16=True)
    if not isinstance(scores, Tensor) or scores.dim() != 2:
        raise GraphError(f"{function}: scores must be (rows, classes), got {type_name(scores)}")
    check_dimensions(function, scores)
    rows, classes = scores.shape
    losses, factor = scores.new_empty(rows), scores.new_empty(rows)
    left = Factor(buffer(rows_shape(rows, classes)), classes, rows, panels=False)
    right = Factor(buffer(panels_shape(rows, classes)), rows, classes, panels=True)
    arguments = SoftmaxBfloat16(
        scores=address(function, "scores", scores, (rows, classes)),
        target=address(function, "target", target, (rows,), torch.int64),
        losses=losses.data_ptr(),
        factor=factor.data_ptr(),
        as_rows=left.data.data_ptr(),
        as_panels=right.data.data_ptr(),
        rows=rows,
        classes=classes,
        threads=torch.get_num_threads(),
    )
    row = library.softmax_loss_bfloat16(arguments)
    if row >= 0:
        raise GraphError(
            f"{function}: target[{row}] is {target[row].item()}, "
            f"but the classes are 0 to {classes - 1}"
        )
    return losses, factor, left, right


def _matrix_address(function: str, name: str, matrix: Tensor) -> int:
    """Return the address of a float32 matrix whose rows are contiguous and do not overlap.

    Raises:
        GraphError: it is none.
    """
    rows, columns = matrix.shape
    if (
        matrix.dtype is torch.float32
        and matrix.is_cpu
        and matrix.stride(1) == 1
        and matrix.stride(0) >= (columns if rows > 1 else 0)
        and not matrix.is_neg()  # a view whose elements are stored with the other sign
    ):
        pointer = matrix.data_ptr()
        if pointer or not matrix.numel():  # a tensor may have lost its storage
            return pointer
    raise GraphError(
        f"{function}: {name} must be a float32 matrix on the CPU with contiguous rows or columns, "
        f"got {type_name(matrix)} on {matrix.device}, strides {matrix.stride()}"
    )
