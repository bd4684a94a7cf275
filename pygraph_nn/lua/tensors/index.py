"""Reading and writing parts of tensors: ``x[i]``, ``x[{i, {a, b}}]``, masks, `narrow`."""

from __future__ import annotations

from typing import Any

import torch

from .registry import FUNCTIONS, METHODS, both, method
from .types import Storage, describe, dim_of, index_of, is_tensor, number

_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class _LastVector:
    """The vector that was read or written last, as a NumPy array, for loops over elements."""

    tensor: Any = None
    pointer = 0
    array: Any = None


_last = _LastVector()


def _array(x: torch.Tensor) -> Any:
    if x is _last.tensor and x.data_ptr() == _last.pointer and len(_last.array) == len(x):
        return _last.array
    if x.requires_grad or x.layout is not torch.strided:
        return None
    _last.tensor, _last.pointer, _last.array = x, x.data_ptr(), x.numpy()
    return _last.array


def forget_last() -> None:
    """Let go of the tensor that was read last."""
    _last.tensor = _last.array = None


def get(x: torch.Tensor, key: Any) -> Any:
    """Return ``x[key]``: a number, or a tensor that shares the memory of `x`."""
    if type(key) is int or type(key) is float:
        if x.dim() == 1:
            array = _array(x)
            place = index_of(key, len(x))
            return array[place].item() if array is not None else number(x[place])
        return x.select(0, index_of(key, x.shape[0] if x.numel() else 0))
    if is_tensor(key):
        return _masked_select(x, key)
    part, _ = _part(x, key)
    return part if part.dim() else number(part)


def put(x: torch.Tensor, key: Any, value: Any) -> None:
    """Set ``x[key]`` to a number, or to the values of a tensor."""
    if type(key) is int or type(key) is float:
        if x.dim() == 1:
            place = index_of(key, len(x))
            if isinstance(value, torch.Tensor):
                value = number(value) if value.numel() == 1 else _refuse(x, value)
            array = _array(x)
            try:
                if array is not None:
                    array[place] = value
                    return
            except OverflowError:
                value = int(value) % 256 if x.dtype is torch.uint8 else value
            x[place] = value
            return
        part = x.select(0, index_of(key, x.shape[0] if x.numel() else 0))
    elif is_tensor(key):
        if is_tensor(value):
            METHODS["maskedCopy"](x, key, value)
        else:
            x.masked_fill_(_mask(key), value)
        return
    else:
        part, _ = _part(x, key)
    if isinstance(value, torch.Tensor):
        if value.numel() != part.numel():
            _refuse(part, value)
        part.copy_(value.reshape(part.shape))
    elif isinstance(value, (int, float)):
        part.fill_(value)
    else:
        raise TypeError(f"expecting a number or a tensor as value, got {describe(value)}")


def _refuse(part: torch.Tensor, value: torch.Tensor) -> Any:
    raise ValueError(f"sizes do not match: {describe(value)} for {describe(part)}")


def _part(x: torch.Tensor, key: Any) -> tuple[torch.Tensor, int]:
    if isinstance(key, Storage):
        key = key.tolist()
    if isinstance(key, dict) and not key:
        key = []
    if not isinstance(key, (list, tuple)):
        raise TypeError(
            f"expecting a number, a table or a ByteTensor as index, got {describe(key)}"
        )
    if len(key) > x.dim():
        raise IndexError(f"{len(key)} indices for a tensor with {x.dim()} dimensions")
    dim = 0
    for entry in key:
        size = x.shape[dim]
        if isinstance(entry, (int, float)):
            x = x.select(dim, index_of(entry, size))
            continue
        bounds = list(entry) if isinstance(entry, (list, tuple)) else []
        if bounds:
            first = index_of(bounds[0], size)
            last = index_of(bounds[-1], size)
            if last < first:
                raise IndexError(f"empty range {{{bounds[0]}, {bounds[-1]}}} of {size}")
            x = x.narrow(dim, first, last - first + 1)
        dim += 1
    return x, dim


@both("narrow")
def narrow(x: torch.Tensor, dim: int, first: int, size: int) -> torch.Tensor:
    """Return a part along a dimension: `size` elements from `first`."""
    dim = dim_of(x, dim)
    first, size = int(first), int(size)
    if first < 1 or size < 1 or first - 1 + size > x.shape[dim]:
        raise IndexError(f"narrow: {size} from {first} out of range: there are {x.shape[dim]}")
    return x.narrow(dim, first - 1, size)


