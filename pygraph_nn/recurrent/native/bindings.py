"""Call the compiled kernels of LSTM loops and losses on tensors on the CPU.

Every tensor is checked before its address is passed on: with a wrong one, C code would read or
write elsewhere in memory. `kernels_accept` says whether the kernels can be used at all.
"""

from __future__ import annotations

import ctypes

import torch

from ...errors import GraphError, type_name
from . import loading
from .structs import Lstm, SoftmaxLoss, has_bfloat16

Tensor = torch.Tensor
Shape = tuple[int, ...]

_INT_MAX = 2**31 - 1  # the C structs hold dimensions as int


def kernels_accept(*tensors: Tensor) -> bool:
    """Return whether the compiled kernels are available, and take `tensors`."""
    for tensor in tensors:
        if tensor.dtype is not torch.float32 or not tensor.is_cpu:
            return False
    return loading.library() is not None


def packed_size(size: int, bfloat16: bool = False) -> int:
    """Return the number of elements of `packed`, the buffer for the weight of `size` units."""
    function = "lstm_bfloat16_packed_size" if bfloat16 else "lstm_packed_size"
    return int(getattr(compiled(bfloat16), function)(size))


def lstm(
    function: str, gate_slices: tuple[int, ...], bfloat16: bool = False, **tensors: Tensor
) -> None:
    """Call ``lstm_forward`` or ``lstm_backward``; lstm.h explains the tensors.

    With `bfloat16`, products are in bfloat16. `gate_slices` are the positions of the gates in,
    transform, forget and out in a row of `gates`.
    The tensors, all of them contiguous, for T steps, a batch of B rows, and H units:

    - block (H + 1, 4 * H), packed (packed_size(H),), gates (T, B, 4 * H), h (T + 1, B, H + 1),
      c (T + 1, B, H), tanh_c (T, B, H);
    - backward also d (T, B, 4 * H) and dc (B, H), and grad_h and grad_c (T, B, H) unless they are
      zero;
    - with `bfloat16` also h_rounded (T + 1, B, H or, if this is odd, H + 1), whose step 0 holds the
      first h followed by zeros; and backward d_rounded (T, B, 4 * H). They and `packed` are
      bfloat16, all others float32.

    Raises:
        GraphError: a tensor is missing, unknown, or not as above.
    """
    library = compiled(bfloat16)
    shapes = _lstm_shapes(function, tensors, bfloat16)
    if sorted(gate_slices) != [0, 1, 2, 3]:
        raise GraphError(
            f"{function}: gate_slices must be 0, 1, 2 and 3 in some order, got {gate_slices}"
        )
    if tensors.keys() != shapes.keys():
        missing, unknown = shapes.keys() - tensors.keys(), tensors.keys() - shapes.keys()
        raise GraphError(f"{function}: missing {sorted(missing)}, unknown {sorted(unknown)}")
    steps, batch, size = shapes["tanh_c"]
    arguments = Lstm(steps=steps, batch=batch, size=size, threads=torch.get_num_threads())
    arguments.slice[:] = gate_slices
    rounded = ("packed", "h_rounded", "d_rounded") if bfloat16 else ()
    for name, shape in shapes.items():
        dtype = torch.bfloat16 if name in rounded else torch.float32
        setattr(arguments, name, address(function, name, tensors[name], shape, dtype))
    getattr(library, f"{function}_bfloat16" if bfloat16 else function)(arguments)


