"""Copies of a network that share its parameters: unrolling in time."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch

from ..errors import GraphError

M = TypeVar("M", bound=torch.nn.Module)


def clone_many_times(net: M, T: int, *, share_buffers: bool = False) -> list[M]:
    """Return `T` copies of `net` that share its parameters and gradients.

    Each copy records its own forward pass: a recurrent network is unrolled by running copy t at
    time t. This is Zaremba's ``g_cloneManyTimes``.

    Args:
        net: the network.
        T: the number of copies.
        share_buffers: also share buffers with each other and with `net`. Statistics that a module
            collects over its calls, such as those of a batch normalization, are then those of one
            module called T times; otherwise, as in Lua, each copy collects its own, and `net` none.
            Buffers with ``persistent=False``, which are no state, are each copy's own in any case.

    Raises:
        GraphError: `T` is below 1.
    """
    if T < 1:
        raise GraphError(f"clone_many_times: T must be at least 1, got {T}")
    shared: dict[int, object] = {id(parameter): parameter for parameter in net.parameters()}
    if share_buffers:
        shared |= _buffers(net)
    return [copy.deepcopy(net, dict(shared)) for _ in range(T)]


def _buffers(net: torch.nn.Module) -> dict[int, object]:
    """Return the persistent buffers of `net`, by id, as `deepcopy` takes what it must not copy."""
    buffers: dict[int, object] = {}
    for module in net.modules():
        scratch = module._non_persistent_buffers_set
        if scratch:
            buffers |= {id(b): b for name, b in module._buffers.items() if name not in scratch}
        else:  # the dictionary, not only the tensors: a module may assign a new tensor
            buffers[id(module._buffers)] = module._buffers
    return buffers
