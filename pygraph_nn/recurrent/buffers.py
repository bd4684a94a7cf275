"""The workspace that keeps its buffers from one training step to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from .native import RightFactor
from .workspace import BufferKey, Slot, Workspace

Tensor = torch.Tensor


class BufferedWorkspace(Workspace):
    """A workspace that allocates each buffer once and writes gradients into slots.

    A second use of a key with the same shape and dtype returns the same tensor, whose values are
    then overwritten: no page of memory is mapped and zeroed again.

    Args:
        slots: the slot of each layer whose gradients the functions write.
    """

    fuses_layers = True

    def __init__(self, slots: Mapping[torch.nn.Module, Slot]) -> None:
        self._slots = slots
        self._buffers: dict[tuple[BufferKey, tuple[int, ...], torch.dtype], Tensor] = {}

    def slot(self, module: torch.nn.Module) -> Slot | None:
        return self._slots.get(module)

    def leave_to_autograd(self, module: torch.nn.Module) -> None:
        if not torch.is_grad_enabled():
            return
        for inner in module.modules():
            slot = self._slots.get(inner)
            if slot is not None and not slot.written:
                slot.zero()

    def empty(self, key: BufferKey, shape: Sequence[int], like: Tensor) -> Tensor:
        return self._buffer(key, shape, like)[0]

    def with_ones(self, key: BufferKey, shape: Sequence[int], like: Tensor) -> Tensor:
        buffer, is_new = self._buffer(key, shape, like)
        if is_new:
            buffer[..., -1] = 1
        return buffer

    def _buffer(self, key: BufferKey, shape: Sequence[int], like: Tensor) -> tuple[Tensor, bool]:
        """Return the buffer, and whether it was allocated by this call."""
        place = (key, tuple(shape), like.dtype)
        buffer = self._buffers.get(place)
        if buffer is not None:
            return buffer, False
        buffer = self._buffers[place] = like.new_empty(place[1])
        return buffer, True

    def product(self, a: Tensor, b: RightFactor, out: Tensor, beta: int = 0) -> Tensor:
        if self.exact:
            return super().product(a, b, out, beta)
        assert isinstance(b, Tensor)
        product = a.bfloat16() @ b.bfloat16()
        return out.add_(product) if beta else out.copy_(product)

    def product_plus(self, c: Tensor, a: Tensor, b: RightFactor, out: Tensor) -> Tensor:
        if self.exact:
            return super().product_plus(c, a, b, out)
        assert isinstance(b, Tensor)
        return torch.add(c, a.bfloat16() @ b.bfloat16(), out=out)
