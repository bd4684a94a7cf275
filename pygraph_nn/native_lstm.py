"""The loop of a long short-term memory by compiled code, lstm_steps.c: in float32, on the CPU."""

from __future__ import annotations

import ctypes
from typing import Any

import torch

from . import native
from .fused import Workspace
from .fused_lstm import sum_of

Tensor = torch.Tensor


class _Lstm(ctypes.Structure):
    """``struct lstm`` of lstm_steps.c."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in "block packed gates h c tanh_c".split()),
        *((name, ctypes.c_void_p) for name in "grad_h grad_c d dc".split()),
        ("slot", ctypes.c_int * 4),
        *((name, ctypes.c_int) for name in "steps batch size threads".split()),
    ]


def runs(*tensors: Tensor) -> bool:
    """Whether the compiled code is here, and takes `tensors`."""
    return (
        all(x.dtype == torch.float32 and x.device.type == "cpu" for x in tensors)
        and native.library("lstm_steps") is not None
    )


class NativeLstmSteps(torch.autograd.Function):
    """What `fused_lstm.LstmSteps` does."""

    @staticmethod
    def forward(
        ctx: Any,
        work: Workspace,
        key: object,
        slots: tuple[int, int, int, int],
        owned: bool,
        c_first: Tensor,
        h_first: Tensor,
        block: Tensor,
        *externals: Tensor,
    ) -> tuple[Tensor, Tensor]:
        steps, batch, width = externals[0].shape
        size = width // 4
        gates = sum_of(externals, work, key, owned)
        h = work.with_ones((key, "h"), (steps + 1, batch, size + 1), gates)
        c = work.empty((key, "c"), (steps + 1, batch, size), gates)
        tanh_c = work.empty((key, "tanh c"), (steps, batch, size), gates)
        h[0, :, :-1] = h_first
        c[0] = c_first
        ctx.work, ctx.key, ctx.slots, ctx.count = work, key, slots, len(externals)
        ctx.tensors = {"block": block, "gates": gates, "h": h, "c": c, "tanh_c": tanh_c}
        ctx.set_materialize_grads(False)
        _call("lstm_forward", work, slots, **ctx.tensors)
        return c[1:], h[1:, :, :-1]

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        work, key, gates, h = ctx.work, ctx.key, ctx.tensors["gates"], ctx.tensors["h"]
        _, batch, width = gates.shape
        d = work.empty((key, "d"), gates.shape, gates)
        dc = work.zeros((key, "dc"), (batch, width // 4), gates)
        names = ("grad_c", "grad_h")
        given = {n: g.contiguous() for n, g in zip(names, grads, strict=True) if g is not None}
        _call("lstm_backward", work, ctx.slots, d=d, dc=dc, **given, **ctx.tensors)
        needs, block = ctx.needs_input_grad, ctx.tensors["block"]
        dc_first = dc.clone() if needs[4] else None
        dh_first = d[0] @ block[:-1].t() if needs[5] else None
        db = None
        if needs[6]:
            db = work.block_gradient(block, h[:-1].flatten(0, 1), d.flatten(0, 1))
        return None, None, None, None, dc_first, dh_first, db, *[d] * ctx.count


def _call(function: str, work: Workspace, slots: tuple[int, ...], **tensors: Tensor) -> None:
    library: Any = native.library("lstm_steps")
    library.lstm_packed_size.restype = ctypes.c_long
    steps, batch, width = tensors["gates"].shape
    size = width // 4
    # One for all loops and both directions: each packs its weight anew.
    packed = work.empty("packed", (library.lstm_packed_size(size),), tensors["gates"])
    for name, tensor in tensors.items():
        assert tensor.is_contiguous(), name
    places = {name: tensor.data_ptr() for name, tensor in tensors.items()}
    arguments = _Lstm(
        **places,
        packed=packed.data_ptr(),
        slot=(ctypes.c_int * 4)(*slots),
        steps=steps,
        batch=batch,
        size=size,
        threads=torch.get_num_threads(),
    )
    getattr(library, function)(ctypes.byref(arguments))
