"""Panels of the page: excerpts with numbered, highlighted lines that link to their matches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup
from pygments.lexers import PythonLexer

from ..markup import highlighted_lines
from .comparison import LineMatch
from .definition import docstring_lines
from .excerpts import Excerpt, Line
from .lua_lexer import Lua51Lexer

_LEXERS = {"lua": Lua51Lexer, "python": PythonLexer}


class Link(NamedTuple):
    """A link from a line to its match on the other side."""

    match: int
    anchor: str
    label: str


@dataclass(frozen=True)
class Row:
    """A line as the page shows it.

    Attributes:
        code: the line without its indentation of `indent` spaces.
        follows: whether the row above shows the previous line of the file.
        anchor: the id of the row; empty if another row has the line's id.
        folds: the number of lines, from this on, that are folded away: the rest of a docstring.
        ends_fold: whether it is the last of them.
    """

    number: int
    code: Markup
    indent: int
    follows: bool
    anchor: str
    link: Link | None
    folds: int = 0
    ends_fold: bool = False


@dataclass(frozen=True)
class Panel:
    """An excerpt as the page shows it."""

    excerpt: Excerpt
    place: str  # for example "lines 65–89"
    rows: list[Row]


class Panels:
    """Builds the panels of a page. Each line of Lua gets one anchor, to which the tables link."""

    def __init__(self) -> None:
        self.anchors: set[str] = set()

    def panel(self, excerpt: Excerpt, section: str, matches: Sequence[LineMatch] = ()) -> Panel:
        """Build the panel of an excerpt and link its matching lines.

        Args:
            section: the id of the section that contains the panel.
        """
        text = "\n".join(line.text for line in excerpt.lines)
        codes = highlighted_lines(text, _LEXERS[excerpt.language])
        is_python = excerpt.language == "python"
        folded = docstring_lines([line.text for line in excerpt.lines]) if is_python else set()
        rows = []
        previous = excerpt.lines[0].number - 1
        for i, (line, code) in enumerate(zip(excerpt.lines, codes, strict=True)):
            indent = len(line.text) - len(line.text.lstrip(" "))
            row = Row(
                number=line.number,
                code=code[indent:],
                indent=indent,
                follows=line.number == previous + 1,
                anchor=self._new_anchor(line, section),
                link=_link(line, matches, section),
                folds=_length_from(i, folded) if i in folded and i - 1 not in folded else 0,
                ends_fold=i in folded and i + 1 not in folded,
            )
            previous = line.number
            rows.append(row)
        return Panel(excerpt, _place(excerpt), rows)

    def _new_anchor(self, line: Line, section: str) -> str:
        anchor = anchor_of(line, section)
        if anchor in self.anchors:
            return ""
        self.anchors.add(anchor)
        return anchor


def anchor_of(line: Line, section: str = "") -> str:
    """Return the id of a line; it depends on the section for a line of Python only."""
    stem = Path(line.file).stem
    return f"{'lua' if line.file.endswith('.lua') else section}-{stem}-{line.number}"


def _length_from(start: int, numbers: set[int]) -> int:
    """Return how many numbers from `start` on are in `numbers` without a gap."""
    return next(n for n in range(len(numbers) + 1) if start + n not in numbers)


def _link(line: Line, matches: Sequence[LineMatch], section: str) -> Link | None:
    for number, (lua, python) in enumerate(matches, 1):
        for own, others in ((lua, python), (python, lua)):
            if line in own:
                places = ", ".join(f"{other.file} line {other.number}" for other in others)
                return Link(number, anchor_of(others[0], section), f"match {number}: {places}")
    return None


def _place(excerpt: Excerpt) -> str:
    first, last = excerpt.lines[0].number, excerpt.lines[-1].number
    return f"line {first}" if first == last else f"lines {first}–{last}"
