"""Records of what a file contains, as the parser leaves them for the builder.

A table may contain itself, and whether it becomes a list or a dict depends on all of its keys. So
the whole file is parsed into records first.
"""

from __future__ import annotations

from typing import Any

import torch

from .elements import ElementType
from .objects import Place


class Record:
    """An object that the file refers to by its index; the base of all records.

    Attributes:
        place: where it is in the file.
    """

    __slots__ = ("place",)

    def __init__(self, place: Place) -> None:
        self.place = place


class TableRecord(Record):
    """A table: its keys and values, in the file's order."""

    __slots__ = ("keys", "values")

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.keys: list[Any] = []
        self.values: list[Any] = []


class ObjectRecord(Record):
    """An object of a class; `payload` is the table of its fields."""

    __slots__ = ("class_name", "payload", "version")

    def __init__(self, place: Place, class_name: str, version: int) -> None:
        super().__init__(place)
        self.class_name = class_name
        self.version = version
        self.payload: Any = None


class StorageRecord(Record):
    """A storage with its elements."""

    __slots__ = ("elements", "kind")

    def __init__(self, place: Place, kind: ElementType) -> None:
        super().__init__(place)
        self.kind = kind
        self.elements: torch.Tensor | None = None


class TensorRecord(Record):
    """A tensor: a view of a storage. `first` counts from 0."""

    __slots__ = ("first", "kind", "size", "storage", "stride")

    def __init__(
        self, place: Place, kind: ElementType, size: list[int], stride: list[int], first: int
    ) -> None:
        super().__init__(place)
        self.kind = kind
        self.size = size
        self.stride = stride
        self.first = first
        self.storage: StorageRecord | None = None


class FunctionRecord(Record):
    """A function: its bytecode and upvalues."""

    __slots__ = ("code", "kind", "upvalues")

    def __init__(self, place: Place, code: bytes, kind: int) -> None:
        super().__init__(place)
        self.code = code
        self.kind = kind
        self.upvalues: Any = None
