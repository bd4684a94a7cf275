"""Labels in Graphviz's HTML: text in fonts, stacked lines, symbols with their indices.

A `Markup` is part of a label; every other string is text, which these functions escape.
"""

from __future__ import annotations

import re

import graphviz
from markupsafe import Markup

from ..markup import printable
from .symbols import Symbol

MATHS, CODE = "Times,Times New Roman,serif", "DejaVu Sans Mono,Menlo,Consolas,monospace"

_TABLE = Markup('<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="{}" CELLPADDING="0">{}</TABLE>')
_ROW = Markup("<TR>{}</TR>")


def text(value: str) -> Markup:
    r"""Escape text so that Graphviz draws it unchanged.

    Line breaks remain line breaks, tabs become spaces and other control characters U+FFFD. The
    backslashes are doubled, since Graphviz replaces ``\N`` by the node's name in HTML, too. An
    empty line becomes a space and ``]`` an entity, since Graphviz rejects empty text and text that
    begins with a bracket.

    >>> print(text('"<a>\\N"'))
    &#34;&lt;a&gt;\\N&#34;
    """
    lines = graphviz.escape(printable(value.replace("\t", " "))).split("\n")
    return Markup("<BR/>").join(
        Markup.escape(line or " ").replace("]", Markup("&#93;")) for line in lines
    )


def font(content: str, size: int, face: str = "", colour: str = "") -> Markup:
    """Set text or markup in a font of `size` points."""
    attributes = {"POINT-SIZE": size, "FACE": face, "COLOR": colour}
    written = Markup("").join(
        Markup(' {}="{}"').format(name, value) for name, value in attributes.items() if value
    )
    return Markup("<FONT{}>{}</FONT>").format(written, _as_markup(content))


def bold(content: str) -> Markup:
    """Set text or markup in bold."""
    return Markup("<B>{}</B>").format(_as_markup(content))


def italic(content: str) -> Markup:
    """Set text or markup in italics."""
    return Markup("<I>{}</I>").format(_as_markup(content))


def _as_markup(content: str) -> Markup:
    return content if isinstance(content, Markup) else text(content)


def table(*rows: Markup, spacing: int = 0) -> Markup:
    """Lay out rows of cells."""
    return _TABLE.format(spacing, Markup("").join(_ROW.format(row) for row in rows))


def cell(content: str = "", **attributes: object) -> Markup:
    """Write a table cell; keywords are its attributes, for example ``bgcolor``."""
    written = Markup("").join(
        Markup(' {}="{}"').format(name.upper(), value) for name, value in attributes.items()
    )
    return Markup("<TD{}>{}</TD>").format(written, content)


def stacked_lines(*lines: Markup) -> Markup:
    """Set lines one above the other. A line may be a table."""
    return table(*map(cell, lines))


def symbol_label(symbol: Symbol, size: int = 26) -> Markup:
    """Write a symbol, `size` points high.

    A table holds both indices. Graphviz's SUB and SUP would set one after the other, and not all
    browsers shift text in SVG.
    """
    if symbol.is_code:
        return font(symbol.base, round(size * 0.64), CODE)
    words = symbol.base.split(" ")
    letters = (italic(word) if len(word) <= 2 else text(word) for word in words)  # log is upright
    base = font(Markup(" ").join(letters), size, MATHS)
    if not (symbol.low or symbol.high):
        return base
    small = round(size * 0.6)
    high, low = (
        cell(font(_slanted(index), small, MATHS), align="LEFT")
        for index in (symbol.high, symbol.low)
    )
    return table(cell(base, rowspan=2) + high, low)


def _slanted(index: str) -> Markup:
    """Set letters in italics, digits and signs upright. An empty index becomes a space."""
    parts = re.split(r"([A-Za-z]+)", index)
    written = (italic(part) if i % 2 else text(part) for i, part in enumerate(parts) if part)
    return Markup("").join(written) or Markup(" ")
