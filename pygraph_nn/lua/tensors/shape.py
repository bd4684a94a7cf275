"""Sizes, views, copies and memory of tensors."""

from __future__ import annotations

from typing import Any

import torch

from .registry import FUNCTIONS, METHODS, both, function, method
from .types import (
    Storage,
    describe,
    dim_of,
    dimensions,
    is_tensor,
    long_storage,
    sizes_of,
    storage_of,
)


@method("size")
def size(x: torch.Tensor, dim: int | None = None) -> Any:
    """Return the sizes, a LongStorage, or the size of one dimension."""
    if isinstance(x, Storage):
        return len(x)
    if dim is None:
        return long_storage(x.shape if dimensions(x) else ())
    return x.shape[dim_of(x, dim)]


@method("stride")
def stride(x: torch.Tensor, dim: int | None = None) -> Any:
    """Return the strides, a LongStorage, or the stride of one dimension."""
    return long_storage(x.stride()) if dim is None else x.stride(dim_of(x, dim))


METHODS["dim"] = METHODS["nDimension"] = dimensions
METHODS["nElement"] = METHODS["numel"] = FUNCTIONS["numel"] = torch.Tensor.numel
METHODS["storageOffset"] = lambda x: x.storage_offset() + 1
METHODS["storage"] = storage_of
METHODS["isContiguous"] = torch.Tensor.is_contiguous
METHODS["elementSize"] = torch.Tensor.element_size
METHODS["isSameSizeAs"] = lambda x, y: x.shape == y.shape
METHODS["isSize"] = lambda x, sizes: list(x.shape) == sizes_of([sizes])


@method("isSetTo")
def is_set_to(x: torch.Tensor, y: torch.Tensor) -> bool:
    """Return whether two tensors look at the same memory in the same way."""
    return x.is_set_to(y)


@method("contiguous")
def contiguous(x: torch.Tensor) -> torch.Tensor:
    """Return the tensor, or a copy whose elements lie in order."""
    return x.contiguous()


@both("clone")
def clone(x: torch.Tensor) -> torch.Tensor:
    """Return a copy."""
    return x.detach().clone(memory_format=torch.contiguous_format)


@method("copy")
def copy(x: torch.Tensor, y: Any) -> torch.Tensor:
    """Copy the elements of a tensor of as many elements."""
    if isinstance(y, (list, tuple)):
        y = torch.tensor(y, dtype=x.dtype)
    if x.shape != y.shape:
        if x.numel() != y.numel():
            raise ValueError(f"copy: sizes do not match: {describe(y)} into {describe(x)}")
        y = y.reshape(x.shape)
    return x.copy_(y)


@method("fill")
def fill(x: torch.Tensor, value: Any) -> torch.Tensor:
    """Fill with a number."""
    return x.fill_(value)


FUNCTIONS["fill"] = fill


@both("zero")
def zero(x: torch.Tensor) -> torch.Tensor:
    """Fill with zeros."""
    return x.zero_()


@method("resize")
def resize(x: torch.Tensor, *sizes: Any) -> torch.Tensor:
    """Resize in place."""
    if len(sizes) == 2 and isinstance(sizes[0], Storage) and isinstance(sizes[1], Storage):
        return x.as_strided_(sizes_of(sizes[:1]), sizes_of(sizes[1:]))
    return resized(x, sizes_of(sizes))


