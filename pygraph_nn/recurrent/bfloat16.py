"""The workspace whose products are computed in bfloat16 by compiled kernels, on the CPU.

Factors are rounded to bfloat16, sums are float32; so are parameters, gradients and everything that
is no product. A weight is packed once in each direction of a step, activations once for each
product that takes them in another layout.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from . import native as kernels
from .buffers import BufferedWorkspace
from .native import Factor
from .workspace import ANY_OPERATION, BlockFactor, BufferKey, Slot

Tensor = torch.Tensor


class Bfloat16Workspace(BufferedWorkspace):
    """A `BufferedWorkspace` for float32 on the CPU; see `kernels.bfloat16_unavailable`.

    Args:
        slots: the slot of each layer whose gradients the functions write.
    """

    exact = False
    bfloat16_kernels = True

    def __init__(self, slots: Mapping[torch.nn.Module, Slot]) -> None:
        super().__init__(slots)
        self._like = torch.empty(0, dtype=torch.bfloat16)

    def rounded(self, key: BufferKey, shape: tuple[int, ...]) -> Tensor:
        """Return a buffer of bfloat16."""
        return self.empty(key, shape, self._like)

    def factor(self, key: BufferKey, b: Tensor) -> Factor:
        return kernels.pack_panels(_packable(b), lambda shape: self.rounded(key, shape))

    def block_factor(self, key: BufferKey, block: Tensor) -> BlockFactor:
        return BlockFactor(self.factor(key, block[:-1]), block[-1])

    def product(self, a: Tensor | Factor, b: Tensor | Factor, out: Tensor, beta: int = 0) -> Tensor:
        right = self._right(b)
        return kernels.product(self._left(a), right, out, add=bool(beta))

    def product_plus(self, c: Tensor, a: Tensor, b: Tensor | Factor, out: Tensor) -> Tensor:
        return self.product(a, b, out.copy_(c), beta=1)

    def affine(
        self, rows: Tensor, block: Tensor | BlockFactor, out: Tensor, beta: int = 0
    ) -> Tensor:
        if isinstance(block, Tensor):
            block = BlockFactor(self._right(block[:-1]), block[-1])
        left = self._left(rows[:, :-1])
        return kernels.product(left, block.weight, out, bias=block.bias, add=bool(beta))

    def block_gradient(
        self, slot: Slot, inputs: Tensor, grad: Tensor | Factor, scale: Tensor | None = None
    ) -> Tensor | None:
        right = self._right(grad)
        flat_scale = None if scale is None else scale.flatten()
        left = kernels.pack_rows(_packable(inputs).t(), self._shared("left"), flat_scale)
        if slot.grads is None:
            return kernels.product(left, right, torch.empty_like(slot.values))
        kernels.product(left, right, slot.grads, add=slot.written)
        slot.written = True
        return None

    def _left(self, a: Tensor | Factor) -> Factor:
        if isinstance(a, Factor):
            return a
        return kernels.pack_rows(_packable(a), self._shared("left"))

    def _right(self, b: Tensor | Factor) -> Factor:
        if isinstance(b, Factor):
            return b
        return kernels.pack_panels(_packable(b), self._shared("right"))

    def _shared(self, content: str) -> kernels.NewBuffer:
        """Return an allocator of buffers that no operation needs after its call."""
        return lambda shape: self.rounded((ANY_OPERATION, content), shape)


def _packable(matrix: Tensor) -> Tensor:
    """Return `matrix`, or a copy if the kernels cannot read it where it is.

    Autograd may pass gradients whose elements share memory.
    """
    matrix = matrix.resolve_neg()
    for x in (matrix, matrix.t()):
        if x.stride(1) == 1 and x.stride(0) >= x.shape[1]:
            return matrix
    return matrix.contiguous()
