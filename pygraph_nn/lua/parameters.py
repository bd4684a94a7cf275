"""Flat parameters as Torch7 makes them: parameters and gradients moved into one memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def ensure_gradient(parameter: torch.Tensor) -> torch.Tensor:
    """Return the gradient of a parameter, which is zeros at first."""
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter, requires_grad=False)
    return parameter.grad


def flatten(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Move `tensors` into one new vector, which is returned.

    The tensors become views of it, in their order. Tensors that share memory share it afterwards;
    memory that none of them uses is left out. This is Torch7's ``getParameters``.
    """
    memories: dict[int, list[torch.Tensor]] = {}
    for x in tensors:
        memories.setdefault(x.untyped_storage().data_ptr(), []).append(x)
    places: dict[int, torch.Tensor] = {}
    total = 0
    for memory, members in memories.items():
        # Where each element of this memory goes; -1 for elements that no tensor uses.
        size = members[0].untyped_storage().nbytes() // members[0].element_size()
        used = torch.zeros(size, dtype=torch.bool)
        for x in members:
            used.as_strided(x.shape, x.stride(), x.storage_offset()).fill_(True)
        if len(members) == 1 and members[0].is_contiguous() and int(used.sum()) == size:
            places[memory] = torch.tensor([total])
            total += size
            continue
        position = torch.cumsum(used, 0) - 1 + total
        places[memory] = position
        total += int(used.sum())
    flat = torch.empty(total, dtype=tensors[0].dtype)
    views = []
    for x in tensors:
        position = places[x.untyped_storage().data_ptr()]
        start = int(position[0 if len(position) == 1 else x.storage_offset()])
        stride = x.stride() if x.is_contiguous() or len(position) == 1 else _dense(x)
        views.append((start, stride))
        flat.as_strided(x.shape, stride, start).copy_(x.detach())
    for x, (start, stride) in zip(tensors, views, strict=True):
        x.set_(flat.untyped_storage(), start, x.shape, stride)
    return flat


def _dense(x: torch.Tensor) -> Sequence[int]:
    """Return the strides of a tensor without holes in the order of the memory of `x`."""
    strides, step = [0] * x.dim(), 1
    for d in sorted(range(x.dim()), key=lambda d: x.stride()[d]):
        strides[d] = step
        step *= x.shape[d]
    return strides
