"""T7Error: a ``.t7`` file that cannot be read, or a value that cannot be written."""

from __future__ import annotations

import re

from ..errors import GraphError

_SHOWN = 12  # the elements of a path that a message shows, at its start and at its end

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class T7Error(GraphError):
    """A file is damaged, or holds something that cannot be read; or a value cannot be written.

    Attributes:
        offset: the offset in the file, in bytes, at which reading failed; None in writing.
        path: the place inside the object, with the file's own keys: ``.modules[3].weight``. It is
            empty for the object itself.
    """

    def __init__(
        self, problem: str, offset: int | None = None, path: str = "", file: str = ""
    ) -> None:
        self.problem = problem
        self.offset = offset
        self.path = path
        self.file = file
        places = [file, "" if offset is None else f"byte {offset}", path and f"at {path}"]
        place = ", ".join(filter(None, places))
        super().__init__(f"{place}: {problem}" if place else problem)

    def inside(self, path: str = "", file: str = "") -> T7Error:
        """Return the error with the place it lacks so far."""
        return T7Error(self.problem, self.offset, self.path or path, self.file or file)


class Part(str):
    """A part of a value that has no key, such as the storage of a tensor: ``<storage>``."""

    __slots__ = ()


def key_text(key: object) -> str:
    """Return the part of a path that leads to the value of `key`: ``.weight``, ``[3]``."""
    if isinstance(key, Part):
        return str(key)
    if isinstance(key, str):
        return f".{key}" if _NAME.match(key) else f"[{shortened(repr(key))}]"
    if isinstance(key, (bool, int, float, bytes)):
        return f"[{shortened(repr(key))}]"
    return f"[a {type(key).__name__.removeprefix('T7').removesuffix('Record').lower()}]"


def join_path(parts: list[str]) -> str:
    """Return a path of `parts`, without its middle if it is long."""
    if len(parts) > 2 * _SHOWN:
        skipped = f" ...({len(parts) - 2 * _SHOWN} levels)... "
        parts = [*parts[:_SHOWN], skipped, *parts[-_SHOWN:]]
    return "".join(parts)


def shortened(text: str, length: int = 40) -> str:
    """Return `text`, cut to `length` characters."""
    return text if len(text) <= length else f"{text[: length - 3]}..."
