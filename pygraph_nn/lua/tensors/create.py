"""New tensors: zeros, ranges, identity matrices; tensors and storages from numbers and tables."""

from __future__ import annotations

from typing import Any

import torch

from .registry import function, into
from .shape import resized
from .types import Storage, describe, is_tensor, sizes_of, storage_of


def _filled(args: tuple[Any, ...], value: float) -> torch.Tensor:
    if args and is_tensor(args[0]):
        return resized(args[0], sizes_of(args[1:])).fill_(value)
    return torch.full(sizes_of(args), float(value))


@function("zeros")
def zeros(*args: Any) -> torch.Tensor:
    """Return a tensor of zeros."""
    return _filled(args, 0)


@function("ones")
def ones(*args: Any) -> torch.Tensor:
    """Return a tensor of ones."""
    return _filled(args, 1)


@function("eye")
def eye(*args: Any) -> torch.Tensor:
    """Return an identity matrix."""
    if is_tensor(args[0]):
        return into(args[0], eye(*args[1:]))
    return torch.eye(int(args[0]), int(args[-1]))


@function("range")
def range_(*args: Any) -> torch.Tensor:
    """Return the numbers from first to last, both included."""
    if is_tensor(args[0]):
        return into(args[0], range_(*args[1:]).to(args[0].dtype))
    first, last = args[0], args[1]
    step = args[2] if len(args) > 2 else 1
    count = int((last - first) / step + 1e-9) + 1
    return first + step * torch.arange(count, dtype=torch.get_default_dtype())


@function("linspace")
def linspace(*args: Any) -> torch.Tensor:
    """Return evenly spaced numbers."""
    if is_tensor(args[0]):
        return into(args[0], linspace(*args[1:]))
    return torch.linspace(args[0], args[1], int(args[2]) if len(args) > 2 else 100)


@function("logspace")
def logspace(*args: Any) -> torch.Tensor:
    """Return powers of ten with evenly spaced exponents."""
    if is_tensor(args[0]):
        return into(args[0], logspace(*args[1:]))
    return torch.logspace(args[0], args[1], int(args[2]) if len(args) > 2 else 100)


def new_tensor(dtype: torch.dtype, *args: Any) -> torch.Tensor:
    """Return ``torch.XTensor(...)``: of sizes, a table, a storage, or a view of a tensor."""
    if not args or args[0] is None:
        return torch.empty(0, dtype=dtype)
    first = args[0]
    if isinstance(first, dict) and not first:
        return torch.empty(0, dtype=dtype)
    if isinstance(first, (list, tuple)):
        return torch.tensor(_plain(first), dtype=torch.float64).to(dtype)
    if isinstance(first, Storage) and (first.dtype == dtype or len(args) > 1):
        if first.dtype is torch.int64 and dtype is not torch.int64:
            return _sized(dtype, sizes_of([first]))
        if first.dtype is torch.int64 and len(args) == 1:
            return _sized(dtype, sizes_of([first]))  # a LongStorage is a size
        from .shape import set_

        return set_(torch.empty(0, dtype=dtype), first, *args[1:])
    if isinstance(first, Storage):
        return _sized(dtype, sizes_of([first]))
    if is_tensor(first):
        if first.dtype != dtype:
            raise TypeError(f"expecting a tensor of the same type, got {describe(first)}")
        return first.detach()
    return _sized(dtype, sizes_of(args))


def _sized(dtype: torch.dtype, sizes: list[int]) -> torch.Tensor:
    # Torch7 leaves what memory held. Zeros are as good, and the same each time.
    return torch.zeros(sizes, dtype=dtype) if sizes else torch.empty(0, dtype=dtype)


def _plain(values: Any) -> Any:
    if isinstance(values, torch.Tensor):
        return values.tolist()
    if isinstance(values, dict) and not values:
        return []
    if isinstance(values, (list, tuple)):
        return [_plain(v) for v in values]
    if not isinstance(values, (int, float)):
        raise TypeError(f"expecting numbers in the table of a tensor, got {describe(values)}")
    return values


def new_storage(dtype: torch.dtype, *args: Any) -> Storage:
    """Return ``torch.XStorage(...)``: of a size, or of the numbers in a table."""
    if args and isinstance(args[0], (list, tuple)):
        return torch.tensor(_plain(args[0]), dtype=torch.float64).to(dtype).as_subclass(Storage)
    if args and isinstance(args[0], str):
        data = torch.tensor(list(args[0].encode("latin-1")), dtype=torch.uint8)
        return data.to(dtype).as_subclass(Storage)
    if args and is_tensor(args[0]):
        return storage_of(args[0])
    return torch.zeros(int(args[0]) if args else 0, dtype=dtype).as_subclass(Storage)
