"""Durable files: a full disk, a crash or a power cut leaves what was there before."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from safetensors import SafetensorError

from ..errors import RunFailed


def write_whole(path: Path, write: Callable[[Path], object]) -> str:
    """Call `write` with the path of a new file beside `path`, then move that file to `path`.

    The file is flushed to the disk before it is moved, and the folder afterwards.

    Returns:
        The SHA-256 of the file, in hexadecimal.

    Raises:
        RunFailed: it could not be written; `path` is as before.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with reporting_failures(path):
            write(part)
            flush(part)
            digest = sha256_of(part)
            os.replace(part, path)
            flush_folder(path.parent)
        return digest
    finally:
        with contextlib.suppress(OSError):  # it must not hide the first error
            part.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> str:
    """Write `content` to `path`; see `write_whole`."""
    return write_whole(path, lambda part: part.write_bytes(content))


def append_line(path: Path, line: str) -> None:
    """Append `line` and a newline to the file at `path`.

    Raises:
        RunFailed: it could not be written.
    """
    # A path that is not UTF-8 may be part of a line; it is written with escapes.
    with (
        reporting_failures(path),
        path.open("a", encoding="utf-8", errors="backslashreplace", newline="\n") as file,
    ):
        file.write(line + "\n")


def flush(path: Path) -> None:
    """Wait until the contents of the file `path` are on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def flush_folder(path: Path) -> None:
    """Wait until the names in the folder `path` are on the disk, where the system can do that."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:  # Windows cannot open a folder
        return
    try:
        with contextlib.suppress(OSError):  # some network file systems refuse
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path, length: int | None = None) -> str:
    """Return the SHA-256 of a file, or of its first `length` bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        left = float("inf") if length is None else length
        while left > 0 and (block := file.read(int(min(left, 1 << 20)))):
            digest.update(block)
            left -= len(block)
    return digest.hexdigest()


@contextlib.contextmanager
def reporting_failures(path: Path) -> Iterator[None]:
    """Turn a failure to write `path` into RunFailed, with the system's reason."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise RunFailed(
            f"{path} could not be written: {reason}; what was saved before is kept"
        ) from None
