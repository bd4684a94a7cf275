"""The loop of a gated recurrent unit with a backward written by hand, as `fused` has the LSTM's."""

from __future__ import annotations

from typing import Any

import torch

from .functions import Workspace

Tensor = torch.Tensor


class GruSteps(torch.autograd.Function):
    """The loop of a GRU: what comes from outside, (T, batch, size) each, to all h.

    next h = z * n + (1 - z) * h with the update gate z, the reset gate r and the candidate
    n = tanh(x + W (r * h)). `gates` is the block of the layer that gives z and r, in the order of
    `slots`, from h; `candidate` that of the layer that takes r * h.
    """

    @staticmethod
    def forward(
        ctx: Any,
        work: Workspace,
        key: object,
        slots: tuple[int, int],
        h_first: Tensor,
        gates: Tensor,
        candidate: Tensor,
        x_update: Tensor,
        x_reset: Tensor,
        x_candidate: Tensor,
    ) -> Tensor:
        steps, batch, size = x_update.shape
        zr = work.empty((key, "zr"), (steps, batch, 2, size), x_update)
        for slot, x in zip(slots, (x_update, x_reset), strict=True):
            zr[:, :, slot] = x
        n = work.empty((key, "n"), x_update.shape, x_update).copy_(x_candidate)
        h = work.with_ones((key, "h"), (steps + 1, batch, size + 1), x_update)
        gated = work.with_ones((key, "gated"), (steps, batch, size + 1), x_update)
        h[0, :, :-1] = h_first
        z, r = (zr[:, :, slot] for slot in slots)
        two, minus_one = (zr.new_full((), value) for value in (2.0, -1.0))
        by_step = work.by_step
        rows, narrow, both = by_step(h), by_step(h[:, :, :-1]), by_step(zr.flatten(2))
        gated_rows, gated_narrow = by_step(gated), by_step(gated[:, :, :-1])
        z_t, r_t, n_t = by_step(z), by_step(r), by_step(n)
        for t in range(steps):
            work.product(rows[t], gates, both[t], beta=1)
            both[t].sigmoid_()
            torch.mul(r_t[t], narrow[t], out=gated_narrow[t])
            work.product(gated_rows[t], candidate, n_t[t], beta=1)
            n_t[t].mul_(two).sigmoid_()
            torch.add(minus_one, n_t[t], alpha=2, out=n_t[t])  # tanh
            torch.lerp(narrow[t], n_t[t], z_t[t], out=narrow[t + 1])
        ctx.work, ctx.key, ctx.blocks = work, key, (gates, candidate)
        ctx.kept, ctx.values = (h, gated), (z, r, n)
        ctx.slots = slots
        return h[1:, :, :-1]

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        work, key, (h, gated), (z, r, n) = ctx.work, ctx.key, ctx.kept, ctx.values
        (gates, candidate), (grad,) = ctx.blocks, grads
        steps, batch, size = n.shape
        before = h[:-1, :, :-1]
        # What gradients are multiplied with, for all steps: it does not need the loop.
        d_zr = work.empty((key, "d zr"), (steps, batch, 2, size), n)
        dz, dr = (d_zr[:, :, slot] for slot in ctx.slots)
        torch.addcmul(z, z, z, value=-1, out=dz)
        kept = torch.sub(n, before, out=work.empty((key, "kept"), n.shape, n))
        dz.mul_(kept)
        torch.addcmul(r, r, r, value=-1, out=dr)
        dr.mul_(before)
        torch.sub(1, z, out=kept)
        dn = work.empty((key, "dn"), n.shape, n)
        torch.addcmul(n.new_full((), 1.0), n, n, value=-1, out=dn).mul_(z)
        w_gates = work.empty((key, "w gates"), (2 * size, size), n).copy_(gates[:-1].t())
        w_candidate = work.empty((key, "w cand"), (size, size), n).copy_(candidate[:-1].t())
        dh = work.zeros((key, "dh"), (batch, size), n)
        dg = work.empty((key, "dg"), (batch, size), n)
        by_step = work.by_step
        dz_t, dr_t, dn_t, r_t = by_step(dz), by_step(dr), by_step(dn), by_step(r)
        both, kept_t = by_step(d_zr.flatten(2)), by_step(kept)
        for t in reversed(range(steps)):
            dh.add_(grad[t])
            dz_t[t].mul_(dh)
            dn_t[t].mul_(dh)
            work.product(dn_t[t], w_candidate, dg)
            dr_t[t].mul_(dg)
            dh.mul_(kept_t[t]).addcmul_(dg, r_t[t])
            work.product(both[t], w_gates, dh, beta=1)
        needs = ctx.needs_input_grad
        d_gates = d_candidate = None
        if needs[4]:
            rows = h[:-1].flatten(0, 1)
            d_gates = work.block_gradient(gates, rows, d_zr.view(steps * batch, -1))
        if needs[5]:
            d_candidate = work.block_gradient(candidate, gated.flatten(0, 1), dn.flatten(0, 1))
        dh_first = dh.clone() if needs[3] else None
        return None, None, None, dh_first, d_gates, d_candidate, dz, dr, dn
