"""Copies of a network that share its parameters: unrolling in time."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch

from ..errors import GraphError
from .structure import outside

M = TypeVar("M", bound=torch.nn.Module)


def clone_many_times(net: M, T: int) -> list[M]:
    """Return `T` copies of `net` that share its parameters and gradients.

    Each copy records its own forward pass and has its own buffers: a recurrent network is unrolled
    by running copy t at time t. This is Zaremba's ``g_cloneManyTimes``.

    Raises:
        GraphError: `T` is below 1.
    """
    if T < 1:
        raise GraphError(f"clone_many_times: T must be at least 1, got {T}")
    shared = outside(net) | {id(parameter): parameter for parameter in net.parameters()}
    return [copy.deepcopy(net, dict(shared)) for _ in range(T)]
