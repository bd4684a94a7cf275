"""The standard streams of a Lua program, and the line that shows its progress."""

from __future__ import annotations

import re
import sys
from typing import Any


class Streams:
    """Writes and reads text in which each character is a byte, as Lua's strings are."""

    def exports(self) -> dict[str, Any]:
        """Return what the prelude calls."""
        return {
            "write_out": lambda text: _write(sys.stdout, text),
            "write_err": lambda text: _write(sys.stderr, text),
            "flush_out": lambda: sys.stdout.flush(),
            "read_in": self.read,
        }

    def progress(self, text: str) -> None:
        """Show how far a loop is, where a person watches."""
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{text} ")
            sys.stderr.flush()

    def read(self, format: Any) -> Any:
        """Return what ``io.read(format)`` returns."""
        sys.stdout.flush()
        buffer = getattr(sys.stdin, "buffer", None)
        if buffer is None:  # a notebook, or a test
            return read_format(_Text(sys.stdin), format)
        return read_format(buffer, format)


class _Text:
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        return bytes(self._stream.read(size).encode("utf-8"))

    def readline(self) -> bytes:
        return bytes(self._stream.readline().encode("utf-8"))

    def peek(self, size: int) -> bytes:
        # A console's stream cannot look ahead: one number a line.
        if not self._stream.seekable():
            return b""
        place = self._stream.tell()
        text = self._stream.read(size)
        self._stream.seek(place)
        return bytes(text.encode("utf-8"))


def _write(stream: Any, text: str) -> None:
    buffer = getattr(stream, "buffer", None)
    if buffer is None:
        stream.write(text.encode("latin-1").decode("utf-8", "replace"))
        return
    stream.flush()
    buffer.write(text.encode("latin-1"))
    if stream.isatty() or stream is sys.stderr or text.endswith("\n"):
        buffer.flush()


def _number(stream: Any) -> int | float | None:
    """Read a number as C's scanf does: white space before it is skipped, the rest stays."""
    while stream.peek(1)[:1].isspace():
        stream.read(1)
    text = b""
    while (following := stream.peek(1)[:1]) and _NUMBER.fullmatch(text + following):
        text += stream.read(1)
    try:
        value = float(int(text, 16)) if b"x" in text.lower() else float(text)
    except ValueError:
        return None
    return int(value) if value.is_integer() else value


# A number, or the start of one.
_NUMBER = re.compile(
    rb"[+-]?(0[xX][0-9a-fA-F]*|[0-9]*\.?[0-9]*|([0-9]+\.?[0-9]*|\.[0-9]+)[eE][+-]?[0-9]*)"
)


def read_format(stream: Any, format: Any) -> Any:
    """Read from a stream of bytes by a format of Lua: ``*l``, ``*a``, ``*n``, or a size."""
    if isinstance(format, (int, float)) and not isinstance(format, bool):
        data = stream.read(int(format))
        return data.decode("latin-1") if data or not format else None
    kind = str(format).lstrip("*")[:1]
    if kind == "a":
        return stream.read().decode("latin-1")
    if kind == "n" and hasattr(stream, "peek"):
        return _number(stream)
    line = stream.readline()
    if not line:
        return None
    text: str = line.decode("latin-1")
    if kind == "L":
        return text
    return text[:-1] if text.endswith("\n") else text
