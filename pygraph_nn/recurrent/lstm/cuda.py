"""The loop of an LSTM on CUDA devices: a product and one kernel for each step."""

from __future__ import annotations

import torch

from ..functions import Context, refuse_second_derivative
from ..workspace import BufferKey, Workspace
from .call import LstmCall

Tensor = torch.Tensor


class _CudaLstmContext(Context):
    call: LstmCall
    external_count: int
    weight: Tensor
    squashed: list[Tensor]
    c: Tensor
    h: Tensor


class CudaLstmSteps(torch.autograd.Function):
    """Run the loop of an LSTM by the kernels of PyTorch's own LSTM cell.

    Arguments, results, gradients and their shapes are those of `LstmSteps`. The kernels take the
    gates in the order in, forget, transform, out; weight and sums are reordered for all steps at
    once.
    """

    @staticmethod
    def forward(
        ctx: _CudaLstmContext,
        call: LstmCall,
        c_first: Tensor,
        h_first: Tensor,
        block: Tensor,
        *externals: Tensor,
    ) -> tuple[Tensor, Tensor]:
        workspace, key, order = call.workspace, call.key, _kernel_order(call)
        sums, h = call.begin(h_first, externals)
        gates = _reordered(workspace, (key, "ordered"), sums, order)
        ordered_block = _reordered(workspace, (key, "block"), block, order)
        weight, bias = ordered_block[:-1], ordered_block[-1]
        c = workspace.empty((key, "c"), (len(gates) + 1, *c_first.shape), gates)
        c[0] = c_first
        no_bias = workspace.zeros((key, "no bias"), bias.shape, gates)
        from_h = workspace.empty((key, "from h"), gates.shape[1:], gates)
        factor = weight if workspace.exact else weight.bfloat16()  # once, not in every step
        now_c, now_h = c_first.contiguous(), h_first.contiguous()
        all_c, all_h, all_squashed = [], [], []
        for outside in gates.unbind(0):
            workspace.product(now_h, factor, from_h)
            now_h, now_c, squashed = torch.ops.aten._thnn_fused_lstm_cell(
                outside, from_h, now_c, bias, no_bias
            )
            all_c.append(now_c)
            all_h.append(now_h)
            all_squashed.append(squashed)
        torch.stack(all_c, out=c[1:])
        h[1:, :, :-1] = torch.stack(all_h)
        ctx.call, ctx.external_count = call, len(externals)
        ctx.weight, ctx.squashed, ctx.c, ctx.h = factor, all_squashed, c, h
        ctx.set_materialize_grads(False)
        return c[1:], h[1:, :, :-1]

    @staticmethod
    def backward(
        ctx: _CudaLstmContext, grad_c: Tensor | None, grad_h: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        refuse_second_derivative()
        call, needs = ctx.call, ctx.needs_input_grad
        workspace, key = call.workspace, call.key
        dc_steps = None if grad_c is None else grad_c.unbind(0)
        dh_steps = None if grad_h is None else grad_h.unbind(0)
        c_steps = ctx.c.unbind(0)
        # A copy for all steps: with few rows, products with a transposed factor take up to half
        # as long again.
        size, width = ctx.weight.shape
        weight = workspace.empty((key, "transposed"), (width, size), ctx.weight)
        weight.copy_(ctx.weight.t())
        dh = None if dh_steps is None else dh_steps[-1].contiguous()
        dc = None if dc_steps is None else dc_steps[-1].contiguous()
        d_steps = []
        for t in reversed(range(len(ctx.squashed))):
            d, dc, _ = torch.ops.aten._thnn_fused_lstm_cell_backward_impl(
                dh, dc, c_steps[t], c_steps[t + 1], ctx.squashed[t], False
            )
            d_steps.append(d)
            if t and dh_steps is not None:
                dh = workspace.product_plus(dh_steps[t - 1], d, weight, torch.empty_like(dc))
            elif t or needs[2]:
                dh = workspace.product(d, weight, torch.empty_like(dc))
            if t and dc_steps is not None:
                dc = dc + dc_steps[t - 1]
        order = _kernel_order(call)
        back = tuple(order.index(i) for i in range(4))
        d = _reordered(workspace, (key, "d"), torch.stack(d_steps[::-1]), back)
        dc_first = dc if needs[1] else None
        dh_first = dh if needs[2] else None
        d_block = call.block_gradient(ctx.h, d) if needs[3] else None
        return None, dc_first, dh_first, d_block, *[d] * ctx.external_count


def _kernel_order(call: LstmCall) -> tuple[int, int, int, int]:
    """Return the slices of the gates in the order of PyTorch's kernels."""
    into, transform, forget, out = call.gate_slices
    return into, forget, transform, out


def _reordered(workspace: Workspace, key: BufferKey, x: Tensor, order: tuple[int, ...]) -> Tensor:
    """Return `x`, (..., 4 * size), with its four slices in another order."""
    if order == (0, 1, 2, 3):
        return x
    reordered = workspace.empty(key, x.shape, x)
    slices = x.unflatten(-1, (4, -1)).unbind(-2)
    for destination, i in zip(reordered.unflatten(-1, (4, -1)).unbind(-2), order, strict=True):
        destination.copy_(slices[i])
    return reordered
