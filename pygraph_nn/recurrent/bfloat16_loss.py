"""The autograd function of a loss chain whose products are computed in bfloat16, on the CPU."""

from __future__ import annotations

import torch

from . import native as kernels
from .bfloat16 import Bfloat16Workspace
from .functions import Context, TargetOutOfRange, in_range, refuse_second_derivative, rows_with_ones
from .native import Rounded
from .workspace import Slot

Tensor = torch.Tensor


class _Bfloat16LossContext(Context):
    workspace: Bfloat16Workspace
    slot: Slot
    rows: Tensor
    d_scores: Rounded
    factor: Tensor


class Bfloat16SoftmaxLoss(torch.autograd.Function):
    """Compute a linear layer, log-softmax and negative log-likelihood in one.

    Arguments, results, gradients and their shapes are those of `SoftmaxLoss`, with `gradient` true.
    The scores are float32. Their gradients are rounded to bfloat16 as soon as they are computed,
    for both products of the backward pass.
    """

    @staticmethod
    def forward(
        ctx: _Bfloat16LossContext,
        workspace: Bfloat16Workspace,
        key: int,
        slot: Slot,
        x: Tensor,
        target: Tensor,
        block: Tensor,
        average: bool,
        gradient: bool,
    ) -> Tensor:
        if not in_range(target, block.shape[1]):
            raise TargetOutOfRange
        ctx.workspace, ctx.key, ctx.slot = workspace, key, slot
        ctx.rows = rows_with_ones(workspace, key, x, block)
        scores = workspace.empty((key, "classes"), (len(ctx.rows), block.shape[1]), block)
        workspace.affine(ctx.rows, block, scores)
        losses, factor, ctx.d_scores = kernels.softmax_loss_bfloat16(
            scores,
            target.reshape(-1).contiguous(),
            lambda shape: workspace.buffer((key, "d classes"), shape),
        )
        ctx.factor = factor.view(target.shape)
        losses = losses.view(target.shape)  # (T, batch)
        if not average:
            return losses.sum(1, keepdim=True)
        ctx.factor.div_(target.shape[1])
        return losses.mean(1, keepdim=True)

    @staticmethod
    def backward(ctx: _Bfloat16LossContext, grad: Tensor) -> tuple[Tensor | None, ...]:
        refuse_second_derivative()
        workspace, block = ctx.workspace, ctx.slot.values
        factor = (ctx.factor * grad).view(-1, 1)  # (T * batch, 1)
        dx = d_block = None
        if ctx.needs_input_grad[3]:
            dx = workspace.empty((ctx.key, "dx"), (len(factor), len(block) - 1), block)
            workspace.product(ctx.d_scores, block[:-1].t(), dx).mul_(factor)
            dx = dx.view(*ctx.factor.shape, len(block) - 1)
        if ctx.needs_input_grad[5]:
            d_block = workspace.block_gradient(ctx.slot, ctx.rows, ctx.d_scores, factor)
        return None, None, None, dx, None, d_block, None, None
