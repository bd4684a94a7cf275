"""Copies of a network that share its parameters: unrolling in time."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, TypeVar

import torch

from ..errors import GraphError, type_name
from .structure import outside

M = TypeVar("M", bound=torch.nn.Module)


def clone_many_times(net: M, T: int) -> list[M]:
    """Return `T` copies of `net` that share its parameters and gradients.

    Each copy records its own forward pass and has its own buffers, unless `share_buffers` shares
    them: a recurrent network is unrolled by running copy t at time t. This is Zaremba's
    ``g_cloneManyTimes``.

    Raises:
        GraphError: `T` is no integer, or below 1.
    """
    if not hasattr(T, "__index__") or T < 1:
        raise GraphError(f"clone_many_times: T must be at least 1, got {T!r}")
    shared = outside(net) | {id(parameter): parameter for parameter in net.parameters()}
    return [copy.deepcopy(net, dict(shared)) for _ in range(T)]


def share_buffers(net: torch.nn.Module, copies: Iterable[torch.nn.Module]) -> None:
    """Make the buffers of `net` those of its `copies`, which `clone_many_times` made.

    Statistics that a module collects over its calls, such as those of a batch normalization, are
    then those of one module called T times, and `net` has them for evaluation. Otherwise each copy
    collects its own, and `net` none. Buffers with ``persistent=False``, which are no state, stay
    each copy's own.

    Raises:
        GraphError: one of `copies` has other modules than `net`.
    """
    modules = list(net.modules())
    for number, clone in enumerate(copies):
        others = list(clone.modules())
        if list(map(type, others)) != list(map(type, modules)):
            raise GraphError(f"share_buffers: copies[{number}] is no copy of {type_name(net)}")
        for module, other in zip(modules, others, strict=True):
            # The dictionary, not only the tensors: a module may assign a new tensor.
            if scratch := module._non_persistent_buffers_set:
                other._buffers = _BuffersOfCopy(module._buffers, other._buffers, scratch)
            else:
                other._buffers = module._buffers


class _BuffersOfCopy(dict[str, Any]):
    """The buffers of a copy: those of the original, but for scratch buffers of its own."""

    def __init__(self, shared: dict[str, Any], own: dict[str, Any], scratch: Iterable[str]) -> None:
        super().__init__(own)
        self._shared = shared
        self._scratch = frozenset(scratch)

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(name) if name in self._scratch else self._shared[name]

    def __setitem__(self, name: str, buffer: Any) -> None:
        super().__setitem__(name, buffer)
        if name not in self._scratch:
            self._shared[name] = buffer

    def items(self) -> Any:
        return {name: self[name] for name in self}.items()

    def values(self) -> Any:
        return {name: self[name] for name in self}.values()
