"""The call of an LSTM's loop: what its three implementations share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..workspace import Slot, Workspace

Tensor = torch.Tensor


@dataclass(frozen=True)
class LstmCall:
    """A call of an LSTM's loop: all of its arguments but the tensors.

    Attributes:
        workspace, key: where buffers come from, and the operation that they are for.
        slot: the slot of the linear layer that takes h.
        gate_slices: which of the four slices of the gates are the in, transform, forget and out
            gates.
        overwrite: whether the loop may overwrite the first of the terms from outside.
    """

    workspace: Workspace
    key: int
    slot: Slot
    gate_slices: tuple[int, int, int, int]
    overwrite: bool = False

    def begin(self, h_first: Tensor, externals: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Add up the terms from outside and set up the buffer for h.

        Args:
            h_first: (batch, size).
            externals: (T, batch, 4 * size) each.

        Returns:
            The sum of `externals`, (T, batch, 4 * size), in the first of them if `overwrite`
            allows it; and the buffer, (T + 1, batch, size + 1), for rows of h that end with a one.
            Step 0 holds `h_first`.
        """
        gates = externals[0]
        if not self.overwrite or not gates.is_contiguous():
            gates = self.workspace.empty((self.key, "gates"), gates.shape, gates).copy_(gates)
        for external in externals[1:]:
            gates.add_(external)
        batch, size = h_first.shape
        shape = (len(gates) + 1, batch, size + 1)
        h = self.workspace.with_ones((self.key, "h"), shape, gates)
        h[0, :, :-1] = h_first
        return gates, h

    def block_gradient(self, h: Tensor, d: Tensor) -> Tensor | None:
        """Add to the gradient of the block; see `Workspace.block_gradient`.

        Args:
            h: the buffer that `begin` returned, filled.
            d: the gradient of the sums, (T, batch, 4 * size).
        """
        rows = h[:-1].flatten(0, 1)  # (T * batch, size + 1)
        return self.workspace.block_gradient(self.slot, rows, d.flatten(0, 1))
