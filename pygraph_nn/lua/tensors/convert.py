"""Conversions between types of tensors: ``x:double()``, ``x:type(name)``."""

from __future__ import annotations

import torch

from .registry import METHODS, method
from .types import DTYPES, Storage, dtype_of, type_name

for _name, _dtype in DTYPES.items():

    def _convert(x: torch.Tensor, dtype: torch.dtype = _dtype) -> torch.Tensor:
        y = x.to(dtype)
        return y.as_subclass(Storage) if isinstance(x, Storage) else y

    METHODS[_name.lower()] = _convert


@method("typeAs")
def type_as(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the tensor in the type of another."""
    return x.to(y.dtype)


def to_type(x: torch.Tensor, name: str | None, cuda: torch.dtype) -> torch.Tensor | str:
    """Return ``x:type(name)``, or without a name the type of `x`."""
    if name is None:
        return type_name(x)
    dtype = dtype_of(name, cuda)
    if dtype is None:
        raise TypeError(f"there is no tensor type {name}; the types are {', '.join(DTYPES)}")
    return x.to(dtype)
