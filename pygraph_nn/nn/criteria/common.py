"""Bases, checks and reductions that several criteria share."""

from __future__ import annotations

from typing import Any

import torch

from ...errors import GraphError, type_name
from ..core.criterion import Criterion


class Averaged(Criterion):
    """Base of the criteria that return a mean, or with ``sizeAverage=False`` a sum."""

    def __init__(self, sizeAverage: bool | None = True) -> None:
        super().__init__()
        self.sizeAverage = sizeAverage is not False

    @property
    def reduction(self) -> str:
        """PyTorch's name of the reduction, "mean" or "sum"."""
        return "mean" if self.sizeAverage else "sum"

    def mean_or_sum(self, losses: torch.Tensor) -> torch.Tensor:
        """Return the mean of all elements, or their sum."""
        return losses.mean() if self.sizeAverage else losses.sum()


class Weighted(Averaged):
    """Base of the criteria with a weight for each class or column.

    Raises:
        GraphError: If `weights` is neither a vector nor None.
    """

    weights: torch.Tensor | None

    def __init__(
        self, weights: torch.Tensor | None = None, sizeAverage: bool | None = True
    ) -> None:
        super().__init__(sizeAverage)
        if weights is not None and (not isinstance(weights, torch.Tensor) or weights.dim() != 1):
            raise GraphError(f"{self}: weights should be 1-D, got {type_name(weights)}")
        self.register_buffer("weights", weights)


def like_input(criterion: Criterion, input: torch.Tensor, target: Any) -> torch.Tensor:
    """Return `target` in the dtype and shape of `input`; Torch7 compares only their sizes.

    Raises:
        GraphError: If they hold different numbers of values.
    """
    target = torch.as_tensor(target, dtype=input.dtype, device=input.device)
    if input.numel() != target.numel():
        raise GraphError(
            f"{criterion}: input and target size mismatch: the input has shape "
            f"{tuple(input.shape)}, the target {tuple(target.shape)}"
        )
    return target if target.shape == input.shape else target.reshape(input.shape)
