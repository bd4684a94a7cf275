"""The element types of tensors and storages: their Torch7 classes and dtypes."""

from __future__ import annotations

import re
from typing import NamedTuple

import torch

_DTYPES = {
    "Byte": torch.uint8,
    "Char": torch.int8,
    "Short": torch.int16,
    "Int": torch.int32,
    "Long": torch.int64,
    "Half": torch.float16,
    "Float": torch.float32,
    "Double": torch.float64,
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()} | {torch.bool: "Byte"}
_CLASS = re.compile(rf"torch\.(Cuda)?({'|'.join(_DTYPES)})?(Tensor|Storage)\Z")


class ElementType(NamedTuple):
    """The class of a tensor or a storage.

    Attributes:
        name: the name of the elements in Torch7: ``Double``.
        is_cuda: whether the class is one of cutorch.
        is_storage: whether it is a storage.
    """

    name: str
    is_cuda: bool
    is_storage: bool

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the elements."""
        return _DTYPES[self.name]

    def item_size(self, long_size: int) -> int:
        """Return the size of an element in a binary file, in bytes."""
        return long_size if self.name == "Long" else self.dtype.itemsize

    @property
    def class_name(self) -> str:
        """The Torch7 class: ``torch.DoubleTensor``, ``torch.CudaTensor``."""
        elements = "" if self.is_cuda and self.name == "Float" else self.name
        cuda = "Cuda" if self.is_cuda else ""
        return f"torch.{cuda}{elements}{'Storage' if self.is_storage else 'Tensor'}"


def element_type(class_name: str) -> ElementType | None:
    """Return what the Torch7 class `class_name` is; None if it is no tensor and no storage."""
    match = _CLASS.match(class_name)
    if match is None or not (match[1] or match[2]):
        return None
    return ElementType(match[2] or "Float", bool(match[1]), match[3] == "Storage")


def type_of(dtype: torch.dtype, is_storage: bool = False) -> ElementType | None:
    """Return the class in which elements of `dtype` are written; None if there is none."""
    return ElementType(_NAMES[dtype], False, is_storage) if dtype in _NAMES else None
