"""The loop of a long short-term memory on CUDA devices: a product and one kernel for each step."""

from __future__ import annotations

from typing import Any

import torch

from ..functions import Workspace
from .torch_ops import LstmRun

Tensor = torch.Tensor


class DeviceLstmSteps(torch.autograd.Function):
    """What `fused_lstm.LstmSteps` does, by the kernels of PyTorch's own LSTM cell.

    They take the four gates in the order in, forget, transform, out, to which weight and sums are
    brought for all steps at once.
    """

    @staticmethod
    def forward(
        ctx: Any, run: LstmRun, c_first: Tensor, h_first: Tensor, block: Tensor, *externals: Tensor
    ) -> tuple[Tensor, Tensor]:
        work, key = run.work, run.key
        into, transform, forget, out = run.slots
        order = (into, forget, transform, out)
        sums, h = run.begin(h_first, externals)
        gates = _ordered(work, (key, "ordered"), sums, order)
        ordered = _ordered(work, (key, "block"), block, order)
        weight, bias = ordered[:-1], ordered[-1]
        c = work.empty((key, "c"), (len(gates) + 1, *c_first.shape), gates)
        c[0] = c_first
        no_bias = work.zeros((key, "no bias"), bias.shape, gates)
        from_h = work.empty((key, "from h"), gates.shape[1:], gates)
        factor = weight if work.exact else weight.bfloat16()  # once, not in every step
        now_c, now_h, kept = c_first.contiguous(), h_first.contiguous(), []
        all_c, all_h = [], []
        for outside in work.by_step(gates):
            work.product(now_h, factor, from_h)
            now_h, now_c, squashed = torch.ops.aten._thnn_fused_lstm_cell(
                outside, from_h, now_c, bias, no_bias
            )
            all_c.append(now_c)
            all_h.append(now_h)
            kept.append(squashed)
        torch.stack(all_c, out=c[1:])
        h[1:, :, :-1] = torch.stack(all_h)
        ctx.run, ctx.order, ctx.count = run, order, len(externals)
        ctx.block, ctx.weight, ctx.kept, ctx.c, ctx.h = block, factor.t(), kept, c, h
        ctx.set_materialize_grads(False)
        return c[1:], h[1:, :, :-1]

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        work, key, c = ctx.run.work, ctx.run.key, ctx.c
        grad_c, grad_h = (None if grad is None else grad.unbind(0) for grad in grads)
        steps = len(ctx.kept)
        c_steps = work.by_step(c)
        dh = None if grad_h is None else grad_h[-1].contiguous()
        dc = None if grad_c is None else grad_c[-1].contiguous()
        d_steps = []
        for t in reversed(range(steps)):
            d, dc, _ = torch.ops.aten._thnn_fused_lstm_cell_backward_impl(
                dh, dc, c_steps[t], c_steps[t + 1], ctx.kept[t], False
            )
            d_steps.append(d)
            if t and grad_h is not None:
                dh = work.product_plus(grad_h[t - 1], d, ctx.weight, torch.empty_like(dc))
            elif t or ctx.needs_input_grad[2]:
                dh = work.product(d, ctx.weight, torch.empty_like(dc))
            if t and grad_c is not None:
                dc = dc + grad_c[t - 1]
        d = torch.stack(d_steps[::-1])
        back = tuple(ctx.order.index(slot) for slot in range(4))
        d = _ordered(work, (key, "d"), d, back)
        db = None
        if ctx.needs_input_grad[3]:
            rows = ctx.h[:-1].flatten(0, 1)
            db = work.block_gradient(ctx.block, rows, d.flatten(0, 1))
        dc_first = dc if ctx.needs_input_grad[1] else None
        dh_first = dh if ctx.needs_input_grad[2] else None
        return None, dc_first, dh_first, db, *[d] * ctx.count


def _ordered(work: Workspace, key: object, x: Tensor, order: tuple[int, ...]) -> Tensor:
    """`x`, (..., 4 size), with its four slices in another order."""
    if order == (0, 1, 2, 3):
        return x
    made = work.empty(key, x.shape, x)
    slices = x.unflatten(-1, (4, -1)).unbind(-2)
    for to, slot in zip(made.unflatten(-1, (4, -1)).unbind(-2), order, strict=True):
        to.copy_(slices[slot])
    return made
