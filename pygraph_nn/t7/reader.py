"""Open a file, tell its format by looking, and read it."""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch

from .ascii import AsciiSource
from .binary import BinarySource
from .builder import build
from .errors import T7Error
from .parser import Parser, Source
from .records import Record

_ASCII = re.compile(rb"[ \t\r\n]*[0-8][\r\n]")
_LAST_TYPE = 8


class T7File(NamedTuple):
    """A file that has been read.

    Attributes:
        value: the object in it.
        format: ``"binary"`` or ``"ascii"``.
        byte_order: ``"little"`` or ``"big"``; None for ascii.
        long_size: the bytes of a long; None for ascii.
        size: the size of the file, in bytes.
        rest: the number of bytes after the object.
    """

    value: Any
    format: str
    byte_order: str | None
    long_size: int | None
    size: int
    rest: int


def load(
    file: str | os.PathLike[str] | bytes,
    *,
    long_size: int | None = None,
    referenced: bool = True,
    mmap: bool = True,
    device: torch.device | str | None = None,
) -> Any:
    """Return the object in a ``.t7`` file as plain values (``torch.load``).

    Numbers, strings, booleans and nil become Python's; a string that is not UTF-8 becomes bytes.
    A table with the keys 1..n becomes a list, another one a dict or a `T7Table`. Tensors become
    torch tensors, with their strides; those of one storage share memory. Other classes become
    `T7Object`, storages `T7Storage`, and functions, which are never run, `T7Function`. What the
    file contains once is one object.

    The file may be binary or ascii, of either byte order, with longs of 4 or 8 bytes: `load` looks.

    Args:
        file: a path, or the content as bytes.
        long_size: 4 or 8, to force the size of a long.
        referenced: False for a file written by ``torch.save(path, object, mode, false)`` in which
            indices occur twice.
        mmap: leave large storages in the file until they are used. Changes of their elements stay
            in memory. Such tensors may lie at odd addresses; clone them for libraries that mind.
        device: where to put CUDA tensors; by default in the memory of the CPU.

    Raises:
        T7Error: the file is damaged or is no Torch7 file.
        OSError: the file cannot be opened.
    """
    result = read(file, long_size=long_size, referenced=referenced, mmap=mmap, device=device)
    if result.rest:
        warnings.warn(
            f"{_name(file) or 'the file'}: {result.rest} bytes follow the object and were not "
            "read; torch.load ignores them, too",
            stacklevel=2,
        )
    return result.value


def read(
    file: str | os.PathLike[str] | bytes,
    *,
    long_size: int | None = None,
    referenced: bool = True,
    mmap: bool = True,
    device: torch.device | str | None = None,
) -> T7File:
    """Return the object in a file together with the file's format; `load` documents the rest."""
    if long_size not in (None, 4, 8):
        raise T7Error(f"long_size = {long_size!r}: a long has 4 or 8 bytes")
    target = None if device is None else torch.device(device)
    with _opened(file) as (buffer, descriptor):
        try:
            return _read(buffer, descriptor, long_size, referenced, mmap, target)
        except T7Error as error:
            raise error.inside(file=_name(file)) from None


def _name(file: str | os.PathLike[str] | bytes) -> str:
    return "" if isinstance(file, bytes) else os.fspath(file)


@contextlib.contextmanager
def _opened(file: str | os.PathLike[str] | bytes) -> Iterator[tuple[Any, int | None]]:
    """Yield the content as a buffer, and the descriptor of the file."""
    if isinstance(file, bytes):
        yield memoryview(file), None
        return
    with open(file, "rb") as opened:
        if not os.fstat(opened.fileno()).st_size:
            yield memoryview(b""), None
            return
        # Private pages: what a user writes into a tensor does not reach the file.
        yield mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY), opened.fileno()


def _sources(
    buffer: Any, descriptor: int | None, long_size: int | None, mapped: bool
) -> list[Source]:
    """Return the ways to read the file, the likelier first."""
    start = bytes(buffer[:16])
    if _ASCII.match(start):
        return [AsciiSource(buffer)]
    little = int.from_bytes(start[:4], "little")
    order = "<" if little <= _LAST_TYPE else ">"
    if len(start) < 4 or int.from_bytes(start[:4], "little" if order == "<" else "big") > 8:
        raise T7Error("this is no Torch7 file: it does not start with a type", 0)
    mapped = mapped and descriptor is not None
    sizes = [long_size] if long_size else [8, 4]
    return [BinarySource(buffer, order, size, mapped, descriptor) for size in sizes]


def _read(
    buffer: Any,
    descriptor: int | None,
    long_size: int | None,
    referenced: bool,
    mapped: bool,
    device: torch.device | None,
) -> T7File:
    source, value, records = _parsed(_sources(buffer, descriptor, long_size, mapped), referenced)
    is_ascii = source.order == "ascii"
    return T7File(
        build(value, records, device),
        "ascii" if is_ascii else "binary",
        None if is_ascii else ("little" if source.order == "<" else "big"),
        None if is_ascii else source.long_size,
        source.size,
        source.size - source.position,
    )


def _parsed(sources: list[Source], referenced: bool) -> tuple[Source, Any, list[Record]]:
    """Return the first of `sources` that makes sense to its end, with its value and records.

    If none does, it is the first one, provided that this makes sense.
    """
    first: tuple[Source, Any, list[Record]] | None = None
    error: T7Error | None = None
    for source in sources:
        parser = Parser(source, referenced)
        try:
            value = parser.parse()
        except T7Error as problem:
            error = error or problem
            continue
        is_whole = source.position == source.size
        if source is sources[0]:
            first = source, value, parser.records
        elif is_whole and not (isinstance(source, BinarySource) and source.has_short_longs):
            # What is left of a file that was cut may make sense with longs of 4 bytes.
            hint = "; if the file was written with longs of 4 bytes, pass long_size=4"
            error = error and T7Error(error.problem + hint, error.offset, error.path)
            continue
        if is_whole:
            return source, value, parser.records
    if first is None:
        assert error is not None
        raise error
    return first