def _lstm_shapes(function: str, tensors: dict[str, Tensor], bfloat16: bool) -> dict[str, Shape]:
    """Return the shape that each tensor of ``struct lstm`` must have, going by `gates`."""
    gates = tensors.get("gates")
    if not isinstance(gates, Tensor) or gates.dim() != 3 or gates.shape[2] % 4:
        raise GraphError(f"{function}: gates must be (T, B, 4 * H), got {type_name(gates)}")
    check_dimensions(function, gates)
    steps, batch, width = gates.shape
    size = width // 4
    shapes: dict[str, Shape] = {
        "block": (size + 1, width),
        "packed": (packed_size(size, bfloat16),),
        "gates": (steps, batch, width),
        "h": (steps + 1, batch, size + 1),
        "c": (steps + 1, batch, size),
        "tanh_c": (steps, batch, size),
    }
    if bfloat16:
        shapes["h_rounded"] = (steps + 1, batch, size + size % 2)
    if function == "lstm_backward":
        shapes["d"] = (steps, batch, width)
        shapes["dc"] = (batch, size)
        if bfloat16:
            shapes["d_rounded"] = (steps, batch, width)
        for name in ("grad_h", "grad_c"):
            if name in tensors:
                shapes[name] = (steps, batch, size)
    return shapes


def softmax_loss(scores: Tensor, target: Tensor, gradient: bool) -> tuple[Tensor, Tensor]:
    """Return the negative log-likelihood of each row of `scores`, and a factor for each row.

    Args:
        scores: (rows, classes), float32. With `gradient` they are overwritten: multiplied by its
            factor, a row is then the gradient of its loss.
        target: the class of each row, (rows,), int64, from 0.
        gradient: whether to compute the gradients.

    Returns:
        The losses and the factors, (rows,) each.

    Raises:
        GraphError: a tensor is not as above, or a target is no class.
    """
    if not isinstance(scores, Tensor) or scores.dim() != 2:
        raise GraphError(f"softmax_loss: scores must be (rows, classes), got {type_name(scores)}")
    rows, classes = scores.shape
    check_dimensions("softmax_loss", scores)
    losses, factor = scores.new_empty(rows), scores.new_empty(rows)
    arguments = SoftmaxLoss(
        scores=address("softmax_loss", "scores", scores, (rows, classes)),
        target=address("softmax_loss", "target", target, (rows,), torch.int64),
        losses=losses.data_ptr(),
        factor=factor.data_ptr(),
        rows=rows,
        classes=classes,
        threads=torch.get_num_threads(),
        gradient=gradient,
    )
    row = compiled().softmax_loss(arguments)
    if row >= 0:
        raise GraphError(
            f"softmax_loss: target[{row}] is {target[row].item()}, "
            f"but the classes are 0 to {classes - 1}"
        )
    return losses, factor


def compiled(bfloat16: bool = False) -> ctypes.CDLL:
    """Return the compiled functions.

    Raises:
        GraphError: there are none, or with `bfloat16` none in bfloat16.
    """
    library = loading.library()
    if library is None:
        raise GraphError(f"no compiled kernels: {loading.kernels_unavailable()}")
    if bfloat16 and not has_bfloat16(library):
        raise GraphError(f"no compiled kernels in bfloat16: {loading.bfloat16_unavailable()}")
    return library


def check_dimensions(function: str, tensor: Tensor) -> None:
    """Raise `GraphError` if a dimension of `tensor` does not fit the C structs."""
    if max(tensor.shape) >= _INT_MAX:
        raise GraphError(f"{function}: a dimension of {type_name(tensor)} is too large")


def address(
    function: str, name: str, tensor: object, shape: Shape, dtype: torch.dtype = torch.float32
) -> int:
    """Return the address of the elements of `tensor`, after checking what the kernels rely on.

    Raises:
        GraphError: `tensor` is not a contiguous tensor of `shape` and `dtype` on the CPU.
    """
    if (
        isinstance(tensor, Tensor)
        and tensor.dtype is dtype
        and tensor.shape == shape
        and tensor.is_cpu
        and tensor.is_contiguous()
        and not tensor.is_neg()  # a view whose elements are stored with the other sign
    ):
        address = tensor.data_ptr()
        if address or not tensor.numel():  # a tensor may have lost its storage
            return address
    detail = type_name(tensor)
    if isinstance(tensor, Tensor):
        detail += f" on {tensor.device}, strides {tensor.stride()}"
    raise GraphError(
        f"{function}: {name} must be a contiguous {dtype} tensor {shape} on the CPU, got {detail}"
    )
