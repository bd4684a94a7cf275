"""Matching the functions and lines of the Lua program with those of this package."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from .excerpts import (
    Excerpt,
    Line,
    function_excerpt,
    lines_with,
    outside_excerpt,
    python_excerpt,
)
from .folder import LuaFolder, read_folder
from .lua_blocks import LuaFunction
from .lua_source import LuaFile
from .pairs import OUTSIDE, PAIRS, Pair
from .python_only import PythonModule, python_only


class LineMatch(NamedTuple):
    """Lines of Lua and the lines of Python that do the same."""

    lua: list[Line]
    python: list[Line]


@dataclass
class MatchedPair:
    """A pair with its source code on both sides.

    Attributes:
        absent: the functions that no Lua file contains.
        unconnected: the Lua patterns that match no line, or several.
    """

    pair: Pair
    lua: list[Excerpt] = field(default_factory=list)
    python: list[Excerpt] = field(default_factory=list)
    matches: list[LineMatch] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    unconnected: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Comparison:
    """A Lua program compared with this package.

    Attributes:
        pairs: in the order of the page.
        lua_only: code of the Lua files that no pair shows.
        python_only: modules with definitions that no pair shows.
    """

    folder: LuaFolder
    pairs: list[MatchedPair]
    lua_only: list[Excerpt]
    python_only: list[PythonModule]

    @property
    def problems(self) -> list[str]:
        """Return the problems with the Lua files, one line each."""
        return self.folder.problems

    @property
    def expected(self) -> int:
        """Return the number of Lua functions that the pairs name."""
        return sum(bool(name) for matched in self.pairs for name in matched.pair.functions)

    @property
    def found(self) -> int:
        """Return the number of these functions that the Lua files contain."""
        return self.expected - sum(bool(name) for matched in self.pairs for name in matched.absent)


def compare(path: Path) -> Comparison:
    """Read the Lua program in the folder `path` and match it with this package.

    Missing and damaged files are reported in the comparison's `problems`.

    Raises:
        UserError: `path` is not a folder, or it contains no file of the program.
    """
    folder = read_folder(path)
    finder = _FunctionFinder(folder)
    pairs = [_matched(pair, finder) for pair in PAIRS]
    lua_only = [*finder.not_shown(), *_other_outsides(folder.files)]
    return Comparison(folder, pairs, lua_only, list(python_only()))


class _FunctionFinder:
    """Finds the functions of a folder by name and remembers which it has found."""

    def __init__(self, folder: LuaFolder) -> None:
        self.folder = folder
        self.shown: set[tuple[str, LuaFunction]] = set()

    def find(self, name: str, file_name: str) -> Excerpt | None:
        """Find a function in a file, or else in any other; `OUTSIDE` only in the file itself."""
        file = self.folder.file(file_name)
        if name == OUTSIDE:
            return outside_excerpt(file)
        # Lua calls the last of several definitions.
        places = [(file, function) for function in reversed(file.outermost())] if file else []
        places += [(other, f) for other in self.folder.files for f in reversed(other.outermost())]
        for place, function in places:
            if function.name == name:
                self.shown.add((place.name, function))
                return function_excerpt(place, function)
        return None

    def not_shown(self) -> Iterator[Excerpt]:
        """Yield the other functions."""
        for file in self.folder.files:
            for function in file.outermost():
                if (file.name, function) not in self.shown:
                    yield function_excerpt(file, function)


def _matched(pair: Pair, finder: _FunctionFinder) -> MatchedPair:
    matched = MatchedPair(pair, python=[python_excerpt(definition) for definition in pair.python])
    for name in pair.functions:
        if excerpt := finder.find(name, pair.file):
            matched.lua.append(excerpt)
        else:
            matched.absent.append(name)
    _connect(matched)
    return matched


def _connect(matched: MatchedPair) -> None:
    """Find the matching lines, and join matches that share a line."""
    lua = [line for excerpt in matched.lua for line in excerpt.lines]
    python = [line for excerpt in matched.python for line in excerpt.lines]
    joined: list[set[Line]] = []
    for lua_pattern, python_pattern in matched.pair.lines:
        left, right = lines_with(lua_pattern, lua), lines_with(python_pattern, python)
        if len(left) == len(right) == 1:
            lines = {*left, *right}
            touching = [other for other in joined if other & lines]
            joined = [other for other in joined if not other & lines]
            joined.append(lines.union(*touching))
        elif lua:
            matched.unconnected.append(lua_pattern)
    matches = [LineMatch(_ordered(lines, lua), _ordered(lines, python)) for lines in joined]
    places = {line: i for i, line in enumerate(lua)}
    matched.matches = sorted(matches, key=lambda match: places[match.lua[0]])


def _ordered(lines: set[Line], side: Iterable[Line]) -> list[Line]:
    return [line for line in dict.fromkeys(side) if line in lines]


def _other_outsides(files: Iterable[LuaFile]) -> Iterator[Excerpt]:
    """Find lines outside functions in the files for which no pair shows them."""
    paired = {pair.file for pair in PAIRS if OUTSIDE in pair.functions}
    for file in files:
        if file.name not in paired and (excerpt := outside_excerpt(file)):
            yield excerpt
