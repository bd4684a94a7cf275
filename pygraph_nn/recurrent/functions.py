"""Computations of all time steps with a backward written by hand, on buffers that are kept.

A linear layer is held as one block (inputs + 1, outputs): the transposed weight and, as the last
row, the bias. With a column of ones at its inputs, bias and bias gradient cost no call of their
own, and this layout is the one whose products are fastest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .native import bindings as kernels

Tensor = torch.Tensor


class Workspace:
    """Where buffers come from, and where gradients go; this one makes new buffers every time."""

    exact = True  # products are made in the precision of their factors

    def empty(self, key: object, shape: Sequence[int], like: Tensor) -> Tensor:
        """A buffer of `shape` for what `key` names; its values are whatever they are."""
        return like.new_empty(tuple(shape))

    def with_ones(self, key: object, shape: Sequence[int], like: Tensor) -> Tensor:
        """The same with ones in the last column."""
        made = self.empty(key, shape, like)
        made[..., -1] = 1
        return made

    def zeros(self, key: object, shape: Sequence[int], like: Tensor) -> Tensor:
        """The same with zeros."""
        return self.empty(key, shape, like).zero_()

    def by_step(self, kept: Tensor) -> Sequence[Tensor]:
        """The slices of a buffer along its first dimension."""
        return kept.unbind(0)

    def target(self, block: Tensor) -> tuple[Tensor, int] | None:
        """Where the gradient of `block` is to be written, and what the values there count, 0 or 1.

        None if autograd is to be given it.
        """
        return None

    def product(self, a: Tensor, b: Tensor, out: Tensor, beta: int = 0) -> Tensor:
        """``a @ b + beta * out`` in `out`; `beta` is 0 or 1."""
        return torch.addmm(out, a, b, beta=beta, out=out)

    def product_plus(self, c: Tensor, a: Tensor, b: Tensor, out: Tensor) -> Tensor:
        """``a @ b + c`` in `out`."""
        return torch.addmm(c, a, b, out=out)

    def block_gradient(
        self, block: Tensor, a: Tensor, b: Tensor, scale: Tensor | None = None
    ) -> Any:
        """Give ``a.T @ b`` to the gradient of `block`: to autograd, or where it belongs.

        With `scale`, (rows, 1), each row of `a` is multiplied by its number first.
        """
        transposed = a.t()
        if b.shape[1] >= 1024 and b.is_cpu:
            # On the CPU, products of many outputs are faster by more than the copy takes, and
            # multiplying is done by more threads than copying.
            kept = self.empty("transposed", transposed.shape, a)
            transposed = torch.mul(transposed, 1 if scale is None else scale.t(), out=kept)
        elif scale is not None:
            transposed = transposed * scale.t()
        target = self.target(block)
        if target is None:
            return self.product(transposed, b, torch.empty_like(block))
        self.product(transposed, b, target[0], beta=target[1])
        return None


class Lookup(torch.autograd.Function):
    """Rows of a table, (T, batch) to (T, batch, n); `table` has its gradient by rows."""

    @staticmethod
    def forward(ctx: Any, work: Any, key: object, index: Tensor, table: Tensor) -> Tensor:
        ctx.work, ctx.key, ctx.table = work, key, table
        ctx.index = index.flatten()
        rows = work.empty((key, "rows"), (index.numel(), table.shape[1]), table)
        torch.index_select(table, 0, ctx.index, out=rows)
        return rows.view(*index.shape, -1)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grad,) = grads
        ctx.work.add_rows(ctx.table, ctx.index, grad.flatten(0, -2))
        return None, None, None, None


class Masked(torch.autograd.Function):
    """Dropout: `x` where a number drawn for it reaches p, scaled by `scale`, else 0."""

    @staticmethod
    def forward(
        ctx: Any, work: Workspace, key: object, x: Tensor, p: float, scale: float
    ) -> Tensor:
        # Uniform numbers cost a fifth of Bernoulli's on the CPU.
        mask = work.empty((key, "mask"), x.shape, x).uniform_().ge_(p).mul_(scale)
        ctx.work, ctx.key, ctx.mask = work, key, mask
        return torch.mul(x, mask, out=work.empty((key, "dropped"), x.shape, x))

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grad,) = grads
        out = ctx.work.empty((ctx.key, "grad"), grad.shape, grad)
        return None, None, torch.mul(grad, ctx.mask, out=out), None, None


class Affine(torch.autograd.Function):
    """A linear layer on rows, (..., inputs) to (..., outputs), from its block."""

    @staticmethod
    def forward(ctx: Any, work: Workspace, key: object, x: Tensor, block: Tensor) -> Tensor:
        ctx.work, ctx.key, ctx.block = work, key, block
        ctx.x = _with_ones(work, key, x, block)
        out = work.empty((key, "out"), (len(ctx.x), block.shape[1]), block)
        return work.product(ctx.x, block, out).view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        work, block = ctx.work, ctx.block
        grad = grads[0].flatten(0, -2)
        dx = None
        if ctx.needs_input_grad[2]:
            dx = work.empty((ctx.key, "dx"), (len(grad), len(block) - 1), grad)
            dx = work.product(grad, block[:-1].t(), dx).view(*grads[0].shape[:-1], -1)
        db = work.block_gradient(block, ctx.x, grad) if ctx.needs_input_grad[3] else None
        return None, None, dx, db


def _with_ones(work: Workspace, key: object, x: Tensor, block: Tensor) -> Tensor:
    """`x` as rows with a column of ones, (rows, inputs + 1), as a block takes them."""
    rows = x.numel() // x.shape[-1]
    made = work.with_ones((key, "in"), (rows, len(block)), block)
    made[:, :-1].unflatten(0, x.shape[:-1]).copy_(x)
    return made


class SoftmaxLoss(torch.autograd.Function):
    """Linear, LogSoftMax and the negative log-likelihood in one: (T, batch, inputs) to (T, 1).

    `target` is (T, batch). The losses of a step are summed up, or with `average` their mean is
    taken. One buffer, (T * batch, classes), holds the scores, and then, if `gradient` is asked
    for, the gradient of each row's loss up to a factor: rows are scaled where they are short.
    """

    @staticmethod
    def forward(
        ctx: Any,
        work: Workspace,
        key: object,
        x: Tensor,
        target: Tensor,
        block: Tensor,
        average: bool,
        gradient: bool,
    ) -> Tensor:
        ctx.work, ctx.key, ctx.block = work, key, block
        ctx.x = _with_ones(work, key, x, block)
        ctx.d = work.empty((key, "classes"), (len(ctx.x), block.shape[1]), block)
        work.product(ctx.x, block, ctx.d)
        if kernels.kernels_accept(ctx.d):
            target_ = target.reshape(-1).contiguous()
            losses, factor = kernels.softmax_loss(ctx.d, target_, gradient)
        else:
            rows = target.reshape(-1, 1)
            losses = _losses_and_probabilities(ctx.x, block, ctx.d, rows)
            factor = torch.ones_like(losses)
            if gradient:
                ctx.d.scatter_add_(1, rows, ctx.d.new_full((), -1.0).expand_as(rows))
        losses, ctx.factor = losses.view(target.shape), factor.view(target.shape)
        if not average:
            return losses.sum(1, keepdim=True)
        ctx.factor.div_(target.shape[1])
        return losses.mean(1, keepdim=True)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        work, key, block, d = ctx.work, ctx.key, ctx.block, ctx.d
        factor = (ctx.factor * grads[0]).view(-1, 1)
        dx = db = None
        if ctx.needs_input_grad[2]:
            dx = work.empty((key, "dx"), (len(d), len(block) - 1), d)
            dx = work.product(d, block[:-1].t(), dx).mul_(factor).view(*ctx.factor.shape, -1)
        if ctx.needs_input_grad[4]:
            db = work.block_gradient(block, ctx.x, d, factor)
        return None, None, dx, None, db, None, None


def _losses_and_probabilities(x: Tensor, block: Tensor, scores: Tensor, target: Tensor) -> Tensor:
    """The loss of each row of scores, which become probabilities in place."""
    if not scores.is_cpu:
        # The likeliest class tells the logarithm of the sum, without waiting for the device.
        at_target, best = scores.gather(1, target), scores.amax(1, keepdim=True)
        torch.softmax(scores, 1, out=scores)
        return (best - at_target - scores.amax(1, keepdim=True).log()).squeeze(1)
    torch.softmax(scores, 1, out=scores)
    p = scores.gather(1, target)
    losses = p.log().neg_().squeeze(1)
    smallest = torch.finfo(p.dtype).tiny * 1e6
    if not p.min() > smallest:
        rows = (p <= smallest).nonzero()[:, 0]  # too unlikely for a number: once more, by logarithm
        again = torch.log_softmax(x[rows] @ block, 1).gather(1, target[rows])
        losses[rows] = -again.squeeze(1)
    return losses
