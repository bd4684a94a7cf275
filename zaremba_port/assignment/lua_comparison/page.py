"""The comparison with the Lua program as one self-contained HTML page."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment

from ..markup import environment
from .comparison import Comparison, MatchedPair
from .excerpts import lines_with, lua_lines
from .fetch import ORIGINAL_COMMIT
from .pairs import CONSTRUCTS, NAMES
from .panels import Panel, Panels, anchor_of
from .running import Run

MOST_LINKS = 6
"""Maximum number of links in a table row, which ends with the number of further lines."""


def html_page(comparison: Comparison, run: Run | None = None) -> str:
    """Write the comparison, and the numbers of a `run` of both sides, as an HTML document."""
    panels = Panels()
    sections = [_pair_panels(matched, panels) for matched in comparison.pairs]
    lua_only = [panels.panel(excerpt, "extra") for excerpt in comparison.lua_only]
    uses = _Uses(comparison, panels)  # after the panels, whose lines it links to
    template = _templates().get_template("page.html")
    return template.render(
        comparison=comparison,
        run=run,
        commit=ORIGINAL_COMMIT[:7],
        problems=list(_problems(comparison)),
        files=[(file, list(group)) for file, group in groupby(sections, lambda s: s.file)],
        lua_only=lua_only,
        names=[(name, uses.of(name.lua)) for name in NAMES],
        without_python=[(s, uses.of(s.functions[0])) for s in sections if not s.python],
        constructs=[(construct, uses.of(construct.lua)) for construct in CONSTRUCTS],
    )


@functools.cache
def _templates() -> Environment:
    templates = environment(__package__)
    templates.filters["stem"] = lambda file: Path(file).stem
    return templates


@dataclass(frozen=True)
class PairPanels:
    """The section of the page that shows a pair; `id` is the id of its element."""

    id: str
    matched: MatchedPair
    lua: list[Panel]
    python: list[Panel]

    @property
    def file(self) -> str:
        """Return the Lua file of the pair."""
        return self.matched.pair.file

    @property
    def functions(self) -> list[str]:
        """Return the names of its Lua functions."""
        return [name for name in self.matched.pair.functions if name]


def _pair_panels(matched: MatchedPair, panels: Panels) -> PairPanels:
    pair = matched.pair
    id = "-".join(name or f"outside-{Path(pair.file).stem}" for name in pair.functions)
    lua = [panels.panel(excerpt, id, matched.matches) for excerpt in matched.lua]
    python = [panels.panel(excerpt, id, matched.matches) for excerpt in matched.python]
    return PairPanels(id, matched, lua, python)


def _problems(comparison: Comparison) -> Iterator[str]:
    yield from comparison.problems
    expected, missing = comparison.expected, comparison.expected - comparison.found
    if missing:
        yield f"{missing} of the {expected} functions of the original are missing."
    unconnected = sum(len(matched.unconnected) for matched in comparison.pairs)
    if unconnected:
        lines = "1 line" if unconnected == 1 else f"{unconnected} lines"
        yield f"{lines} of the original could not be matched with this version."


class FileUses(NamedTuple):
    """Lines of a file: the number of each, and its anchor if the page shows the line."""

    file: str
    lines: list[tuple[int, str]]


class Uses(NamedTuple):
    """The first lines that use something, by file, and the number of further lines."""

    files: list[FileUses]
    more: int


class _Uses:
    """Finds the Lua lines that use a name or a construct."""

    def __init__(self, comparison: Comparison, panels: Panels) -> None:
        self.anchors = panels.anchors
        self.lines = [
            line
            for file in comparison.folder.files
            for line in lua_lines(file, range(1, len(file.lines) + 1))
        ]

    def of(self, pattern: str) -> Uses:
        """Find the lines that contain `pattern`."""
        lines = lines_with(pattern, self.lines)
        linked = [(line, anchor_of(line)) for line in lines[:MOST_LINKS]]
        files = [
            FileUses(
                Path(file).stem,
                [(line.number, anchor if anchor in self.anchors else "") for line, anchor in group],
            )
            for file, group in groupby(linked, lambda link: link[0].file)
        ]
        return Uses(files, max(0, len(lines) - MOST_LINKS))
