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
    normalization, are those of one module called T times. Buffers with ``persistent=False``, which
    are no state, are each copy's own. This is Zaremba's ``g_cloneManyTimes``, whose copies share no
    buffers.

    Raises:
        GraphError: `T` is below 1.
    """
    if T < 1:
        raise GraphError(f"clone_many_times: T must be at least 1, got {T}")
    shared: dict[int, object] = {}
    for module in net.modules():
        scratch = module._non_persistent_buffers_set
        if scratch:
            shared |= {id(b): b for name, b in module._buffers.items() if name not in scratch}
        else:  # the dictionary, not only the tensors: a module may assign a new tensor
            shared[id(module._buffers)] = module._buffers
    shared |= {id(parameter): parameter for parameter in net.parameters()}
    return [copy.deepcopy(net, dict(shared)) for _ in range(T)]
