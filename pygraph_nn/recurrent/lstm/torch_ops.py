"""The loop of a long short-term memory with a backward written by hand, by PyTorch's operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..functions import Workspace

Tensor = torch.Tensor


@dataclass(frozen=True)
class LstmRun:
    """What a loop of an LSTM runs with, whichever computation runs it.

    Attributes:
        work, key: where buffers come from, and whose they are.
        slots: which slices of the gates are in, transform, forget and out.
        owned: whether the first of the sums from outside may be overwritten.
    """

    work: Workspace
    key: object
    slots: tuple[int, int, int, int]
    owned: bool

    def begin(self, h_first: Tensor, externals: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The sums from outside, added up, and room for all h, the first one there.

        The sums stand in the place of the first of them, if that is `owned`. The rows of h,
        (T + 1, batch, size + 1), end with a one.
        """
        gates = externals[0]
        if not self.owned or not gates.is_contiguous():
            gates = self.work.empty((self.key, "gates"), gates.shape, gates).copy_(gates)
        for more in externals[1:]:
            gates.add_(more)
        batch, size = h_first.shape
        h = self.work.with_ones((self.key, "h"), (len(gates) + 1, batch, size + 1), gates)
        h[0, :, :-1] = h_first
        return gates, h


class LstmSteps(torch.autograd.Function):
    """The loop of an LSTM: the sums from outside, (T, batch, 4 size), to all c and h.

    `block` is that of the layer that takes h.

    tanh(x) is computed as 2 sigmoid(2 x) - 1: the CPU's sigmoid is several times as fast. To that
    end c is kept doubled, which rounds nothing.
    """

    @staticmethod
    def forward(
        ctx: Any, run: LstmRun, c_first: Tensor, h_first: Tensor, block: Tensor, *externals: Tensor
    ) -> tuple[Tensor, Tensor]:
        steps, batch, width = externals[0].shape
        size, work, key = width // 4, run.work, run.key
        gates, h = run.begin(h_first, externals)
        c2 = work.empty((key, "c"), (steps + 1, batch, size), gates)  # c, doubled
        squashed = work.empty((key, "squashed"), (steps, batch, size), gates)  # tanh(c)
        torch.mul(c_first, 2, out=c2[0])
        # As tensors, numbers need not be converted in every call.
        two, minus_one, minus_two = (gates.new_full((), x) for x in (2.0, -1.0, -2.0))
        slices = gates.view(steps, batch, 4, size).unbind(2)
        into, transform, forget, out = (work.by_step(slices[slot]) for slot in run.slots)
        values, narrow = work.by_step(h), work.by_step(h[:, :, :-1])
        c_steps, gate_steps, tanh_steps = map(work.by_step, (c2, gates, squashed))
        for t in range(steps):
            all_gates, g, c, tanh_c = gate_steps[t], transform[t], c_steps[t + 1], tanh_steps[t]
            work.product(values[t], block, all_gates, beta=1)
            g.mul_(two)
            all_gates.sigmoid_()
            torch.add(minus_two, g, alpha=4, out=g)  # 2 tanh
            torch.mul(forget[t], c_steps[t], out=c)
            c.addcmul_(into[t], g)
            torch.sigmoid(c, out=tanh_c)
            torch.add(minus_one, tanh_c, alpha=2, out=tanh_c)
            torch.mul(out[t], tanh_c, out=narrow[t + 1])
        ctx.run, ctx.count = run, len(externals)
        ctx.block, ctx.gates, ctx.h, ctx.c2, ctx.squashed = block, gates, h, c2, squashed
        ctx.set_materialize_grads(False)
        c = torch.mul(c2[1:], 0.5, out=work.empty((key, "c out"), squashed.shape, gates))
        return c, h[1:, :, :-1]

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        work, key, gates, c2, tanh_c = ctx.run.work, ctx.run.key, ctx.gates, ctx.c2, ctx.squashed
        grad_c, grad_h = grads
        steps, batch, width = gates.shape
        size = width // 4
        # What a gate's gradient is multiplied with, for all steps: it does not need the loop.
        d = torch.addcmul(
            gates, gates, gates, value=-1, out=work.empty((key, "d"), gates.shape, gates)
        )
        sliced = gates.view(steps, batch, 4, size).unbind(2)
        into, transform, forget, out = (sliced[slot] for slot in ctx.run.slots)
        d_sliced = d.view(steps, batch, 4, size).unbind(2)
        d_into, d_transform, d_forget, d_out = (d_sliced[slot] for slot in ctx.run.slots)
        d_into.mul_(transform)
        torch.addcmul(gates.new_full((), 2.0), transform, transform, value=-0.5, out=d_transform)
        d_transform.mul_(into)
        d_forget.mul_(c2[:-1])
        d_out.mul_(tanh_c)
        to_c = work.empty((key, "to c"), tanh_c.shape, gates)
        torch.addcmul(gates.new_full((), 0.5), tanh_c, tanh_c, value=-0.5, out=to_c).mul_(out)
        # The product with the weight as h's layer has it is faster than with the transposed block.
        weight = work.empty((key, "weight"), (width, size), gates).copy_(ctx.block[:-1].t())
        dh = work.empty((key, "dh"), (batch, size), gates)
        dc = work.zeros((key, "dc"), (batch, size), gates)
        dh_steps = None if grad_h is None else grad_h.unbind(0)
        d_steps, to_c_steps, f_steps = map(work.by_step, (d, to_c, forget))
        into_t, transform_t, forget_t, out_t = map(
            work.by_step, (d_into, d_transform, d_forget, d_out)
        )
        for t in reversed(range(steps)):
            if t == steps - 1:
                dh.zero_() if dh_steps is None else dh.copy_(dh_steps[t])
            elif dh_steps is None:
                work.product(d_steps[t + 1], weight, dh)
            else:
                work.product_plus(dh_steps[t], d_steps[t + 1], weight, dh)
            dc.addcmul_(dh, to_c_steps[t])
            if grad_c is not None:
                dc.add_(grad_c[t], alpha=0.5)
            into_t[t].mul_(dc)
            transform_t[t].mul_(dc)
            forget_t[t].mul_(dc)
            out_t[t].mul_(dh)
            dc.mul_(f_steps[t])
        needs = ctx.needs_input_grad
        dc_first = dc * 2 if needs[1] else None
        dh_first = d_steps[0] @ weight if needs[2] else None
        rows = d.flatten(0, 1)
        db = None
        if needs[3]:
            db = work.block_gradient(ctx.block, ctx.h[:-1].flatten(0, 1), rows)
        return None, dc_first, dh_first, db, *[d] * ctx.count
