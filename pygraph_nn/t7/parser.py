"""Parser: the bytes of a file to records, without recursion and without running anything."""

from __future__ import annotations

import math
import re
from typing import Any, Protocol

import torch

from .binary import NUMBER
from .elements import ElementType, element_type
from .errors import Part, T7Error, shortened
from .numbers import as_number
from .objects import Place
from .records import (
    FunctionRecord,
    ObjectRecord,
    Record,
    StorageRecord,
    TableRecord,
    TensorRecord,
)

NIL, STRING, TABLE, OBJECT, BOOLEAN = 0, 2, 3, 4, 5
OLD_FUNCTION, LEGACY_FUNCTION, FUNCTION = 6, 7, 8

_VERSION = re.compile(rb"V ([0-9]{1,9})\Z")
_MOST_DIMENSIONS = 64
_LONGEST_CLASS_NAME = 1000
_MANY = 32  # a table of this many pairs may hold numbers alone
_UNREAD: Any = object()


class Source(Protocol):
    """Where the parser reads: `BinarySource` or `AsciiSource`."""

    position: int
    size: int
    pair_size: int
    order: str
    long_size: int

    def read_int(self, what: str) -> int:
        """Return the next int; `what` names it in errors."""

    def read_double(self) -> float:
        """Return the next number."""

    def read_bytes(self, size: int, what: str) -> bytes:
        """Return the next `size` bytes."""

    def read_longs(self, count: int, what: str) -> list[int]:
        """Return the next `count` longs."""

    def read_elements(self, kind: ElementType, count: int) -> torch.Tensor:
        """Return the next `count` elements of a storage, (count,)."""

    def read_number_pairs(self, count: int) -> tuple[list[Any], list[Any]]:
        """Return the keys and values of the next pairs, at most `count`, that are all numbers."""


