"""Copies of a network that share its parameters and buffers: unrolling in time."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch

from ..errors import GraphError

M = TypeVar("M", bound=torch.nn.Module)


def clone_many_times(net: M, T: int) -> list[M]:
    """Return `T` copies of `net` that share its parameters, gradients and buffers.

    Each copy records its own forward pass: a recurrent network is unrolled by running copy t at
    time t. Statistics that a module collects over its calls, such as those of a batch
    normalization, are those of one module called T times. This is Zaremba's ``g_cloneManyTimes``,
    whose copies each collect statistics of their own.

    Raises:
        GraphError: `T` is below 1.
    """
    if T < 1:
        raise GraphError(f"clone_many_times: T must be at least 1, got {T}")
    shared = {id(parameter): parameter for parameter in net.parameters()}
    # The dictionaries, not only the tensors, so that a module may also assign a new tensor.
    buffers = {id(module._buffers): module._buffers for module in net.modules()}
    return [copy.deepcopy(net, {**shared, **buffers}) for _ in range(T)]
