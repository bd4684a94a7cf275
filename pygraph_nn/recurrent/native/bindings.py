"""The compiled functions, on tensors of float32 on the CPU; where there are none, see `native`."""

from __future__ import annotations

import ctypes
from typing import Any

import torch

from . import build as native

Tensor = torch.Tensor


class _Lstm(ctypes.Structure):
    """``struct lstm`` of lstm_steps.c."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in "block packed gates h c tanh_c".split()),
        *((name, ctypes.c_void_p) for name in "grad_h grad_c d dc".split()),
        ("slot", ctypes.c_int * 4),
        *((name, ctypes.c_int) for name in "steps batch size threads".split()),
    ]


class _SoftmaxLoss(ctypes.Structure):
    """``struct softmax_loss`` of softmax_loss.c."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in "scores target losses factor".split()),
        *((name, ctypes.c_int) for name in "rows classes threads gradient".split()),
    ]


def take(*tensors: Tensor) -> bool:
    """Whether the compiled functions are here, and take `tensors`."""
    return (
        all(x.dtype == torch.float32 and x.device.type == "cpu" for x in tensors)
        and native.library() is not None
    )


def packed_size(size: int) -> int:
    """How many numbers an LSTM of `size` units needs room for, to pack its weight."""
    library: Any = native.library()
    library.lstm_packed_size.restype = ctypes.c_long
    return int(library.lstm_packed_size(size))


def lstm(function: str, slots: tuple[int, ...], **tensors: Tensor) -> None:
    """``lstm_forward`` or ``lstm_backward``, with the tensors named in ``struct lstm``."""
    steps, batch, width = tensors["gates"].shape
    _call(
        function,
        _Lstm,
        tensors,
        slot=(ctypes.c_int * 4)(*slots),
        steps=steps,
        batch=batch,
        size=width // 4,
        threads=torch.get_num_threads(),
    )


def softmax_loss(scores: Tensor, target: Tensor, gradient: bool) -> tuple[Tensor, Tensor]:
    """The loss of each row of `scores`, (rows, classes), and a factor for each row, (rows,).

    If `gradient` is asked for, `factor` times a row is then the gradient of the row's loss.
    `target` is (rows,), of int64, its values among the classes.
    """
    losses, factor = scores.new_empty(len(scores)), scores.new_empty(len(scores))
    _call(
        "softmax_loss",
        _SoftmaxLoss,
        {"scores": scores, "target": target, "losses": losses, "factor": factor},
        rows=len(scores),
        classes=scores.shape[1],
        threads=torch.get_num_threads(),
        gradient=gradient,
    )
    return losses, factor


def _call(function: str, struct: Any, tensors: dict[str, Tensor], **numbers: Any) -> None:
    for name, tensor in tensors.items():
        assert tensor.is_contiguous(), name
    places = {name: tensor.data_ptr() for name, tensor in tensors.items()}
    getattr(native.library(), function)(ctypes.byref(struct(**places, **numbers)))