class Parser:
    """Reads one object of `source` into records.

    Args:
        source: the file.
        referenced: whether the file refers to objects that occurred before. If not, each index is
            followed by the object itself.

    Attributes:
        records: all records, in the order in which they start in the file.
    """

    def __init__(self, source: Source, referenced: bool = True) -> None:
        self.source = source
        self.referenced = referenced
        self.records: list[Record] = []
        self._by_index: dict[int, Record] = {}
        # The records that are not complete: with the number of pairs or values that they lack.
        self._open: list[tuple[Record, int]] = []

    def parse(self) -> Any:
        """Return the object: a Python value or a record.

        Raises:
            T7Error: The file is damaged.
        """
        try:
            while True:
                value = self._start()
                while value is not _UNREAD and self._open:
                    value = self._give(value)
                if value is not _UNREAD:
                    return value
        except T7Error as error:
            raise error.inside(self._next_place().path) from None

    # Where the parser is

    def _next_place(self) -> Place:
        """Return the place of the value that comes next."""
        if not self._open:
            return Place(self.source.position)
        record, _ = self._open[-1]
        if isinstance(record, TableRecord):
            if len(record.keys) > len(record.values):
                return Place(self.source.position, record.keys[-1], record.place)
            key = Part(f"<key {len(record.keys) + 1}>")
            return Place(self.source.position, key, record.place)
        if isinstance(record, ObjectRecord):  # its fields are at the place of the object
            return Place(self.source.position, record.place.key, record.place.outer)
        part = Part("<storage>" if isinstance(record, TensorRecord) else "<upvalues>")
        return Place(self.source.position, part, record.place)

    # Reading a value

    def _start(self) -> Any:
        """Return the next value, or `_UNREAD` if it is a record that is now open."""
        source = self.source
        start = source.position
        kind = source.read_int("a type")
        if kind == NUMBER:
            return as_number(source.read_double())
        if kind == STRING:
            return as_text(source.read_bytes(source.read_int("a string's size"), "a string"))
        if kind == NIL:
            return None
        if kind == BOOLEAN:
            truth = source.read_int("a boolean")
            if truth not in (0, 1):
                raise T7Error(f"expecting a boolean, 0 or 1, got {truth}", start)
            return truth == 1
        if kind == OLD_FUNCTION:
            return self._enter(self._function(kind, start), 1)
        if kind not in (TABLE, OBJECT, LEGACY_FUNCTION, FUNCTION):
            raise T7Error(f"there is no type {kind}; types are 0 to 8", start)
        index = source.read_int("an index")
        if self.referenced and index in self._by_index:
            return self._reference(kind, index, start)
        if kind == TABLE:
            return self._table(index, start)
        if kind == OBJECT:
            return self._object(index, start)
        return self._enter(self._function(kind, start), 1, index)

    def _enter(self, record: Record, lacking: int, index: int | None = None) -> Any:
        """Register `record`; return it if it is complete, else leave it open."""
        self.records.append(record)
        if index is not None:
            self._by_index[index] = record
        if not lacking:
            return record
        self._open.append((record, lacking))
        return _UNREAD

    def _reference(self, kind: int, index: int, start: int) -> Record:
        record = self._by_index[index]
        types = {TABLE: TableRecord, FUNCTION: FunctionRecord, LEGACY_FUNCTION: FunctionRecord}
        expected = types.get(kind, (ObjectRecord, TensorRecord, StorageRecord))
        if not isinstance(record, expected):
            name = type(record).__name__.removesuffix("Record").lower()
            raise T7Error(f"type {kind} refers to object {index}, which is a {name}", start)
        return record

    def _function(self, kind: int, start: int) -> FunctionRecord:
        place = self._placed(start)
        size = self.source.read_int("a function's size")
        return FunctionRecord(place, self.source.read_bytes(size, "a function"), kind)

    def _placed(self, start: int) -> Place:
        place = self._next_place()
        return Place(start, place.key, place.outer)

    def _table(self, index: int, start: int) -> Any:
        source = self.source
        record = TableRecord(self._placed(start))
        count = source.read_int("a table's size")
        if not 0 <= count <= (source.size - source.position) // source.pair_size:
            left = source.size - source.position
            raise T7Error(f"a table of {count} pairs, {left} bytes are left", start)
        if count >= _MANY:
            record.keys, record.values = source.read_number_pairs(count)
        self._check_keys(record.keys)
        return self._enter(record, count - len(record.keys), index)

    def _object(self, index: int, start: int) -> Any:
        source = self.source
        place = self._placed(start)
        version, name = self._header()
        kind = element_type(name)
        if kind is None:
            return self._enter(ObjectRecord(place, name, version), 1, index)
        if kind.is_storage:
            storage = StorageRecord(place, kind)
            self._enter(storage, 0, index)
            storage.elements = source.read_elements(kind, source.read_longs(1, "a size")[0])
            return storage
        dimensions = source.read_int("a number of dimensions")
        if not 0 <= dimensions <= _MOST_DIMENSIONS:
            raise T7Error(f"a tensor of {dimensions} dimensions", start)
        size = source.read_longs(dimensions, "the sizes of a tensor")
        stride = source.read_longs(dimensions, "the strides of a tensor")
        first = source.read_longs(1, "the offset of a tensor")[0] - 1
        for what, numbers in (("size", size), ("stride", stride), ("offset", [first])):
            if min(numbers, default=0) < 0:
                raise T7Error(f"a tensor with the {what} {min(numbers)}, counted from 0", start)
        return self._enter(TensorRecord(place, kind, size, stride, first), 1, index)

    def _header(self) -> tuple[int, str]:
        """Return the version and the class name of an object."""
        start = self.source.position
        text = self._short_text("a class name")
        match = _VERSION.match(text)
        if match:
            text = self._short_text("a class name")
        try:
            name = text.decode()
        except UnicodeDecodeError:
            raise T7Error(f"a class name that is no text: {shortened(repr(text))}", start) from None
        if not name or not name.isprintable():
            raise T7Error(f"a class name that is no text: {shortened(repr(name))}", start)
        return int(match[1]) if match else 0, name

    def _short_text(self, what: str) -> bytes:
        start = self.source.position
        size = self.source.read_int(f"the size of {what}")
        if size > _LONGEST_CLASS_NAME:
            raise T7Error(f"{what} of {size} bytes", start)
        return self.source.read_bytes(size, what)

    # Giving a value to what contains it

    def _give(self, value: Any) -> Any:
        """Give `value` to the innermost open record; return that record if it is complete."""
        record, lacking = self._open[-1]
        if isinstance(record, TableRecord):
            if len(record.keys) == len(record.values):
                self._check_key(value)
                record.keys.append(value)
                return _UNREAD
            record.values.append(value)
            if lacking > 1:
                self._open[-1] = record, lacking - 1
                return _UNREAD
        elif isinstance(record, ObjectRecord):
            if not isinstance(value, TableRecord):
                problem = f"{record.class_name} is not followed by a table of its fields"
                raise T7Error(problem, record.place.offset)
            record.payload = value
        elif isinstance(record, TensorRecord):
            self._check_view(record, value)
            record.storage = value
        elif isinstance(record, FunctionRecord):
            record.upvalues = value
        self._open.pop()
        return record

    def _check_key(self, key: Any) -> None:
        if key is None or key != key:  # nil and NaN
            raise T7Error(f"a table with the key {'nil' if key is None else key}", self._offset())

    def _check_keys(self, keys: list[Any]) -> None:
        for key in keys if any(map(math.isnan, keys)) else ():
            self._check_key(key)

    def _offset(self) -> int:
        return self.source.position

    def _check_view(self, tensor: TensorRecord, storage: Any) -> None:
        """Check that `tensor` is a view of elements that `storage` has."""
        start = tensor.place.offset
        elements = 0
        if storage is not None:
            if not isinstance(storage, StorageRecord) or storage.kind.name != tensor.kind.name:
                raise T7Error(f"a {tensor.kind.class_name} without a storage of its type", start)
            elements = 0 if storage.elements is None else storage.elements.numel()
        if not tensor.size or 0 in tensor.size:
            return
        pairs = zip(tensor.size, tensor.stride, strict=True)
        last = tensor.first + sum((size - 1) * stride for size, stride in pairs)
        if last >= elements:
            raise T7Error(
                f"a tensor of sizes {tensor.size}, strides {tensor.stride} and offset "
                f"{tensor.first} reaches element {last} of a storage of {elements}",
                start,
            )
        count = 1
        for size in tensor.size:
            count *= size
        if count >= 2**62:
            raise T7Error(f"a tensor of {count} elements", start)


def as_text(text: bytes) -> str | bytes:
    """Return a Lua string: bytes if it is not UTF-8."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text
