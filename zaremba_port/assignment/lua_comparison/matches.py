"""The original Lua program beside this package: which functions and which lines correspond."""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import UserError
from .fetch import LUA_SHA256
from .lua_source import LuaFile, LuaFunction, read_lua
from .pairs import OUTSIDE, PAIRS, Pair

LARGEST = 500_000
"""Bytes of the largest file that is read; the original's largest has 9,000."""


@dataclass(frozen=True)
class Line:
    """A line of source: its file, as shown, its number from 1, its text.

    `code` is the text in which patterns are looked for: in Lua, that without comments.
    """

    file: str
    number: int
    text: str
    code: str


@dataclass(frozen=True)
class Piece:
    """A function, a class, or, without a title, what stands outside of a file's functions."""

    title: str
    language: str
    lines: tuple[Line, ...]


Group = tuple[list[Line], list[Line]]
"""Lines that match, Lua and Python."""


@dataclass
class Section:
    """A pair, as found.

    Attributes:
        lua, python: what stands on the two sides.
        groups: the lines that match.
        absent: functions that no Lua file has.
        unconnected: pieces of Lua code that should mark one line and mark none, or several.
    """

    pair: Pair
    lua: list[Piece] = field(default_factory=list)
    python: list[Piece] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    unconnected: list[str] = field(default_factory=list)


@dataclass
class Comparison:
    """Everything that the page shows.

    Attributes:
        folder: the name of the folder of the Lua program.
        files: those that could be read; problems: what is wrong with them, or that they are not
            there. is_original: whether all three are those of the original.
        sections: the pairs, in the order of the original program.
        extra: functions that only the Lua files have.
        python_only: (module, name, first line of its docstring) of what only this package has.
    """

    folder: str
    files: list[LuaFile]
    problems: list[str]
    is_original: bool
    sections: list[Section]
    extra: list[Piece]
    python_only: list[tuple[str, str, str]]

    @property
    def found(self) -> int:
        """How many of the functions that have a place on the page are there."""
        return sum(
            bool(name) for s in self.sections for name in s.pair.functions if name not in s.absent
        )

    @property
    def expected(self) -> int:
        return sum(bool(name) for s in self.sections for name in s.pair.functions)


def compare(folder: Path) -> Comparison:
    """Read the Lua program in `folder` and set the pairs side by side.

    A file that is missing or damaged becomes one of the comparison's `problems`.

    Raises:
        UserError: `folder` is none, or holds no file of the program.
    """
    files, problems, is_original = _load(folder)
    owner = {f.name: (file, f) for file in reversed(files) for f in file.outermost() if f.name}
    sections, shown = [], set[tuple[str, LuaFunction]]()
    by_name = {file.name: file for file in files}
    for pair in PAIRS:
        section = Section(pair, python=[python_piece(thing) for thing in pair.python])
        for name in pair.functions:
            if name == OUTSIDE:
                if piece := _outside(by_name.get(pair.file)):
                    section.lua.append(piece)
                else:
                    section.absent.append(name)
            elif place := _last(by_name.get(pair.file), name) or owner.get(name):
                section.lua.append(_function_piece(*place))
                shown.add((place[0].name, place[1]))
            else:
                section.absent.append(name)
        _connect(section)
        sections.append(section)
    extra = [
        _function_piece(file, function)
        for file in files
        for function in file.outermost()
        if (file.name, function) not in shown
    ]
    extra += _other_outsides(files)
    problems += [problem for file in files for problem in file.problems]
    return Comparison(
        folder.resolve().name, files, problems, is_original, sections, extra, list(_python_only())
    )


def _load(folder: Path) -> tuple[list[LuaFile], list[str], bool]:
    if not folder.exists():
        raise UserError(f"no such folder: {folder}")
    if not folder.is_dir():
        raise UserError(f"{folder} is a file: give the folder that holds main.lua")
    files, problems, is_original = list[LuaFile](), list[str](), True
    for name, checksum in LUA_SHA256.items():
        try:
            content = _content(folder / name)
        except UserError as problem:
            problems.append(str(problem))
            is_original = False
            continue
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            text = content.decode(errors="replace")
            bad = content[error.start]
            problems.append(
                f"{name} is not UTF-8 text: bad byte 0x{bad:02x} at offset {error.start}; such "
                "bytes are shown as \ufffd"
            )
        is_original &= hashlib.sha256(content).hexdigest() == checksum
        files.append(read_lua(name, text.removeprefix("\ufeff")))
    if not files:
        raise UserError(
            f"{folder} holds none of {', '.join(LUA_SHA256)} that could be read: give the folder "
            "of the Lua program, or --fetch"
        )
    return files, problems, is_original


