"""Autograd functions of layers over all time steps, their backward passes written by hand.

Each takes a `Workspace` for its buffers and, as `key`, the operation that it computes. A layer
with parameters passes its `Slot` and, so that autograd sees them, the slot's values.
"""

from __future__ import annotations

import torch
from torch.autograd.function import FunctionCtx

from ..errors import GraphError
from . import native as kernels
from .workspace import Slot, Workspace

Tensor = torch.Tensor


class Context(FunctionCtx):
    """The state that autograd keeps of a call for its backward pass.

    Attributes:
        workspace, key: where buffers come from, and the operation that they are for.
        needs_input_grad: for each argument of `forward`, whether it needs a gradient.
    """

    workspace: Workspace
    key: int
    needs_input_grad: tuple[bool, ...]


def refuse_second_derivative() -> None:
    """Raise `GraphError` if autograd records the backward pass (``create_graph=True``).

    The backward passes work in place on buffers: second derivatives would be wrong.
    """
    if torch.is_grad_enabled():
        raise GraphError(
            "recurrent: second derivatives (create_graph=True) are not available over time; call "
            "the core step by step for them"
        )


class _LookupContext(Context):
    slot: Slot
    index: Tensor


class Lookup(torch.autograd.Function):
    """Select rows of an embedding table.

    Args:
        workspace, key: see `Context`.
        slot: the table's, with a place for its gradient.
        index: int64, (T, batch), each of 0..rows - 1.
        table: ``slot.values``, (rows, width).

    Returns:
        (T, batch, width).

    The gradient of `table` goes into the rows of `slot`; autograd gets None for all arguments.
    """

    @staticmethod
    def forward(
        ctx: _LookupContext,
        workspace: Workspace,
        key: int,
        slot: Slot,
        index: Tensor,
        table: Tensor,
    ) -> Tensor:
        ctx.slot, ctx.index = slot, index.flatten()
        rows = workspace.empty((key, "rows"), (index.numel(), table.shape[1]), table)
        torch.index_select(table, 0, ctx.index, out=rows)
        return rows.view(*index.shape, table.shape[1])

    @staticmethod
    def backward(ctx: _LookupContext, grad: Tensor) -> tuple[None, ...]:
        refuse_second_derivative()
        ctx.slot.add_rows(ctx.index, grad.flatten(0, -2))
        return None, None, None, None, None


class _DropoutContext(Context):
    mask: Tensor


class Dropout(torch.autograd.Function):
    """Zero elements of `x` with probability `p` and scale the others by 1 / (1 - p).

    Args:
        workspace, key: see `Context`.
        x: any shape.
        p: the probability, in [0, 1).

    Returns:
        A tensor shaped like `x`. So is the gradient of `x`.
    """

    @staticmethod
    def forward(
        ctx: _DropoutContext, workspace: Workspace, key: int, x: Tensor, p: float
    ) -> Tensor:
        # Uniform numbers cost a fifth of Bernoulli's on the CPU.
        mask = workspace.empty((key, "mask"), x.shape, x).uniform_().ge_(p).mul_(1 / (1 - p))
        ctx.workspace, ctx.key, ctx.mask = workspace, key, mask
        return torch.mul(x, mask, out=workspace.empty((key, "dropped"), x.shape, x))

    @staticmethod
    def backward(ctx: _DropoutContext, grad: Tensor) -> tuple[None, None, Tensor, None]:
        refuse_second_derivative()
        out = ctx.workspace.empty((ctx.key, "grad"), grad.shape, grad)
        return None, None, torch.mul(grad, ctx.mask, out=out), None


class _AffineContext(Context):
    slot: Slot
    rows: Tensor


class Affine(torch.autograd.Function):
    """Apply a linear layer to rows.

    Args:
        workspace, key: see `Context`.
        slot: the layer's.
        x: (..., inputs).
        block: ``slot.values``, (inputs + 1, outputs).

    Returns:
        (..., outputs).

    The gradient of `x` is (..., inputs). The gradient of `block`, (inputs + 1, outputs), is added
    to the slot's; autograd gets it only if the slot has no place for it.
    """

    @staticmethod
    def forward(
        ctx: _AffineContext, workspace: Workspace, key: int, slot: Slot, x: Tensor, block: Tensor
    ) -> Tensor:
        ctx.workspace, ctx.key, ctx.slot = workspace, key, slot
        ctx.rows = rows_with_ones(workspace, key, x, block)
        out = workspace.empty((key, "out"), (len(ctx.rows), block.shape[1]), block)
        return workspace.affine(ctx.rows, block, out).view(*x.shape[:-1], block.shape[1])

    @staticmethod
    def backward(
        ctx: _AffineContext, grad: Tensor
    ) -> tuple[None, None, None, Tensor | None, Tensor | None]:
        refuse_second_derivative()
        workspace, block = ctx.workspace, ctx.slot.values
        grad_rows = grad.flatten(0, -2)
        dx = d_block = None
        if ctx.needs_input_grad[3]:
            dx = workspace.empty((ctx.key, "dx"), (len(grad_rows), len(block) - 1), grad_rows)
            workspace.product(grad_rows, block[:-1].t(), dx)
            dx = dx.view(*grad.shape[:-1], len(block) - 1)
        if ctx.needs_input_grad[4]:
            d_block = workspace.block_gradient(ctx.slot, ctx.rows, grad_rows)
        return None, None, None, dx, d_block


