"""The loop of a GRU with a hand-written backward pass."""

from __future__ import annotations

import torch

from .functions import Context, refuse_second_derivative
from .workspace import Slot, Workspace

Tensor = torch.Tensor


class _GruContext(Context):
    slots: tuple[Slot, Slot]
    gate_slices: tuple[int, int]
    h: Tensor
    gated_h: Tensor
    z: Tensor
    r: Tensor
    n: Tensor


class GruSteps(torch.autograd.Function):
    """Run the loop of a GRU, to whose sums the loop itself adds only the products with h.

    The next h is z * n + (1 - z) * h with the update gate z, the reset gate r and the candidate
    n = tanh(x_candidate + W (r * h)).

    Args:
        workspace, key: see `Context`.
        slots: of the layer that computes z and r from h, and of the layer that takes r * h.
        gate_slices: which of the two slices of the first layer's outputs are z and r.
        h_first: the state before the first step, (batch, size).
        gates: the values of the first slot, (size + 1, 2 * size).
        candidate: the values of the second slot, (size + 1, size).
        x_update, x_reset, x_candidate: the terms of the sums of z, r and n from outside the loop,
            (T, batch, size) each.

    Returns:
        h after each step, (T, batch, size).

    The gradients of `h_first` and of the three terms are shaped like these. The gradients of
    `gates` and `candidate` are added to the slots'; autograd gets them only if the slots have no
    place for them.
    """

    @staticmethod
    def forward(
        ctx: _GruContext,
        workspace: Workspace,
        key: int,
        slots: tuple[Slot, Slot],
        gate_slices: tuple[int, int],
        h_first: Tensor,
        gates: Tensor,
        candidate: Tensor,
        x_update: Tensor,
        x_reset: Tensor,
        x_candidate: Tensor,
    ) -> Tensor:
        steps, batch, size = x_update.shape
        zr = workspace.empty((key, "zr"), (steps, batch, 2, size), x_update)
        for i, x in zip(gate_slices, (x_update, x_reset), strict=True):
            zr[:, :, i] = x
        n = workspace.empty((key, "n"), x_update.shape, x_update).copy_(x_candidate)
        h = workspace.with_ones((key, "h"), (steps + 1, batch, size + 1), x_update)
        gated_h = workspace.with_ones((key, "gated"), (steps, batch, size + 1), x_update)
        h[0, :, :-1] = h_first
        z, r = (zr[:, :, i] for i in gate_slices)
        two, minus_one = (zr.new_full((), value) for value in (2.0, -1.0))
        h_rows, h_steps, zr_steps = (
            torch.unbind(h),
            torch.unbind(h[:, :, :-1]),
            torch.unbind(zr.flatten(2)),
        )
        gated_rows, gated_steps = map(torch.unbind, (gated_h, gated_h[:, :, :-1]))
        z_steps, r_steps, n_steps = map(torch.unbind, (z, r, n))
        gates_factor = workspace.block_factor((key, "gates factor"), gates)
        candidate_factor = workspace.block_factor((key, "candidate factor"), candidate)
        for t in range(steps):
            workspace.affine(h_rows[t], gates_factor, zr_steps[t], beta=1)
            zr_steps[t].sigmoid_()
            torch.mul(r_steps[t], h_steps[t], out=gated_steps[t])
            workspace.affine(gated_rows[t], candidate_factor, n_steps[t], beta=1)
            n_steps[t].mul_(two).sigmoid_()
            torch.add(minus_one, n_steps[t], alpha=2, out=n_steps[t])  # tanh
            torch.lerp(h_steps[t], n_steps[t], z_steps[t], out=h_steps[t + 1])
        ctx.workspace, ctx.key, ctx.slots, ctx.gate_slices = workspace, key, slots, gate_slices
        ctx.h, ctx.gated_h, ctx.z, ctx.r, ctx.n = h, gated_h, z, r, n
        return h[1:, :, :-1]

    @staticmethod
    def backward(ctx: _GruContext, grad: Tensor) -> tuple[Tensor | None, ...]:
        refuse_second_derivative()
        workspace, key, n = ctx.workspace, ctx.key, ctx.n
        gates_slot, candidate_slot = ctx.slots
        steps, batch, size = n.shape
        d_zr, dz, dr, dn, keep = _local_derivatives(ctx)
        w_gates = workspace.empty((key, "w gates"), (2 * size, size), n)
        w_gates.copy_(gates_slot.values[:-1].t())
        w_candidate = workspace.empty((key, "w cand"), (size, size), n)
        w_candidate.copy_(candidate_slot.values[:-1].t())
        gates_factor = workspace.factor((key, "gates factor"), w_gates)
        candidate_factor = workspace.factor((key, "candidate factor"), w_candidate)
        dh = workspace.zeros((key, "dh"), (batch, size), n)
        d_gated = workspace.empty((key, "d gated"), (batch, size), n)
        dz_steps, dr_steps, dn_steps = torch.unbind(dz), torch.unbind(dr), torch.unbind(dn)
        d_zr_steps, keep_steps, r_steps = (
            torch.unbind(d_zr.flatten(2)),
            torch.unbind(keep),
            torch.unbind(ctx.r),
        )
        for t in reversed(range(steps)):
            dh.add_(grad[t])
            dz_steps[t].mul_(dh)
            dn_steps[t].mul_(dh)
            workspace.product(dn_steps[t], candidate_factor, d_gated)
            dr_steps[t].mul_(d_gated)
            dh.mul_(keep_steps[t]).addcmul_(d_gated, r_steps[t])
            workspace.product(d_zr_steps[t], gates_factor, dh, beta=1)
        needs = ctx.needs_input_grad
        d_gates = d_candidate = None
        if needs[5]:
            rows = ctx.h[:-1].flatten(0, 1)  # (T * batch, size + 1)
            d_gates = workspace.block_gradient(gates_slot, rows, d_zr.view(steps * batch, -1))
        if needs[6]:
            rows = ctx.gated_h.flatten(0, 1)
            d_candidate = workspace.block_gradient(candidate_slot, rows, dn.flatten(0, 1))
        dh_first = dh.clone() if needs[4] else None
        return None, None, None, None, dh_first, d_gates, d_candidate, dz, dr, dn


def _local_derivatives(ctx: _GruContext) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Compute the factors of the gradients in the loop of the backward pass, for all steps at once.

    Returns:
        d_zr: dz and dr in one tensor, (T, batch, 2, size).
        dz: the derivative of the next h with respect to the sum of z, (T, batch, size).
        dr: the derivative of r * h with respect to the sum of r, (T, batch, size).
        dn: the derivative of the next h with respect to the sum of n, (T, batch, size).
        keep: 1 - z, (T, batch, size).
    """
    workspace, key, z, r, n = ctx.workspace, ctx.key, ctx.z, ctx.r, ctx.n
    h_before = ctx.h[:-1, :, :-1]  # (T, batch, size)
    d_zr = workspace.empty((key, "d zr"), (*n.shape[:2], 2, n.shape[2]), n)
    dz, dr = (d_zr[:, :, i] for i in ctx.gate_slices)
    torch.addcmul(z, z, z, value=-1, out=dz)
    keep = workspace.empty((key, "keep"), n.shape, n)
    dz.mul_(torch.sub(n, h_before, out=keep))
    torch.addcmul(r, r, r, value=-1, out=dr)
    dr.mul_(h_before)
    torch.sub(1, z, out=keep)
    dn = workspace.empty((key, "dn"), n.shape, n)
    torch.addcmul(n.new_full((), 1.0), n, n, value=-1, out=dn).mul_(z)
    return d_zr, dz, dr, dn, keep
