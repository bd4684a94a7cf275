"""BinarySource: numbers, strings and elements in the bytes of a binary file."""

from __future__ import annotations

import os
import struct
from typing import Any

import numpy as np
import torch

from .elements import ElementType
from .errors import T7Error
from .numbers import as_numbers

_COPIED = 1 << 16  # storages of fewer bytes are copied into memory of their own
NUMBER = 1  # the format's type of numbers


def pair_type(order: str) -> np.dtype[Any]:
    """Return the bytes of a key and a value that are both numbers."""
    number = [("type", f"{order}i4"), ("number", f"{order}f8")]
    return np.dtype([("key", number), ("value", number)])


class BinarySource:
    """Reads a binary file from a buffer; every size is compared with the bytes that are left.

    Args:
        buffer: the bytes, which may be a mapped file.
        order: the byte order, ``"<"`` or ``">"``.
        long_size: the bytes of a long, 4 or 8.
        mapped: whether large storages may stay in `buffer`.
        file: the descriptor of the file that `buffer` maps, or None.

    Attributes:
        has_short_longs: with a `long_size` of 4, whether the longs that were read are that short;
            None if they do not tell.
    """

    pair_size = 8  # the smallest key and value, two nils

    def __init__(
        self, buffer: Any, order: str, long_size: int, mapped: bool, file: int | None = None
    ) -> None:
        self.buffer = buffer
        self.size = len(buffer)
        self.order = order
        self.long_size = long_size
        self.mapped = mapped
        self.file = file
        self.position = 0
        self.has_short_longs: bool | None = None
        self._int = struct.Struct(f"{order}i")
        self._double = struct.Struct(f"{order}d")
        self._pair = pair_type(order)

    def _take(self, size: int, what: str) -> int:
        """Return the position of the next `size` bytes and go past them."""
        start = self.position
        if size < 0 or size > self.size - start:
            left = self.size - start
            raise T7Error(f"{what} needs {size} bytes, {left} are left", start)
        self.position = start + size
        return start

    def read_int(self, what: str) -> int:
        """Return the next int; `what` names it in errors."""
        number: int = self._int.unpack_from(self.buffer, self._take(4, what))[0]
        return number

    def read_double(self) -> float:
        """Return the next double."""
        number: float = self._double.unpack_from(self.buffer, self._take(8, "a number"))[0]
        return number

    def read_bytes(self, size: int, what: str) -> bytes:
        """Return the next `size` bytes."""
        if size < 0:
            raise T7Error(f"{what} has the negative size {size}", self.position)
        start = self._take(size, what)
        return bytes(self.buffer[start : start + size])

    def read_longs(self, count: int, what: str) -> list[int]:
        """Return the next `count` longs."""
        start = self._take(count * self.long_size, what)
        code = "i" if self.long_size == 4 else "q"
        numbers = list(struct.unpack_from(f"{self.order}{count}{code}", self.buffer, start))
        if numbers and self.has_short_longs is None:
            self._look_behind(numbers[0], start)
        return numbers

    def _look_behind(self, first: int, start: int) -> None:
        """Decide by the 4 bytes after a long whether it has 4 bytes.

        They are zero if they are its upper half. So they are, too, if a 0 follows a short long, as
        may be in an empty tensor, whose only long is a 1, and in a storage.
        """
        behind = bytes(self.buffer[start + 4 : start + 8])
        if any(behind):
            self.has_short_longs = True
        elif first != 1:
            self.has_short_longs = False

    def read_elements(self, kind: ElementType, count: int) -> torch.Tensor:
        """Return the next `count` elements of a storage, (count,)."""
        item = kind.item_size(self.long_size)
        if count < 0:
            raise T7Error(f"a storage of {count} elements", self.position)
        start = self._take(count * item, f"a storage of {count} elements")
        if count == 0:
            return torch.empty(0, dtype=kind.dtype)
        if item != kind.dtype.itemsize or self.order == ">":
            code = np.dtype(str(kind.dtype).removeprefix("torch.")).kind
            stored = np.frombuffer(self.buffer, f"{self.order}{code}{item}", count, start)
            native = stored.astype(
                stored.dtype.newbyteorder("=").str[:2] + str(kind.dtype.itemsize)
            )
            return torch.from_numpy(native)
        if self.mapped and count * item >= _COPIED:
            return torch.frombuffer(self.buffer, dtype=kind.dtype, count=count, offset=start)
        # NumPy asks the system for large pages, which makes reading several times faster.
        array = np.empty(count * item, np.uint8)
        self._fill(memoryview(array.data), start)
        return torch.from_numpy(array).view(kind.dtype)

    def _fill(self, memory: memoryview, start: int) -> None:
        """Copy the bytes from `start` on into `memory`."""
        if self.file is None or len(memory) < _COPIED:
            memory[:] = self.buffer[start : start + len(memory)]
            return
        done = 0
        while done < len(memory):  # one call reads at most 2 GB
            size = os.preadv(self.file, [memory[done:]], start + done)
            if not size:
                raise T7Error("the file has become shorter while it was read", start + done)
            done += size

    def read_number_pairs(self, count: int) -> tuple[list[Any], list[Any]]:
        """Return the keys and values of the next pairs, at most `count`, that are all numbers."""
        keys: list[int | float] = []
        values: list[int | float] = []
        chunk = 64
        while len(keys) < count:
            chunk = min(2 * chunk, count - len(keys), (self.size - self.position) // 24)
            if not chunk:
                break
            pairs = np.frombuffer(self.buffer, self._pair, chunk, self.position)
            wrong = (pairs["key"]["type"] != NUMBER) | (pairs["value"]["type"] != NUMBER)
            good = int(wrong.argmax()) if wrong.any() else chunk
            keys += as_numbers(pairs["key"]["number"][:good])
            values += as_numbers(pairs["value"]["number"][:good])
            self.position += 24 * good
            if good < chunk:
                break
        return keys, values
