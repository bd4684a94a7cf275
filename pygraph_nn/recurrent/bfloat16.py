"""The workspace whose products are computed in bfloat16 by compiled kernels, on the CPU.

Factors are rounded to bfloat16, sums are float32; so are parameters, gradients and everything that
is no product.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from . import native as kernels
from .buffers import BufferedWorkspace
from .native import Panels, Rounded
from .workspace import ANY_OPERATION, BlockFactor, BufferKey, Slot

Tensor = torch.Tensor


class Bfloat16Workspace(BufferedWorkspace):
    """A `BufferedWorkspace` for float32 on the CPU; see `kernels.bfloat16_unavailable`.

    Args:
        slots: the slot of each layer whose gradients the functions write.
    """

    exact = False

    def __init__(self, slots: Mapping[torch.nn.Module, Slot]) -> None:
        super().__init__(slots)
        self._like = torch.empty(0, dtype=torch.bfloat16)
        # For some tensors, by address, their values in bfloat16 and their version then.
        self._rounded: dict[int, tuple[Rounded, int]] = {}

    def buffer(self, key: BufferKey, shape: tuple[int, ...]) -> Tensor:
        """Return a buffer of bfloat16."""
        return self.empty(key, shape, self._like)

    def remember(self, matrix: Tensor, rounded: Rounded) -> None:
        """Let products take `rounded` for `matrix`, a buffer of this workspace, until it changes.

        PyTorch counts changes by its own operations only: a kernel that writes into the buffer
        again needs another call of this method.
        """
        self._rounded[matrix.data_ptr()] = rounded, matrix._version

    def factor(self, key: BufferKey, b: Tensor) -> Panels:
        return kernels.pack_panels(_readable(b), lambda shape: self.buffer(key, shape))

    def block_factor(self, key: BufferKey, block: Tensor) -> BlockFactor:
        return BlockFactor(self.factor(key, block[:-1]), block[-1])

    def product(
        self, a: Tensor | Rounded, b: kernels.RightFactor, out: Tensor, beta: int = 0
    ) -> Tensor:
        return kernels.product(self._left(a), self._right(b), out, add=bool(beta))

    def product_plus(self, c: Tensor, a: Tensor, b: kernels.RightFactor, out: Tensor) -> Tensor:
        return self.product(a, b, out.copy_(c), beta=1)

    def affine(
        self, rows: Tensor, block: Tensor | BlockFactor, out: Tensor, beta: int = 0
    ) -> Tensor:
        if isinstance(block, Tensor):
            block = BlockFactor(block[:-1], block[-1])
        left = self._left(rows[:, :-1])  # the bias stays in float32
        return kernels.product(left, block.weight, out, bias=block.bias, add=bool(beta))

    def block_gradient(
        self,
        slot: Slot,
        inputs: Tensor,
        grad: Tensor | Rounded,
        scale: Tensor | None = None,
    ) -> Tensor | None:
        scale = None if scale is None else scale.flatten()
        left = kernels.round_matrix(_readable(inputs).t(), self._left_buffer, scale)
        right = self._right(grad)
        if slot.grads is None:
            return kernels.product(left, right, torch.empty_like(slot.values))
        kernels.product(left, right, slot.grads, add=slot.written)
        slot.written = True
        return None

    def _left(self, a: Tensor | Rounded) -> Rounded:
        factor = self._remembered(a) if isinstance(a, Tensor) else a
        if isinstance(factor, Rounded):
            return factor
        return kernels.round_matrix(_readable(factor), self._left_buffer)

    def _right(self, b: kernels.RightFactor) -> kernels.RightFactor:
        factor = self._remembered(b) if isinstance(b, Tensor) else b
        return _readable(factor) if isinstance(factor, Tensor) else factor

    def _remembered(self, matrix: Tensor) -> Tensor | Rounded:
        """Return `matrix` in bfloat16 if `remember` was called for it, else itself."""
        rounded, version = self._rounded.get(matrix.data_ptr(), (None, 0))
        if rounded is None or version != matrix._version or not matrix.is_contiguous():
            return matrix
        return rounded if matrix.shape == (rounded.rows, rounded.columns) else matrix

    def _left_buffer(self, shape: tuple[int, ...]) -> Tensor:
        """Return the buffer for a left factor, which no operation needs after its product."""
        return self.buffer((ANY_OPERATION, "left"), shape)


def _readable(matrix: Tensor) -> Tensor:
    """Return `matrix`, or a copy if the kernels cannot read it where it is.

    Autograd may pass gradients whose elements share memory.
    """
    return matrix if kernels.is_readable(matrix) else matrix.resolve_neg().contiguous()
