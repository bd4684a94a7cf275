"""BinarySink and AsciiSink: numbers, strings and elements as bytes of a file."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO, Protocol

import numpy as np
import torch

from .binary import NUMBER, pair_type
from .elements import ElementType
from .errors import T7Error

_CHUNK = 1 << 16  # elements


class Sink(Protocol):
    """Where the writer writes."""

    def write_int(self, number: int) -> None:
        """Write an int."""

    def write_double(self, number: float) -> None:
        """Write a number."""

    def write_bytes(self, text: bytes) -> None:
        """Write the bytes of a string."""

    def write_longs(self, numbers: Sequence[int]) -> None:
        """Write longs."""

    def write_elements(self, kind: ElementType, elements: torch.Tensor) -> None:
        """Write the elements of a storage, (n,)."""

    def write_list(self, numbers: np.ndarray[Any, Any]) -> None:
        """Write the pairs of a list of numbers: their places, from 1, and they themselves."""


class BinarySink:
    """Writes binary files; `order` and `long_size` as in `BinarySource`."""

    def __init__(self, file: BinaryIO, order: str, long_size: int) -> None:
        self._write = file.write
        self.order = order
        self.long_size = long_size
        self._int = struct.Struct(f"{order}i")
        self._double = struct.Struct(f"{order}d")

    def write_int(self, number: int) -> None:
        """Write an int."""
        try:
            self._write(self._int.pack(number))
        except struct.error:
            raise T7Error(f"{number} does not fit into the format's 4 bytes") from None

    def write_double(self, number: float) -> None:
        """Write a number."""
        self._write(self._double.pack(number))

    def write_bytes(self, text: bytes) -> None:
        """Write the bytes of a string."""
        self._write(text)

    def write_longs(self, numbers: Sequence[int]) -> None:
        """Write longs."""
        code = "i" if self.long_size == 4 else "q"
        try:
            self._write(struct.pack(f"{self.order}{len(numbers)}{code}", *numbers))
        except struct.error:
            raise T7Error(f"{max(numbers, key=abs)} does not fit into a long") from None

    def write_list(self, numbers: np.ndarray[Any, Any]) -> None:
        """Write the pairs of a list of numbers: their places, from 1, and they themselves."""
        pairs = np.empty(len(numbers), pair_type(self.order))
        pairs["key"]["type"] = pairs["value"]["type"] = NUMBER
        pairs["key"]["number"] = np.arange(1, len(numbers) + 1)
        pairs["value"]["number"] = numbers
        self._write(pairs.tobytes())

    def write_elements(self, kind: ElementType, elements: torch.Tensor) -> None:
        """Write the elements of a storage, (n,)."""
        array = elements.numpy()
        item = kind.item_size(self.long_size)
        if item != array.itemsize and array.size:
            limits = np.iinfo(np.int32)
            if array.min() < limits.min or array.max() > limits.max:
                raise T7Error("an element of a LongStorage does not fit into 4 bytes")
        stored = np.dtype(f"{self.order}{array.dtype.kind}{item}")
        for start in range(0, array.size, _CHUNK):
            self._write(array[start : start + _CHUNK].astype(stored, copy=False).tobytes())


class AsciiSink:
    """Writes ascii files, with the digits that Torch7 writes."""

    def __init__(self, file: BinaryIO) -> None:
        self._write = file.write

    def write_int(self, number: int) -> None:
        """Write an int."""
        self._write(b"%d\n" % number)

    def write_double(self, number: float) -> None:
        """Write a number."""
        self._write(_decimal(number, 17).encode() + b"\n")

    def write_bytes(self, text: bytes) -> None:
        """Write the bytes of a string."""
        self._write(text + b"\n" if text else b"")

    def write_longs(self, numbers: Sequence[int]) -> None:
        """Write integers."""
        self.write_bytes(" ".join(map(str, numbers)).encode())

    def write_list(self, numbers: np.ndarray[Any, Any]) -> None:
        """Write the pairs of a list of numbers: their places, from 1, and they themselves."""
        texts = (
            f"{NUMBER}\n{_decimal(i, 17)}\n{NUMBER}\n{_decimal(number, 17)}\n"
            for i, number in enumerate(numbers.tolist(), 1)
        )
        self._write("".join(texts).encode())

    def write_elements(self, kind: ElementType, elements: torch.Tensor) -> None:
        """Write the elements of a storage, (n,)."""
        if kind.name in ("Byte", "Char"):
            self.write_bytes(elements.numpy().tobytes())
            return
        digits = 17 if kind.name == "Double" else 9
        for start in range(0, len(elements), _CHUNK):
            numbers = elements[start : start + _CHUNK].tolist()
            if kind.dtype.is_floating_point:
                texts = [_decimal(number, digits) for number in numbers]
            else:
                texts = list(map(str, numbers))
            self._write(b" " * bool(start) + " ".join(texts).encode())
        if len(elements):
            self._write(b"\n")


def _decimal(number: float, digits: int) -> str:
    """Return `number` as C's ``%.17g`` prints it; with the sign of a NaN, as glibc does."""
    if number != number:
        return "-nan" if math.copysign(1, number) < 0 else "nan"
    return f"{number:.{digits}g}"
