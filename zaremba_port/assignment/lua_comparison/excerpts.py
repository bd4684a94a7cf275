"""Excerpts of Lua and Python source code."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .definition import Definition, source_of
from .lua_blocks import LuaFunction
from .lua_source import LuaFile


@dataclass(frozen=True)
class Line:
    """A line of source code.

    Attributes:
        file: the path that the page shows.
        number: counted from 1.
        code: the text that patterns are compared with: for Lua, the text without comments.
    """

    file: str
    number: int
    text: str
    code: str


@dataclass(frozen=True)
class Excerpt:
    """A function or class. Without a title: the lines of a file outside its functions."""

    title: str
    language: str  # "lua" or "python"
    lines: tuple[Line, ...]


def lua_lines(file: LuaFile, numbers: Iterable[int]) -> tuple[Line, ...]:
    """Return the lines with these numbers."""
    return tuple(Line(file.name, n, file.lines[n - 1], file.code[n - 1]) for n in numbers)


def function_excerpt(file: LuaFile, function: LuaFunction) -> Excerpt:
    """Return a function with the comment above it."""
    lines = lua_lines(file, range(file.top(function), function.last + 1))
    return Excerpt(function.name or "function without a name", "lua", lines)


def outside_excerpt(file: LuaFile | None) -> Excerpt | None:
    """Return the lines outside all functions, or None if they are only comments."""
    if file is None:
        return None
    numbers = file.outside()
    while numbers and not file.lines[numbers[0] - 1].strip():
        del numbers[0]
    if not any(file.code[number - 1].strip() for number in numbers):
        return None
    # Keep a blank line only if the line above it is outside, too.
    numbers = [n for n in numbers if file.lines[n - 1].strip() or n - 1 in numbers]
    return Excerpt("", "lua", lua_lines(file, numbers))


def python_excerpt(definition: Definition) -> Excerpt:
    """Return the current source of a definition."""
    source = source_of(definition)
    file = "/".join([*source.module.split(".")[:-1], Path(source.path).name])
    text = textwrap.dedent("".join(source.lines)).rstrip("\n")
    lines = [Line(file, n, line, line) for n, line in enumerate(text.split("\n"), source.first)]
    return Excerpt(source.name, "python", tuple(lines))


def lines_with(pattern: str, lines: Iterable[Line]) -> list[Line]:
    """Find the lines whose code contains `pattern`, ignoring spaces between tokens.

    >>> line = Line("main.lua", 1, "x=f( 1 )", "x=f( 1 )")
    >>> [len(lines_with(pattern, [line])) for pattern in ("x = f(1)", "f (", "x = f 1")]
    [1, 1, 0]
    """
    wanted = _words(pattern)
    return [line for line in lines if wanted in _words(line.code)]


def _words(code: str) -> str:
    words = re.findall(r"\w+|[-+*/=~<>!]=|[^\w\s]", code)
    return "\n" + "".join(f"{word}\n" for word in words)
