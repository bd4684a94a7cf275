"""Lines of source as HTML: highlighted, numbered, and linked to those that match."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from pygments.lexers import LuaLexer, PythonLexer
from pygments.token import Token

from .matches import Group, Line, Piece


class Lua51Lexer(LuaLexer):
    """Lua as Torch7 has it, where ``a < b and c > d`` holds no attribute in angle brackets."""

    tokens = {  # noqa: RUF012
        **LuaLexer.tokens,
        "base": [rule for rule in LuaLexer.tokens["base"] if "<.+?>" not in str(rule)],
    }


LEXERS = {"lua": Lua51Lexer, "python": PythonLexer}

# The more special kind first. What is in none of them is shown without colour.
COLOURS = (
    (Token.Literal.String.Doc, "d"),
    (Token.Literal.String, "s"),
    (Token.Literal.Number, "m"),
    (Token.Comment, "c"),
    (Token.Keyword, "k"),
    (Token.Operator.Word, "k"),
    (Token.Name.Function, "f"),
    (Token.Name.Class, "f"),
    (Token.Name.Decorator, "f"),
    (Token.Name.Builtin, "b"),
)


def escaped(text: str) -> str:
    """`text` for HTML, which has no control characters."""
    return html.escape(re.sub(r"[^\n\t\x20-\x7e\xa0-\ud7ff\ue000-\U0010ffff]", "\ufffd", text))


def prose(text: str) -> str:
    """`text` with code between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped(text))


def _colour(kind: Any) -> str:
    return next((name for parent, name in COLOURS if kind in parent), "")


def _highlighted(lines: Iterable[Line], language: str) -> list[str]:
    """The lines in HTML, each with its tokens coloured."""
    lexer = LEXERS[language](stripnl=False, ensurenl=False)
    out = [""]
    tokens = lexer.get_tokens("\n".join(line.text for line in lines))
    for colour, run in groupby(tokens, lambda token: _colour(token[0])):
        for i, part in enumerate("".join(text for _, text in run).split("\n")):
            if i:
                out.append("")
            if not out[-1]:  # indentation is no part of a comment that goes over several lines
                out[-1] = part[: len(part) - len(part.lstrip(" "))]
                part = part.lstrip(" ")
            if part:
                shown = escaped(part)
                out[-1] += f'<span class="{colour}">{shown}</span>' if colour else shown
    return out


class Rows:
    """The lines on the page. A line of Lua has one place, to which the tables link."""

    def __init__(self) -> None:
        self.ids: set[str] = set()

    def piece(self, piece: Piece, section: str, groups: Sequence[Group] = ()) -> str:
        """A panel with the lines of `piece`, those of a group with the group's number."""
        side = 0 if piece.language == "lua" else 1
        shown = _highlighted(piece.lines, piece.language)
        out, before = [], None
        for line, code in zip(piece.lines, shown, strict=True):
            if before is not None and line.number > before + 1:
                out.append('<div class="gap" aria-hidden="true">⋯</div>')
            before = line.number
            number, tag = f'<span class="n">{line.number}</span>', '<span class="t"></span>'
            marks = ""
            for group, members in enumerate(groups, 1):
                if line in members[side]:
                    tag = self._tag(group, members[1 - side], section)
                    marks = f' data-group="{group}"'
            text = _code(line.text, code)
            cells = number + text + tag if side == 0 else tag + number + text
            out.append(f'<div class="row"{self._id(line, section)}{marks}>{cells}</div>')
        return (
            f'<figure class="{piece.language}"><figcaption>{_where(piece)}</figcaption>'
            f'<div class="code">{"".join(out)}</div></figure>'
        )

    def _tag(self, group: int, partners: list[Line], section: str) -> str:
        places = ", ".join(f"{line.file} line {line.number}" for line in partners)
        href = line_id(partners[0], section)
        label = f"match {group}: {places}"
        return f'<a class="t" href="#{href}" aria-label="{escaped(label)}">{group}</a>'

    def _id(self, line: Line, section: str) -> str:
        name = line_id(line, section)
        if name in self.ids:
            return ""
        self.ids.add(name)
        return f' id="{name}"'


def _code(text: str, highlighted: str) -> str:
    """A line that goes on below itself, where it is too long, at its own indentation."""
    spaces = len(text) - len(text.lstrip(" "))
    if not spaces or not highlighted.startswith(" " * spaces):
        return f"<code>{highlighted or ' '}</code>"
    indent = f'<span class="i">{" " * spaces}</span>'
    return f'<code style="--indent:{spaces}ch">{indent}{highlighted[spaces:]}</code>'


def line_id(line: Line, section: str) -> str:
    """The id of a line: one for a line of Lua, one in every section for a line of Python."""
    if line.file.endswith(".lua"):
        return f"lua-{Path(line.file).stem}-{line.number}"
    return f"{section}-{Path(line.file).stem}-{line.number}"


def _where(piece: Piece) -> str:
    """``main.lua, lines 65–89``, and for Python what it is the source of."""
    first, last = piece.lines[0], piece.lines[-1]
    if not piece.title:
        return f"<b>{escaped(first.file)}</b> <span>outside of functions</span>"
    numbers = f"lines {first.number}–{last.number}"
    if last.number == first.number:
        numbers = f"line {first.number}"
    return (
        f"<b>{escaped(piece.title)}</b> <span>{escaped(first.file)},</span> <span>{numbers}</span>"
    )
