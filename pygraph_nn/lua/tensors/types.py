"""Torch7's types of tensors and storages, and PyTorch's dtypes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

DTYPES = {
    "Double": torch.float64,
    "Float": torch.float32,
    "Half": torch.float16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


class Storage(torch.Tensor):
    """A Torch7 storage: a vector over all of the memory that a tensor looks at.

    What is computed from it is a plain tensor.
    """

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]


def storage_of(x: torch.Tensor) -> Storage:
    """Return the storage of `x`, which shares its memory."""
    whole = torch.empty(0, dtype=x.dtype)
    memory = x.untyped_storage()
    whole.set_(memory, 0, (memory.nbytes() // x.element_size(),), (1,))
    return whole.as_subclass(Storage)


def long_storage(values: Sequence[int]) -> Storage:
    """Return the values as a torch.LongStorage, the type of sizes and strides."""
    return torch.tensor(list(values), dtype=torch.int64).as_subclass(Storage)


def type_name(x: torch.Tensor) -> str:
    """Return Torch7's name of the type: ``torch.DoubleTensor``, ``torch.LongStorage``."""
    kind = "Storage" if isinstance(x, Storage) else "Tensor"
    return f"torch.{_NAMES.get(x.dtype, str(x.dtype))}{kind}"


def dtype_of(name: str, cuda: torch.dtype) -> torch.dtype | None:
    """Return the dtype of the Torch7 type `name`; `cuda` is that of torch.CudaTensor."""
    short = name.removeprefix("torch.").removesuffix("Tensor").removesuffix("Storage")
    if short == "Cuda":
        return cuda
    return DTYPES.get(short.removeprefix("Cuda"))


def is_tensor(x: Any) -> bool:
    """Return whether `x` is a tensor and no storage."""
    return isinstance(x, torch.Tensor) and not isinstance(x, Storage)


def sizes_of(args: Sequence[Any]) -> list[int]:
    """Return the sizes in `args`: numbers, or one storage or list of numbers."""
    if len(args) == 1 and isinstance(args[0], torch.Tensor):
        return [int(n) for n in args[0].tolist()]
    if len(args) == 1 and isinstance(args[0], (list, tuple)):
        return [int(n) for n in args[0]]
    sizes = []
    for n in args:
        if isinstance(n, bool) or not isinstance(n, (int, float)):
            raise TypeError(f"expecting numbers or a LongStorage as sizes, got {describe(n)}")
        sizes.append(int(n))
    return sizes


def dim_of(x: torch.Tensor, dim: Any) -> int:
    """Return the dimension, counted from 0, that Lua counts from 1.

    Raises:
        IndexError: there is no such dimension.
    """
    if isinstance(dim, bool) or not isinstance(dim, (int, float)) or dim % 1:
        raise TypeError(f"expecting a dimension, a whole number, got {describe(dim)}")
    dims = max(x.dim(), 1)
    if not 1 <= dim <= dims:
        raise IndexError(f"dimension {int(dim)} out of range: the tensor has {dims}D")
    return int(dim) - 1


def index_of(n: Any, size: int, what: str = "index") -> int:
    """Return a place counted from 0; Lua's counts from 1, or from the end if it is negative.

    Raises:
        IndexError: there is no such place.
    """
    if isinstance(n, bool) or not isinstance(n, (int, float)):
        raise TypeError(f"expecting a number as {what}, got {describe(n)}")
    n = int(n)
    place = n - 1 if n > 0 else size + n
    if n == 0 or not 0 <= place < size:
        raise IndexError(f"{what} {n} out of bounds: there are {size}, counted from 1")
    return place


def describe(x: Any) -> str:
    """Return what `x` is, in Lua's terms, for an error message."""
    if isinstance(x, torch.Tensor):
        return f"{type_name(x)} of size {'x'.join(map(str, x.shape))}"
    if x is None:
        return "nil"
    if isinstance(x, bool):
        return "a boolean"
    if isinstance(x, (int, float)):
        return f"the number {x}"
    if isinstance(x, str):
        return f"the string {x!r}"
    return "a table" if isinstance(x, (list, tuple, dict)) else type(x).__name__


def number(x: torch.Tensor) -> float | int:
    """Return the value of a tensor of one element."""
    value: float | int = x.item()
    return int(value) if isinstance(value, bool) else value


def dimensions(x: torch.Tensor) -> int:
    """Return the number of dimensions; an empty tensor has none in Torch7."""
    return 0 if x.numel() == 0 and x.dim() == 1 else x.dim()
