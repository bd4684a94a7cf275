"""Copies of a network that share its parameters: unrolling in time."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import torch

from ..errors import GraphError

M = TypeVar("M", bound=torch.nn.Module)


def clone_many_times(net: M, T: int) -> list[M]:
    """`T` copies of `net` that share its parameters and gradients (Zaremba's g_cloneManyTimes).

    Everything else, such as what a forward pass remembers, is each copy's own: a recurrent
    network is unrolled by running copy t at time t.

    Raises:
        GraphError: `T` is below 1.
    """
    if T < 1:
        raise GraphError(f"clone_many_times: T must be at least 1, got {T}")
    shared: dict[int, Any] = {id(parameter): parameter for parameter in net.parameters()}
    return [copy.deepcopy(net, dict(shared)) for _ in range(T)]
