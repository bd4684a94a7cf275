"""Checks and reductions that several criteria share."""

from __future__ import annotations

from typing import Any

import torch

from ...errors import GraphError, type_name
from ..core.criterion import Criterion


def like_input(criterion: Criterion, input: torch.Tensor, target: Any) -> torch.Tensor:
    """`target` in the type and shape of `input`; Torch7 compares only how many values they hold.

    Raises:
        GraphError: they hold different numbers of values.
    """
    target = torch.as_tensor(target, dtype=input.dtype, device=input.device)
    if input.numel() != target.numel():
        raise GraphError(
            f"{criterion}: input and target size mismatch: input of shape {tuple(input.shape)} "
            f"against a target of shape {tuple(target.shape)}"
        )
    return target if target.shape == input.shape else target.reshape(input.shape)


def reduced(losses: torch.Tensor, sizeAverage: bool) -> torch.Tensor:
    """The mean of all elements, or their sum."""
    return losses.mean() if sizeAverage else losses.sum()


def check_weights(criterion: str, weights: torch.Tensor | None) -> torch.Tensor | None:
    """`weights` if they are a vector or None, else a GraphError."""
    if weights is not None and (not isinstance(weights, torch.Tensor) or weights.dim() != 1):
        raise GraphError(f"nn.{criterion}: weights should be 1-D, got {type_name(weights)}")
    return weights
