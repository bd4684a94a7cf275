"""Writing files so that a full disk or a crash leaves what was there before."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from safetensors import SafetensorError

from ..errors import RunFailed


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with the path of a new file beside `path`, then move that file to `path`.

    Raises:
        RunFailed: it could not be written; `path` is as before.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with reporting_failures(path):
            write(part)
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def append_line(path: Path, line: str) -> None:
    """Append `line` and a newline to the file at `path`.

    Raises:
        RunFailed: it could not be written.
    """
    with reporting_failures(path), path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


@contextlib.contextmanager
def reporting_failures(path: Path) -> Iterator[None]:
    """Turn a failure to write `path` into RunFailed, with the system's reason."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RunFailed(
            f"{path} could not be written: {reason}; what was saved before is kept"
        ) from None
