"""Labels in the HTML of Graphviz: text in fonts, stacked lines, symbols with their indices.

A `Markup` is part of a label already; every other string is text and is escaped.
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
    r"""Write text so that Graphviz draws it as it is, whatever characters it has.

    Line breaks stay, tabs become spaces, and other control characters U+FFFD. Graphviz replaces
    ``\N`` by the node's name also here, so backslashes are doubled. It has no empty texts.

    >>> print(text('"<a>\\N"'))
    &#34;&lt;a&gt;\\N&#34;
    """
    lines = graphviz.escape(printable(value.replace("\t", " "))).split("\n")
    return Markup("<BR/>").join(line or " " for line in lines)


def font(content: str, size: int, face: str = "", colour: str = "") -> Markup:
    """Set text or markup in letters of `size` points."""
    attributes = {"POINT-SIZE": size, "FACE": face, "COLOR": colour}
    written = Markup("").join(
        Markup(' {}="{}"').format(name, value) for name, value in attributes.items() if value
    )
    return Markup("<FONT{}>{}</FONT>").format(written, _as_markup(content))


def bold(content: str) -> Markup:
    return Markup("<B>{}</B>").format(_as_markup(content))


def italic(content: str) -> Markup:
    return Markup("<I>{}</I>").format(_as_markup(content))


def _as_markup(content: str) -> Markup:
    return content if isinstance(content, Markup) else text(content)


def table(*rows: Markup, spacing: int = 0) -> Markup:
    """Lay out rows of cells."""
    return _TABLE.format(spacing, Markup("").join(_ROW.format(row) for row in rows))


def cell(content: str = "", **attributes: object) -> Markup:
    """Write a cell of a table; a keyword such as ``bgcolor`` is an attribute."""
    written = Markup("").join(
        Markup(' {}="{}"').format(name.upper(), value) for name, value in attributes.items()
    )
    return Markup("<TD{}>{}</TD>").format(written, content)


def stacked_lines(*lines: Markup) -> Markup:
    """Set one line above the other; a line may be a table itself."""
    return table(*map(cell, lines))


def symbol_label(symbol: Symbol, size: int = 26) -> Markup:
    """Write a symbol, `size` points high.

    A table holds both indices: Graphviz's tags for indices would put one behind the other, and not
    all browsers move such text.
    """
    if symbol.is_code:
        return font(symbol.base, round(size * 0.64), CODE)
    base = font(italic(symbol.base), size, MATHS)
    if not (symbol.low or symbol.high):
        return base
    small = round(size * 0.6)
    high, low = (
        cell(font(_slanted(index), small, MATHS), align="LEFT")
        for index in (symbol.high, symbol.low)
    )
    return table(cell(base, rowspan=2) + high, low)


def _slanted(index: str) -> Markup:
    """Letters slanted, digits and signs upright; a space keeps the place of an empty index."""
    parts = re.split(r"([A-Za-z]+)", index)
    written = (italic(part) if i % 2 else text(part) for i, part in enumerate(parts) if part)
    return Markup("").join(written) or Markup(" ")