def rows_with_ones(workspace: Workspace, key: int, x: Tensor, block: Tensor) -> Tensor:
    """Return `x` as rows with a column of ones, (rows, inputs + 1), as a block takes them."""
    rows = x.numel() // x.shape[-1]
    inputs = workspace.with_ones((key, "in"), (rows, len(block)), block)
    inputs[:, :-1].unflatten(0, x.shape[:-1]).copy_(x)
    return inputs


class TargetOutOfRange(Exception):
    """A target of `SoftmaxLoss` is no class: the criterion decides whether it is ignored."""


class _SoftmaxLossContext(Context):
    slot: Slot
    rows: Tensor
    d_scores: Tensor
    factor: Tensor


class SoftmaxLoss(torch.autograd.Function):
    """Compute a linear layer, log-softmax and negative log-likelihood in one.

    One buffer, (T * batch, classes), holds the scores and then, if `gradient` is true, the gradient
    of each row's loss, still to be multiplied by a factor. The factor is applied where rows are
    shorter: to the rows of `x` and of its gradient.

    Args:
        workspace, key: see `Context`.
        slot: the linear layer's.
        x: (T, batch, inputs).
        target: int64, (T, batch), each of 0..classes - 1.
        block: ``slot.values``, (inputs + 1, classes).
        average: whether the loss of a step is the mean over its batch; otherwise it is the sum.
        gradient: whether there will be a backward pass.

    Returns:
        The loss of each step, (T, 1).

    The gradient of `x` is (T, batch, inputs). The gradient of `block`, (inputs + 1, classes), is
    added to the slot's; autograd gets it only if the slot has no place for it.

    Raises:
        TargetOutOfRange: a target is no class. On a device this is not checked, since the check
            would wait for the device.
    """

    @staticmethod
    def forward(
        ctx: _SoftmaxLossContext,
        workspace: Workspace,
        key: int,
        slot: Slot,
        x: Tensor,
        target: Tensor,
        block: Tensor,
        average: bool,
        gradient: bool,
    ) -> Tensor:
        if not in_range(target, block.shape[1]):
            raise TargetOutOfRange  # the compiled function below would read beyond a row
        ctx.workspace, ctx.key, ctx.slot = workspace, key, slot
        ctx.rows = rows_with_ones(workspace, key, x, block)
        scores = workspace.empty((key, "classes"), (len(ctx.rows), block.shape[1]), block)
        workspace.affine(ctx.rows, block, scores)
        classes = target.reshape(-1).contiguous()
        if kernels.kernels_accept(scores):
            losses, factor = kernels.softmax_loss(scores, classes, gradient)
        else:
            losses = _losses_and_probabilities(ctx.rows, block, scores, classes[:, None])
            factor = torch.ones_like(losses)
            if gradient:
                minus_one = scores.new_full((), -1.0).expand(len(scores), 1)
                scores.scatter_add_(1, classes[:, None], minus_one)
        ctx.d_scores, ctx.factor = scores, factor.view(target.shape)
        losses = losses.view(target.shape)  # (T, batch)
        if not average:
            return losses.sum(1, keepdim=True)
        ctx.factor.div_(target.shape[1])
        return losses.mean(1, keepdim=True)

    @staticmethod
    def backward(ctx: _SoftmaxLossContext, grad: Tensor) -> tuple[Tensor | None, ...]:
        refuse_second_derivative()
        workspace, block, d_scores = ctx.workspace, ctx.slot.values, ctx.d_scores
        factor = (ctx.factor * grad).view(-1, 1)  # (T * batch, 1)
        dx = d_block = None
        if ctx.needs_input_grad[3]:
            dx = workspace.empty((ctx.key, "dx"), (len(d_scores), len(block) - 1), d_scores)
            workspace.product(d_scores, block[:-1].t(), dx).mul_(factor)
            dx = dx.view(*ctx.factor.shape, len(block) - 1)
        if ctx.needs_input_grad[5]:
            d_block = workspace.block_gradient(ctx.slot, ctx.rows, d_scores, factor)
        return None, None, None, dx, None, d_block, None, None


def in_range(index: Tensor, size: int) -> bool:
    """Return whether every element of `index` is in 0..size - 1.

    On a device the answer is always True: the check would wait for the device.
    """
    if not index.is_cpu or not index.numel():
        return True
    low, high = index.aminmax()
    return low.item() >= 0 and high.item() < size


def _losses_and_probabilities(
    rows: Tensor, block: Tensor, scores: Tensor, target: Tensor
) -> Tensor:
    """Return the loss of each row of `scores`, (rows,), and make the scores probabilities.

    Args:
        rows, block: the factors of `scores`, (rows, inputs + 1) and (inputs + 1, classes).
        scores: (rows, classes), overwritten.
        target: (rows, 1).
    """
    if not scores.is_cpu:
        # The probability of the likeliest class yields the logarithm of the sum of exponentials,
        # without waiting for the device.
        at_target, best = scores.gather(1, target), scores.amax(1, keepdim=True)
        torch.softmax(scores, 1, out=scores)
        return (best - at_target - scores.amax(1, keepdim=True).log()).squeeze(1)
    torch.softmax(scores, 1, out=scores)
    p = scores.gather(1, target)
    losses = p.log().neg_().squeeze(1)
    smallest = torch.finfo(p.dtype).tiny * 1e6
    if not p.min() > smallest:
        # Probabilities so small are inexact or 0: compute these rows again, by logarithms.
        unlikely = (p <= smallest).nonzero()[:, 0]
        log_p = torch.log_softmax(rows[unlikely] @ block, 1).gather(1, target[unlikely])
        losses[unlikely] = -log_p.squeeze(1)
    return losses