def _content(path: Path) -> bytes:
    try:
        if path.is_file() and path.stat().st_size > LARGEST:
            raise UserError(f"{path.name} has over {LARGEST} bytes: it is some other file")
        if path.exists() and not path.is_file():
            raise UserError(f"{path.name} is not a file")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path.name} is not in the folder") from error
    except OSError as error:
        raise UserError(f"{path.name} cannot be read: {error.strerror}") from error


def _last(file: LuaFile | None, name: str) -> tuple[LuaFile, LuaFunction] | None:
    """The function called `name`; of several the last, which is the one that Lua calls."""
    functions = [f for f in file.outermost() if f.name == name] if file else []
    return (file, functions[-1]) if file and functions else None


def _lua_lines(file: LuaFile, numbers: Iterable[int]) -> tuple[Line, ...]:
    return tuple(Line(file.name, n, file.lines[n - 1], file.code[n - 1]) for n in numbers)


def _function_piece(file: LuaFile, function: LuaFunction) -> Piece:
    lines = _lua_lines(file, range(function.top, function.last + 1))
    return Piece(function.name or "function without a name", "lua", lines)


def _outside(file: LuaFile | None) -> Piece | None:
    """The lines of no function, unless there is nothing but comments."""
    if file is None:
        return None
    numbers = file.outside()
    while numbers and not file.lines[numbers[0] - 1].strip():
        del numbers[0]
    if not any(file.code[number - 1].strip() for number in numbers):
        return None
    kept = [n for n in numbers if file.lines[n - 1].strip() or n - 1 in numbers]
    return Piece("", "lua", _lua_lines(file, kept))


def _other_outsides(files: Iterable[LuaFile]) -> Iterator[Piece]:
    paired = {pair.file for pair in PAIRS if OUTSIDE in pair.functions}
    for file in files:
        if file.name not in paired and (piece := _outside(file)):
            yield piece


def python_piece(thing: Any) -> Piece:
    """The source of a function or class, as it is now."""
    source, first = inspect.getsourcelines(thing)
    file = Path(inspect.getsourcefile(thing) or "")
    module = thing.__module__
    shown = "/".join([*module.split(".")[:-1], file.name])
    text = textwrap.dedent("".join(source)).rstrip("\n")
    lines = [Line(shown, n, line, line) for n, line in enumerate(text.split("\n"), first)]
    return Piece(thing.__qualname__, "python", tuple(lines))


def lines_with(pattern: str, lines: Iterable[Line]) -> list[Line]:
    """The lines whose code has `pattern`, name by name and sign by sign."""
    wanted = _words(pattern)
    return [line for line in lines if wanted in _words(line.code)]


def _words(code: str) -> str:
    words = re.findall(r"\w+|[-+*/=~<>!]=|[^\w\s]", code)
    return "\n" + "".join(f"{word}\n" for word in words)


def _connect(section: Section) -> None:
    """Find the lines that match, and put those that share one into a group."""
    lua = [line for piece in section.lua for line in piece.lines]
    python = [line for piece in section.python for line in piece.lines]
    groups: list[tuple[set[Line], set[Line]]] = []
    for theirs, ours in section.pair.lines:
        left, right = lines_with(theirs, lua), lines_with(ours, python)
        if len(left) != 1 or len(right) != 1:
            if lua:
                section.unconnected.append(theirs)
            continue
        joined = (set(left), set(right))
        for group in [g for g in groups if g[0] & joined[0] or g[1] & joined[1]]:
            groups.remove(group)
            joined = (joined[0] | group[0], joined[1] | group[1])
        groups.append(joined)
    places = {line: i for i, line in enumerate([*lua, *python])}
    ordered = [
        (sorted(a, key=places.__getitem__), sorted(b, key=places.__getitem__)) for a, b in groups
    ]
    section.groups = sorted(ordered, key=lambda group: places[group[0][0]])


def _python_only() -> Iterator[tuple[str, str, str]]:
    """What the package defines for use and no pair shows, read from its source."""
    shown = {f"{thing.__module__}.{thing.__qualname__}" for pair in PAIRS for thing in pair.python}
    package = Path(__file__).parents[2]
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if parts[0] in ("assignment", "cli"):
            continue  # no counterpart in the Lua program can be expected there
        place = ".".join(parts)
        module = f"{package.name}.{place}"
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                name = f"{module}.{node.name}"
                is_shown = any(other == name or other.startswith(f"{name}.") for other in shown)
                documentation = (ast.get_docstring(node) or "").partition("\n")[0]
                if not is_shown and documentation:
                    yield place, node.name, documentation
