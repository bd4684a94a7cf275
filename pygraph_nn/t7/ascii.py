"""AsciiSource: numbers, strings and elements in the text of an ascii file."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch

from .elements import ElementType
from .errors import T7Error, shortened
from .numbers import as_numbers

_TOKEN = re.compile(rb"[ \t\r\n]*([^ \t\r\n]{1,400})(?=[ \t\r\n]|\Z)")
_INTEGER = re.compile(rb"[+-]?[0-9]{1,20}\Z")
_NUMBER = re.compile(rb"[+-]?([0-9.][0-9.eE+-]*|nan|inf)\Z", re.IGNORECASE)
_CHUNK = 1 << 20
_RAW = ("Byte", "Char")  # written as they are, also in ascii


class AsciiSource:
    """Reads an ascii file from a buffer; `BinarySource` documents the methods."""

    pair_size = 4  # the smallest key and value, two nils
    long_size = 8
    order = "ascii"

    def __init__(self, buffer: Any) -> None:
        self.buffer = buffer
        self.size = len(buffer)
        self.position = 0

    def _token(self, what: str) -> bytes:
        match = _TOKEN.match(self.buffer, self.position)
        if match is None:
            raise T7Error(f"{what} is missing", self.position)
        self.position = match.end()
        return match[1]

    def _end_line(self) -> None:
        """Go past the newline that Torch7 writes; more digits might follow where a file was cut."""
        if self.position >= self.size:
            raise T7Error("the last line has no end", self.position)
        if self.buffer[self.position : self.position + 1] == b"\n":
            self.position += 1

    def _integer(self, what: str) -> int:
        start, token = self.position, self._token(what)
        if not _INTEGER.match(token):
            raise T7Error(f"{what}: expecting an integer, got {_quoted(token)}", start)
        return int(token)

    def read_int(self, what: str) -> int:
        """Return the next int."""
        number = self._integer(what)
        self._end_line()
        return number

    def read_double(self) -> float:
        """Return the next double."""
        start, token = self.position, self._token("a number")
        self._end_line()
        return _float(token, start)

    def read_bytes(self, size: int, what: str) -> bytes:
        """Return the next `size` bytes."""
        if size < 0:
            raise T7Error(f"{what} has the negative size {size}", self.position)
        if size > self.size - self.position:
            left = self.size - self.position
            raise T7Error(f"{what} needs {size} bytes, {left} are left", self.position)
        text = bytes(self.buffer[self.position : self.position + size])
        self.position += size
        if size:
            self._end_line()
        return text

    def _expect_room(self, count: int, what: str) -> None:
        # Each number takes a digit and, but for the last, a space.
        if count < 0 or count > (self.size - self.position + 1) // 2:
            left = self.size - self.position
            raise T7Error(f"{what} of {count} numbers, {left} bytes are left", self.position)

    def read_longs(self, count: int, what: str) -> list[int]:
        """Return the next `count` integers."""
        self._expect_room(count, what)
        numbers = [self._integer(what) for _ in range(count)]
        if count:
            self._end_line()
        return numbers

    def read_elements(self, kind: ElementType, count: int) -> torch.Tensor:
        """Return the next `count` elements of a storage, (count,)."""
        if kind.name in _RAW:
            start = self.position
            raw = bytearray(self.read_bytes(count, f"a storage of {count} elements"))
            if not raw:
                return torch.empty(0, dtype=kind.dtype)
            if len(raw) != count:
                raise T7Error(f"a storage of {count} elements", start)
            return torch.frombuffer(raw, dtype=kind.dtype)
        self._expect_room(count, "a storage")
        elements = torch.empty(count, dtype=kind.dtype)
        done = 0
        while done < count:
            numbers = self._numbers(kind, min(count - done, _CHUNK // 8))
            elements[done : done + len(numbers)] = numbers
            done += len(numbers)
        if count:
            self._end_line()
        return elements

    def _numbers(self, kind: ElementType, count: int) -> torch.Tensor:
        """Return at least one and at most `count` of the next numbers, of one line if possible."""
        is_float = kind.dtype.is_floating_point
        window = bytes(self.buffer[self.position : self.position + _CHUNK])
        newline = window.find(b"\n")
        line = window if newline < 0 else window[:newline]
        tokens = line.split(b" ")
        whole = newline >= 0 or self.position + len(window) == self.size
        tokens = tokens if whole else tokens[:-1]
        start, tokens = self.position, tokens[:count]
        if tokens and all(tokens):
            self.position += sum(map(len, tokens)) + len(tokens) - 1
        else:  # spaced in another way
            tokens = [self._token("an element of a storage") for _ in range(count)]
        try:
            if is_float:
                numbers = [_float(token, start) for token in tokens]
                return torch.from_numpy(np.array(numbers)).to(kind.dtype)
            for token in tokens:
                if not _INTEGER.match(token):
                    raise T7Error(f"expecting an integer, got {_quoted(token)}", start)
            info = torch.iinfo(kind.dtype)
            integers = [int(token) for token in tokens]
            if min(integers) < info.min or max(integers) > info.max:
                raise T7Error(f"a number is too large for {kind.dtype}", start)
            return torch.tensor(integers, dtype=kind.dtype)
        finally:
            if self.position < self.size and self.buffer[self.position : self.position + 1] == b" ":
                self.position += 1

    def read_number_pairs(self, count: int) -> tuple[list[Any], list[Any]]:
        """Return the keys and values of the next pairs, at most `count`, that are all numbers."""
        keys: list[int | float] = []
        values: list[int | float] = []
        chunk = 4096
        while len(keys) < count:
            text = bytes(self.buffer[self.position : self.position + chunk])
            lines = text.split(b"\n")[:-1]  # what follows the last newline may be cut
            pairs = min(len(lines) // 4, count - len(keys))
            lines = lines[: 4 * pairs]
            types = lines[0::2]
            good = pairs
            if types.count(b"1") < len(types):
                good = next(i for i, line in enumerate(types) if line != b"1") // 2
            lines = lines[: 4 * good]
            if not all(map(_NUMBER.match, lines[1::2])):
                break  # an error, which reading one by one finds
            try:
                numbers = np.array([float(line) for line in lines[1::2]])
            except ValueError:
                break
            keys += as_numbers(numbers[0::2])
            values += as_numbers(numbers[1::2])
            self.position += sum(map(len, lines)) + len(lines)
            if good < pairs or not good:
                break
            chunk = min(2 * chunk, _CHUNK)
        return keys, values


def _float(token: bytes, start: int) -> float:
    if _NUMBER.match(token):
        try:
            return float(token)
        except ValueError:
            pass
    raise T7Error(f"expecting a number, got {_quoted(token)}", start)


def _quoted(token: bytes) -> str:
    return shortened(repr(token)[1:])
