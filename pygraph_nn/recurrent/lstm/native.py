"""The loop of an LSTM by compiled code: float32, its products perhaps in bfloat16, on the CPU."""

from __future__ import annotations

import torch

from .. import native as kernels
from ..bfloat16 import Bfloat16Workspace
from ..functions import Context, refuse_second_derivative
from ..workspace import ANY_OPERATION
from .call import LstmCall

Tensor = torch.Tensor


class _NativeLstmContext(Context):
    call: LstmCall
    external_count: int
    tensors: dict[str, Tensor]


class NativeLstmSteps(torch.autograd.Function):
    """Run the loop of an LSTM by `lstm_steps.c`, or in a `Bfloat16Workspace` by `lstm_bfloat16.c`.

    Arguments, results, gradients and their shapes are those of `LstmSteps`; all are float32, on
    the CPU.
    """

    @staticmethod
    def forward(
        ctx: _NativeLstmContext,
        call: LstmCall,
        c_first: Tensor,
        h_first: Tensor,
        block: Tensor,
        *externals: Tensor,
    ) -> tuple[Tensor, Tensor]:
        workspace, key = call.workspace, call.key
        gates, h = call.begin(h_first, externals)
        steps, (batch, size) = len(gates), h_first.shape
        c = workspace.empty((key, "c"), (steps + 1, batch, size), gates)
        c[0] = c_first
        bfloat16 = workspace if isinstance(workspace, Bfloat16Workspace) else None
        packed = (kernels.packed_size(size, bfloat16 is not None),)  # packed anew in each call
        ctx.call, ctx.external_count = call, len(externals)
        ctx.tensors = {
            "block": block,
            "gates": gates,
            "h": h,
            "c": c,
            "tanh_c": workspace.empty((key, "tanh c"), (steps, batch, size), gates),
        }
        if bfloat16 is not None:
            h_rounded = bfloat16.buffer((key, "h rounded"), (steps + 1, batch, size + size % 2))
            h_rounded[0] = torch.nn.functional.pad(h_first, (0, size % 2))
            ctx.tensors["h_rounded"] = h_rounded
            ctx.tensors["packed"] = bfloat16.buffer((ANY_OPERATION, "packed"), packed)
        else:
            ctx.tensors["packed"] = workspace.empty((ANY_OPERATION, "packed"), packed, gates)
        ctx.set_materialize_grads(False)
        kernels.lstm("lstm_forward", call.gate_slices, bfloat16 is not None, **ctx.tensors)
        return c[1:], h[1:, :, :-1]

    @staticmethod
    def backward(
        ctx: _NativeLstmContext, grad_c: Tensor | None, grad_h: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        refuse_second_derivative()
        call, gates, h = ctx.call, ctx.tensors["gates"], ctx.tensors["h"]
        workspace, key = call.workspace, call.key
        _, batch, width = gates.shape
        d = workspace.empty((key, "d"), gates.shape, gates)
        dc = workspace.zeros((key, "dc"), (batch, width // 4), gates)
        grads = {"grad_c": grad_c, "grad_h": grad_h}
        present = {name: grad.contiguous() for name, grad in grads.items() if grad is not None}
        bfloat16 = workspace if isinstance(workspace, Bfloat16Workspace) else None
        if bfloat16 is not None:
            present["d_rounded"] = bfloat16.buffer((key, "d rounded"), d.shape)
        tensors = {**ctx.tensors, **present, "d": d, "dc": dc}
        kernels.lstm("lstm_backward", call.gate_slices, bfloat16 is not None, **tensors)
        if bfloat16 is not None:  # the products that take d need not round it again
            rows = d.flatten(0, 1)
            d_rounded = kernels.Rounded(present["d_rounded"].flatten(0, 1), *rows.shape)
            bfloat16.remember(rows, d_rounded)
        needs = ctx.needs_input_grad
        dc_first = dc.clone() if needs[1] else None
        dh_first = d[0] @ call.slot.values[:-1].t() if needs[2] else None
        d_block = call.block_gradient(h, d) if needs[3] else None
        return None, dc_first, dh_first, d_block, *[d] * ctx.external_count