@both("sub")
def sub(x: torch.Tensor, *bounds: int) -> torch.Tensor:
    """Return the part between pairs of first and last index, one for each dimension."""
    for dim in range(len(bounds) // 2):
        first = index_of(bounds[2 * dim], x.shape[dim])
        last = index_of(bounds[2 * dim + 1], x.shape[dim])
        if last < first:
            raise IndexError(f"sub: empty range {bounds[2 * dim]}..{bounds[2 * dim + 1]}")
        x = x.narrow(dim, first, last - first + 1)
    return x


@both("select")
def select(x: torch.Tensor, dim: int, index: int) -> Any:
    """Return the slice at an index of a dimension."""
    dim = dim_of(x, dim)
    part = x.select(dim, index_of(index, x.shape[dim]))
    return part if part.dim() else number(part)


def _indices(index: torch.Tensor, size: int) -> torch.Tensor:
    index = index.long().reshape(-1)
    if index.numel() and not (int(index.min()) >= 1 and int(index.max()) <= size):
        raise IndexError(
            f"index out of range: {int(index.min())}..{int(index.max())}, but there are {size}, "
            "counted from 1"
        )
    return index - 1


@both("index")
def index(x: torch.Tensor, *args: Any) -> torch.Tensor:
    """Return a copy of the slices at `indices`."""
    if is_tensor(args[0]):  # result:index(x, dim, indices)
        source, dim, where = args
        value = index(source, dim, where)
        x.resize_(value.shape).copy_(value)
        return x
    dim, where = args
    dim = dim_of(x, dim)
    return x.index_select(dim, _indices(where, x.shape[dim]))


@method("indexCopy")
def index_copy(x: torch.Tensor, dim: int, where: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Copy the slices of a tensor to `indices`."""
    dim = dim_of(x, dim)
    return x.index_copy_(dim, _indices(where, x.shape[dim]), y)


@method("indexAdd")
def index_add(x: torch.Tensor, dim: int, where: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Add the slices of a tensor at `indices`."""
    dim = dim_of(x, dim)
    return x.index_add_(dim, _indices(where, x.shape[dim]), y)


@method("indexFill")
def index_fill(x: torch.Tensor, dim: int, where: torch.Tensor, value: float) -> torch.Tensor:
    """Fill the slices at `indices` with a number."""
    dim = dim_of(x, dim)
    return x.index_fill_(dim, _indices(where, x.shape[dim]), value)


@both("gather")
def gather(x: torch.Tensor, dim: int, where: torch.Tensor) -> torch.Tensor:
    """Return the elements at indices along a dimension."""
    dim = dim_of(x, dim)
    return x.gather(dim, _indices(where, x.shape[dim]).view(where.shape))


@method("scatter")
def scatter(x: torch.Tensor, dim: int, where: torch.Tensor, value: Any) -> torch.Tensor:
    """Write elements to indices along a dimension."""
    dim = dim_of(x, dim)
    return x.scatter_(dim, _indices(where, x.shape[dim]).view(where.shape), value)


def _mask(mask: torch.Tensor) -> torch.Tensor:
    if mask.dtype not in _INTEGERS:
        raise TypeError(f"expecting a ByteTensor as mask, got {describe(mask)}")
    return mask.bool()


def _masked_select(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return x.masked_select(_mask(mask).view(x.shape))


@method("maskedSelect")
def masked_select(x: torch.Tensor, *args: Any) -> torch.Tensor:
    """Return the elements where a mask is not 0."""
    if len(args) == 2:
        value = _masked_select(*args)
        return x.resize_(value.shape).copy_(value)
    return _masked_select(x, *args)


FUNCTIONS["maskedSelect"] = METHODS["maskedSelect"]


@method("maskedFill")
def masked_fill(x: torch.Tensor, mask: torch.Tensor, value: float) -> torch.Tensor:
    """Fill the elements where a mask is not 0."""
    return x.masked_fill_(_mask(mask).view(x.shape), value)


@method("maskedCopy")
def masked_copy(x: torch.Tensor, mask: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Copy elements to the places where a mask is not 0."""
    return x.masked_scatter_(_mask(mask).view(x.shape), y)