def resized(x: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    """Resize `x` in place, keeping its elements; new ones are zero, not what memory held."""
    if list(x.shape) == sizes and x.is_contiguous():
        return x
    needed = 1
    for n in sizes:
        needed *= n
    capacity = x.untyped_storage().nbytes() // x.element_size() - x.storage_offset()
    if isinstance(x, Storage):
        plain = x.as_subclass(torch.Tensor)
        plain.resize_(sizes)
        x.set_(plain)  # type: ignore[call-overload]
        return x
    x.resize_(sizes)
    if needed > capacity:
        x.view(-1)[max(capacity, 0) :].zero_()
    return x


@method("resizeAs")
def resize_as(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Resize in place to the sizes of another tensor."""
    return resized(x, list(y.shape))


@method("set")
def set_(x: torch.Tensor, source: torch.Tensor | None = None, *more: Any) -> torch.Tensor:
    """Look at the memory of another tensor or of a storage."""
    if source is None:
        return x.set_()  # type: ignore[call-overload]
    if source.dtype != x.dtype:
        raise TypeError(f"set: {describe(source)} for {describe(x)}, which has another type")
    if not isinstance(source, Storage):
        return x.set_(source.detach())  # type: ignore[call-overload]
    memory = source.untyped_storage()
    offset = int(more[0]) - 1 if more else 0
    if len(more) < 2:
        sizes, strides = [len(source) - offset], [1]
    elif isinstance(more[1], torch.Tensor):
        sizes = sizes_of(more[1:2])
        strides = sizes_of(more[2:3]) if len(more) > 2 else _strides(sizes)
    else:  # size, stride, size, stride, ...
        sizes = [int(n) for n in more[1::2]]
        strides = [int(n) for n in more[2::2]]
        if len(strides) < len(sizes) or any(n < 0 for n in strides):
            strides = _strides(sizes)
    return x.set_(memory, offset, sizes, strides)


def _strides(sizes: list[int]) -> list[int]:
    strides, step = [], 1
    for n in reversed(sizes):
        strides.append(step)
        step *= n
    return strides[::-1]


@method("view")
def view(x: torch.Tensor, *sizes: Any) -> torch.Tensor:
    """Return a tensor of other sizes over the same memory."""
    if sizes and is_tensor(sizes[0]):  # result:view(x, sizes)
        return x.set_(view(*sizes))  # type: ignore[call-overload]
    return x.view(sizes_of(sizes))


FUNCTIONS["view"] = view


@method("viewAs")
def view_as(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return a tensor of the sizes of another over the same memory."""
    return x.view(y.shape)


@both("reshape")
def reshape(x: torch.Tensor, *sizes: Any) -> torch.Tensor:
    """Return a copy with other sizes."""
    return x.reshape(sizes_of(sizes)).clone()


@both("expand")
def expand(x: torch.Tensor, *sizes: Any) -> torch.Tensor:
    """Repeat dimensions of size 1 without copying."""
    return x.expand(sizes_of(sizes))


@both("expandAs")
def expand_as(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Repeat dimensions of size 1 up to the sizes of another tensor."""
    return x.expand_as(y)


@both("repeatTensor")
def repeat_tensor(x: torch.Tensor, *times: Any) -> torch.Tensor:
    """Return a tensor of repeated copies."""
    return x.repeat(sizes_of(times))


@both("t")
def t(x: torch.Tensor) -> torch.Tensor:
    """Return the transposed matrix."""
    return x.t()


@both("transpose")
def transpose(x: torch.Tensor, a: int, b: int) -> torch.Tensor:
    """Swap two dimensions."""
    return x.transpose(dim_of(x, a), dim_of(x, b))


@both("permute")
def permute(x: torch.Tensor, *dims: int) -> torch.Tensor:
    """Reorder the dimensions."""
    return x.permute([dim_of(x, d) for d in dims])


@both("squeeze")
def squeeze(x: torch.Tensor, dim: int | None = None) -> Any:
    """Drop dimensions of size 1."""
    y = x.squeeze() if dim is None else x.squeeze(dim_of(x, dim))
    if y.dim() == 0:  # Torch7 has no tensors without dimensions
        return y.item() if dim is None else y.reshape(1)
    return y


@both("unsqueeze")
def unsqueeze(x: torch.Tensor, dim: int) -> torch.Tensor:
    """Add a dimension of size 1."""
    return x.unsqueeze(int(dim) - 1)


@both("unfold")
def unfold(x: torch.Tensor, dim: int, length: int, step: int) -> torch.Tensor:
    """Return all windows along a dimension."""
    return x.unfold(dim_of(x, dim), int(length), int(step))


@both("split")
def split(x: torch.Tensor, length: int, dim: int = 1) -> list[torch.Tensor]:
    """Return the parts of a length along a dimension."""
    return list(x.split(int(length), dim_of(x, dim)))


@both("chunk")
def chunk(x: torch.Tensor, count: int, dim: int = 1) -> list[torch.Tensor]:
    """Return a number of parts along a dimension."""
    return list(x.chunk(int(count), dim_of(x, dim)))


@both("cat")
def cat(*args: Any) -> torch.Tensor:
    """Join tensors along a dimension."""
    tensors: list[torch.Tensor] = []
    dim, result = None, None
    for i, arg in enumerate(args):
        if isinstance(arg, (list, tuple)):
            result = args[0] if i == 1 else None
            tensors = list(arg)
        elif is_tensor(arg):
            tensors.append(arg)
        else:
            dim = arg
    if result is None and len(tensors) == 3 and is_tensor(args[0]):
        result, tensors = tensors[0], tensors[1:]
    tensors = [x for x in tensors if x.numel()] or tensors[:1]
    place = tensors[0].dim() - 1 if dim is None else dim_of(tensors[0], dim)
    value = torch.cat(tensors, place)
    return value if result is None else result.resize_(value.shape).copy_(value)


@both("diag")
def diag(x: torch.Tensor, k: int = 0) -> torch.Tensor:
    """Return a diagonal, or a matrix with one."""
    return torch.diag(x, int(k)).clone()


@both("tril")
def tril(x: torch.Tensor, k: int = 0) -> torch.Tensor:
    """Return the lower triangle."""
    return torch.tril(x, int(k))


@both("triu")
def triu(x: torch.Tensor, k: int = 0) -> torch.Tensor:
    """Return the upper triangle."""
    return torch.triu(x, int(k))


@method("totable", "toTable")
def totable(x: torch.Tensor) -> Any:
    """Return the elements as nested tables."""
    return x.tolist()


@method("string")
def string(x: torch.Tensor, text: str | None = None) -> Any:
    """Return the text of a storage of bytes, or set it."""
    if text is None:
        return bytes(b % 256 for b in x.tolist()).decode("latin-1")
    data = torch.tensor(list(text.encode("latin-1")), dtype=torch.uint8).to(x.dtype)
    resized(x, [len(data)]).copy_(data)
    return x


@function("isTensor")
def is_a_tensor(x: Any) -> bool:
    """Return whether a value is a tensor."""
    return is_tensor(x)


@function("isStorage")
def is_a_storage(x: Any) -> bool:
    """Return whether a value is a storage."""
    return isinstance(x, Storage)
