"""Quoting and escaping of text for the DOT language and its HTML-like labels."""

from __future__ import annotations

import html
import unicodedata

import graphviz
from graphviz import quoting


def quoted(text: str) -> str:
    """Return `text` as a DOT identifier or string, in which no character has a special meaning."""
    return quoting.quote(graphviz.escape(printable(text)))


def markup(text: str) -> str:
    """Return `text` as part of an HTML-like label."""
    # Graphviz rejects text that begins with a bracket.
    return html.escape(printable(text), quote=True).replace("]", "&#93;")


def printable(text: str) -> str:
    r"""Return `text` with escapes for control characters and lone surrogates.

    Graphviz and XML refuse both. Newlines stay.

    >>> printable("a\x01b")
    'a\\x01b'
    """
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in ("Cc", "Cs") and character != "\n"
        else character
        for character in text
    )
