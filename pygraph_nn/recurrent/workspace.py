"""Workspaces: where the hand-written functions take their memory and leave their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch

from .. import nn
from .native import Panels, RightFactor

Tensor = torch.Tensor

BufferKey: TypeAlias = tuple[int, str]
"""An operation of the plan, by index, and the content of its buffer: ``(7, "gates")``."""

ANY_OPERATION = -1
"""In a `BufferKey`: a buffer that all operations share, since none needs it after its call."""


@dataclass(eq=False)
class Slot:
    """The parameters of one layer as one tensor, with the place of their gradient.

    Of a `Linear` layer the tensor is its block, (inputs + 1, outputs): the transposed weight and,
    as the last row, the bias. With a column of ones beside the inputs, the bias and its gradient
    need no call of their own, and products in this layout are the fastest. Of a `LookupTable` it
    is the table, (rows, width).

    Attributes:
        values: the block or table.
        grads: the tensor to write the gradient into, shaped like `values`; None returns the
            gradient to autograd.
        rows: indices, (n,), of the rows of `grads` that may differ from zero; None: any may.
        written: whether `grads` holds a gradient of the current step, to be added to.
    """

    values: Tensor
    grads: Tensor | None = None
    rows: Tensor | None = None
    written: bool = False

    def zero(self) -> None:
        """Set the gradient to zero, for autograd to add to any of its rows."""
        assert self.grads is not None
        self.grads.zero_()
        self.written = True
        if self.rows is not None:
            self.rows = torch.arange(len(self.grads), device=self.grads.device)

    def zero_rows(self) -> None:
        """Set the rows of the gradient that may differ from zero to zero."""
        assert self.grads is not None
        if self.rows is None:
            self.grads.zero_()
        else:
            self.grads.index_fill_(0, self.rows, 0)

    def add_rows(self, index: Tensor, grad: Tensor) -> None:
        """Add `grad`, (n, width), to rows `index`, (n,), of the gradient of a table."""
        assert self.grads is not None
        if not self.written:
            self.zero_rows()
        if self.rows is not None:
            self.rows = (torch.cat([self.rows, index]) if self.written else index).unique()
        self.written = True
        self.grads.index_add_(0, index, grad)


@dataclass(frozen=True)
class BlockFactor:
    """A block as the factor of several products; see `Workspace.affine`.

    Attributes:
        weight: the block without its last row, (inputs, outputs).
        bias: its last row, (outputs,).
    """

    weight: RightFactor
    bias: Tensor


class Workspace:
    """The plain workspace: allocates every buffer anew and leaves gradients to autograd.

    Attributes:
        exact: whether products keep the precision of their factors.
        fuses_layers: whether layers outside loops run as the functions of `functions` instead of
            by their modules. That needs gradients that are written in place, see `slot`.
    """

    exact = True
    fuses_layers = False

    def slot(self, module: torch.nn.Module) -> Slot | None:
        """Return the slot that holds the parameters of `module`; None if there is none."""
        return None

    def block(self, linear: nn.Linear) -> Slot:
        """Return the slot of `linear`, or, if it has none, a block copied from its parameters.

        Autograd takes the gradient of the copy back to the parameters.
        """
        slot = self.slot(linear)
        if slot is not None:
            return slot
        self.leave_to_autograd(linear)
        weight = linear.weight  # (outputs, inputs)
        bias = weight.new_zeros(len(weight)) if linear.bias is None else linear.bias
        return Slot(torch.cat([weight.t(), bias[None]]))

    def leave_to_autograd(self, module: torch.nn.Module) -> None:
        """Mark `module` as computed by ordinary autograd, which adds to its `.grad`."""

    def empty(self, key: BufferKey, shape: Sequence[int], like: Tensor) -> Tensor:
        """Return a buffer of `shape` with the dtype and device of `like`, its values undefined."""
        return like.new_empty(tuple(shape))

    def with_ones(self, key: BufferKey, shape: Sequence[int], like: Tensor) -> Tensor:
        """Return a buffer whose last column is 1 and must stay so; the rest is undefined."""
        buffer = self.empty(key, shape, like)
        buffer[..., -1] = 1
        return buffer

    def zeros(self, key: BufferKey, shape: Sequence[int], like: Tensor) -> Tensor:
        """Return a buffer of zeros."""
        return self.empty(key, shape, like).zero_()

    def factor(self, key: BufferKey, b: Tensor) -> Tensor | Panels:
        """Return `b` in the form in which several products take it as their right factor.

        It must not change while they are computed.
        """
        return b

    def block_factor(self, key: BufferKey, block: Tensor) -> Tensor | BlockFactor:
        """Return a block in the form in which several calls of `affine` take it."""
        return block

    def product(self, a: Tensor, b: RightFactor, out: Tensor, beta: int = 0) -> Tensor:
        """Write ``a @ b + beta * out`` into `out` and return it; `beta` is 0 or 1."""
        assert isinstance(b, Tensor)
        return torch.addmm(out, a, b, beta=beta, out=out)

    def product_plus(self, c: Tensor, a: Tensor, b: RightFactor, out: Tensor) -> Tensor:
        """Write ``a @ b + c`` into `out` and return it."""
        assert isinstance(b, Tensor)
        return torch.addmm(c, a, b, out=out)

    def affine(
        self, rows: Tensor, block: Tensor | BlockFactor, out: Tensor, beta: int = 0
    ) -> Tensor:
        """Write the outputs of a linear layer, plus ``beta * out``, into `out` and return it.

        Args:
            rows: (rows, inputs + 1), the last column ones.
            block: (inputs + 1, outputs); see `Slot` and `block_factor`.
            out: (rows, outputs).
        """
        assert isinstance(block, Tensor)
        return self.product(rows, block, out, beta)

    def block_gradient(
        self, slot: Slot, inputs: Tensor, grad: Tensor, scale: Tensor | None = None
    ) -> Tensor | None:
        """Add ``inputs.T @ grad`` to the gradient of a block.

        Args:
            slot: the block's, (inputs + 1, outputs).
            inputs: (rows, inputs + 1), the last column ones.
            grad: the gradient of the outputs, (rows, outputs).
            scale: factors for the rows of `inputs`, (rows, 1).

        Returns:
            The gradient, for autograd, if `slot` has no place for it.
        """
        transposed = inputs.t()
        if grad.shape[1] >= 1024 and grad.is_cpu:
            # On the CPU, products with many outputs gain more from contiguous rows than the copy
            # takes. PyTorch multiplies with more threads than it copies with.
            copy = self.empty((ANY_OPERATION, "transposed"), transposed.shape, inputs)
            transposed = torch.mul(transposed, 1 if scale is None else scale.t(), out=copy)
        elif scale is not None:
            transposed = transposed * scale.t()
        if slot.grads is None:
            return self.product(transposed, grad, torch.empty_like(slot.values))
        self.product(transposed, grad, slot.grads, beta=int(slot.written))
        slot.written = True
        return None
