"""The loop of a long short-term memory by compiled code: in float32, on the CPU."""

from __future__ import annotations

from typing import Any

import torch

from ..native import bindings as kernels
from .torch_ops import LstmRun

Tensor = torch.Tensor


class NativeLstmSteps(torch.autograd.Function):
    """What `fused_lstm.LstmSteps` does."""

    @staticmethod
    def forward(
        ctx: Any, run: LstmRun, c_first: Tensor, h_first: Tensor, block: Tensor, *externals: Tensor
    ) -> tuple[Tensor, Tensor]:
        work, key = run.work, run.key
        gates, h = run.begin(h_first, externals)
        steps, (batch, size) = len(gates), h_first.shape
        c = work.empty((key, "c"), (steps + 1, batch, size), gates)
        tanh_c = work.empty((key, "tanh c"), (steps, batch, size), gates)
        c[0] = c_first
        ctx.run, ctx.count = run, len(externals)
        ctx.tensors = {"block": block, "gates": gates, "h": h, "c": c, "tanh_c": tanh_c}
        ctx.set_materialize_grads(False)
        # Room for the packed weight, one for all loops: each packs its own anew.
        ctx.tensors["packed"] = work.empty("packed", (kernels.packed_size(size),), gates)
        kernels.lstm("lstm_forward", run.slots, **ctx.tensors)
        return c[1:], h[1:, :, :-1]

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        work, key, gates, h = ctx.run.work, ctx.run.key, ctx.tensors["gates"], ctx.tensors["h"]
        _, batch, width = gates.shape
        d = work.empty((key, "d"), gates.shape, gates)
        dc = work.zeros((key, "dc"), (batch, width // 4), gates)
        names = ("grad_c", "grad_h")
        given = {n: g.contiguous() for n, g in zip(names, grads, strict=True) if g is not None}
        kernels.lstm("lstm_backward", ctx.run.slots, d=d, dc=dc, **given, **ctx.tensors)
        needs, block = ctx.needs_input_grad, ctx.tensors["block"]
        dc_first = dc.clone() if needs[1] else None
        dh_first = d[0] @ block[:-1].t() if needs[2] else None
        db = None
        if needs[3]:
            db = work.block_gradient(block, h[:-1].flatten(0, 1), d.flatten(0, 1))
        return None, dc_first, dh_first, db, *[d] * ctx.count
