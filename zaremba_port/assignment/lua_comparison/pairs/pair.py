"""A pair: functions of the Lua program and their counterparts in this package."""

from __future__ import annotations

from dataclasses import dataclass

from ..definition import Definition

OUTSIDE = ""
"""Instead of a function's name: the lines of a file outside its functions."""


@dataclass(frozen=True)
class Pair:
    """Functions of a Lua file and the Python code that does the same.

    Attributes:
        file: the Lua file that is searched first.
        functions: the names of the Lua functions.
        python: definitions, empty if there is no counterpart. The page shows their
            current source.
        lines: patterns of Lua and of Python. Each must match exactly one line, ignoring spaces
            between tokens. Matches that share a line are joined.
        notes: the differences and their reasons, in Markdown.
    """

    file: str
    functions: tuple[str, ...]
    python: tuple[Definition, ...] = ()
    lines: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
