"""What is said of one function of the Lua program: its Python, the lines that match, the notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

OUTSIDE = ""
"""In the place of a function's name: the lines of a file that belong to no function."""


@dataclass(frozen=True)
class Pair:
    """Functions of a Lua file, and the Python that does the same.

    Attributes:
        file: the Lua file where the functions are looked for first.
        functions: their names.
        python: functions and classes, whose source is read when the page is made; none where
            nothing corresponds.
        lines: pieces of code, Lua and Python, each of which marks the one line that has it: what
            matches is compared token by token, so that spaces do not matter. Those that share a
            line form a group.
        notes: what differs and why; code stands between backticks.
    """

    file: str
    functions: tuple[str, ...]
    python: tuple[Any, ...] = ()
    lines: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
