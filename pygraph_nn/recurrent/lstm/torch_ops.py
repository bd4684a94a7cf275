"""The loop of an LSTM by PyTorch's operations, on any device and in any precision."""

from __future__ import annotations

import torch

from ..functions import Context, refuse_second_derivative
from .call import LstmCall

Tensor = torch.Tensor


class _LstmContext(Context):
    call: LstmCall
    external_count: int
    gates: Tensor
    h: Tensor
    c_doubled: Tensor
    tanh_c: Tensor


class LstmSteps(torch.autograd.Function):
    """Run the loop of an LSTM, to whose gates the loop itself adds only the products with h.

    tanh(x) is computed as 2 sigmoid(2 x) - 1: the CPU's sigmoid is several times as fast. To save a
    multiplication, the buffer of c holds 2 c, which is exact.

    Args:
        call: see `LstmCall`.
        c_first, h_first: the states before the first step, (batch, size).
        block: the values of ``call.slot``, (size + 1, 4 * size).
        externals: the terms of the four gates from outside the loop, (T, batch, 4 * size) each.

    Returns:
        c and h after each step, (T, batch, size) each.

    The gradients of `c_first` and `h_first` are (batch, size), the gradient of each of `externals`
    is (T, batch, 4 * size). The gradient of `block`, (size + 1, 4 * size), is added to the slot's;
    autograd gets it only if the slot has no place for it.
    """

    @staticmethod
    def forward(
        ctx: _LstmContext,
        call: LstmCall,
        c_first: Tensor,
        h_first: Tensor,
        block: Tensor,
        *externals: Tensor,
    ) -> tuple[Tensor, Tensor]:
        steps, batch, width = externals[0].shape
        size, workspace, key = width // 4, call.workspace, call.key
        gates, h = call.begin(h_first, externals)
        c_doubled = workspace.empty((key, "c"), (steps + 1, batch, size), gates)
        tanh_c = workspace.empty((key, "tanh c"), (steps, batch, size), gates)
        torch.mul(c_first, 2, out=c_doubled[0])
        # Tensors, so that PyTorch does not convert numbers in every call.
        two, minus_one, minus_two = (gates.new_full((), x) for x in (2.0, -1.0, -2.0))
        into, transform, forget, out = map(torch.unbind, _by_gate(gates, call))
        h_rows, h_steps = map(torch.unbind, (h, h[:, :, :-1]))
        c_steps, gate_steps, tanh_steps = map(torch.unbind, (c_doubled, gates, tanh_c))
        for t in range(steps):
            all_gates, g, c, tanh = gate_steps[t], transform[t], c_steps[t + 1], tanh_steps[t]
            workspace.product(h_rows[t], block, all_gates, beta=1)
            g.mul_(two)
            all_gates.sigmoid_()
            torch.add(minus_two, g, alpha=4, out=g)  # 2 tanh
            torch.mul(forget[t], c_steps[t], out=c)
            c.addcmul_(into[t], g)
            torch.sigmoid(c, out=tanh)
            torch.add(minus_one, tanh, alpha=2, out=tanh)
            torch.mul(out[t], tanh, out=h_steps[t + 1])
        ctx.call, ctx.external_count = call, len(externals)
        ctx.gates, ctx.h, ctx.c_doubled, ctx.tanh_c = gates, h, c_doubled, tanh_c
        ctx.set_materialize_grads(False)
        c = torch.mul(c_doubled[1:], 0.5, out=workspace.empty((key, "c out"), tanh_c.shape, gates))
        return c, h[1:, :, :-1]

    @staticmethod
    def backward(
        ctx: _LstmContext, grad_c: Tensor | None, grad_h: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        refuse_second_derivative()
        call, gates = ctx.call, ctx.gates
        workspace, key = call.workspace, call.key
        steps, batch, width = gates.shape
        size = width // 4
        d = workspace.empty((key, "d"), gates.shape, gates)
        by_gate, d_by_gate = _by_gate(gates, call), _by_gate(d, call)
        to_c = _local_derivatives(ctx, by_gate, d, d_by_gate)
        # A product with a contiguous weight is faster than one with the transposed block.
        weight = workspace.empty((key, "weight"), (width, size), gates)
        weight.copy_(call.slot.values[:-1].t())
        dh = workspace.empty((key, "dh"), (batch, size), gates)
        dc = workspace.zeros((key, "dc"), (batch, size), gates)
        dh_steps = None if grad_h is None else grad_h.unbind(0)
        into, transform, forget, out = map(torch.unbind, d_by_gate)
        d_steps, to_c_steps, forget_gate = (
            torch.unbind(d),
            torch.unbind(to_c),
            torch.unbind(by_gate[2]),
        )
        for t in reversed(range(steps)):
            if t == steps - 1:
                dh.zero_() if dh_steps is None else dh.copy_(dh_steps[t])
            elif dh_steps is None:
                workspace.product(d_steps[t + 1], weight, dh)
            else:
                workspace.product_plus(dh_steps[t], d_steps[t + 1], weight, dh)
            dc.addcmul_(dh, to_c_steps[t])
            if grad_c is not None:
                dc.add_(grad_c[t], alpha=0.5)
            into[t].mul_(dc)
            transform[t].mul_(dc)
            forget[t].mul_(dc)
            out[t].mul_(dh)
            dc.mul_(forget_gate[t])
        needs = ctx.needs_input_grad
        dc_first = dc * 2 if needs[1] else None
        dh_first = d_steps[0] @ weight if needs[2] else None
        d_block = call.block_gradient(ctx.h, d) if needs[3] else None
        return None, dc_first, dh_first, d_block, *[d] * ctx.external_count


def _by_gate(x: Tensor, call: LstmCall) -> list[Tensor]:
    """Return the in, transform, forget and out slices of `x`, (T, batch, 4 * size)."""
    slices = x.view(*x.shape[:2], 4, -1).unbind(2)  # (T, batch, size) each
    return [slices[i] for i in call.gate_slices]


def _local_derivatives(
    ctx: _LstmContext, by_gate: list[Tensor], d: Tensor, d_by_gate: list[Tensor]
) -> Tensor:
    """Compute the factors of the gradients in the loop of the backward pass, for all steps at once.

    Args:
        by_gate: the gates' values, (T, batch, size) each.
        d: a buffer, (T, batch, 4 * size), to fill with each gate's derivative times the factor that
            multiplies the gate; `d_by_gate` are its slices.

    Returns:
        The derivative of h with respect to the doubled c, (T, batch, size).
    """
    gates, c_doubled, tanh_c, call = ctx.gates, ctx.c_doubled, ctx.tanh_c, ctx.call
    into, transform, _, out = by_gate
    d_into, d_transform, d_forget, d_out = d_by_gate
    torch.addcmul(gates, gates, gates, value=-1, out=d)
    d_into.mul_(transform)
    torch.addcmul(gates.new_full((), 2.0), transform, transform, value=-0.5, out=d_transform)
    d_transform.mul_(into)
    d_forget.mul_(c_doubled[:-1])
    d_out.mul_(tanh_c)
    to_c = call.workspace.empty((call.key, "to c"), tanh_c.shape, gates)
    torch.addcmul(gates.new_full((), 0.5), tanh_c, tanh_c, value=-0.5, out=to_c).mul_(out)
    return to_c
