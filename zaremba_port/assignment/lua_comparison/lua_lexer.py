"""Lua 5.1 as LuaJIT reads it, on the lexer of pygments.

Pygments' lexer is for colours and for Lua 5.4. It forgives what a compiler would not, and joins
neighbouring signs into one token. The rules below stand before its own where that matters.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pygments.lexer import default, include, inherit
from pygments.lexers import LuaLexer
from pygments.token import Comment, Error, Keyword, Name, Operator, Punctuation, String

_ESCAPES = r"\\z\s*|\\[\w\W]"


class Lua51Lexer(LuaLexer):
    """Tokens of Lua 5.1; what is none of them is an `Error`.

    - A string in quotes is one token and ends on its line. A quote that begins none, and a long
      bracket that is never closed, are errors; pygments takes the rest of the file for a string.
    - Every bracket is a token of its own, so that blocks can be followed.
    - ``<`` compares: the attributes of Lua 5.4 stand in angle brackets, and pygments looks for
      them in ``a < b and c > d``.
    - A name may have letters beyond ASCII, and a file may begin with a line for the shell.
    - What does not fit after ``a.`` or ``goto`` is read as anywhere else; so is what follows
      ``function``, where pygments takes a keyword for a name.
    """

    tokens = {  # noqa: RUF012
        "root": [(r"\A#.*", Comment.Preproc), inherit],
        "ws": [
            (r"--\[(=*)\[[\w\W]*?\]\1\]", Comment.Multiline),
            (r"--\[=*\[", Error),
            inherit,
        ],
        "base": [
            include("ws"),
            (rf'"(?:{_ESCAPES}|[^"\\\n])*"', String.Double),
            (rf"'(?:{_ESCAPES}|[^'\\\n])*'", String.Single),
            (r"\[(=*)\[[\w\W]*?\]\1\]", String),
            (r"[\"']|\[=*\[", Error),
            (r"\.\.(?!\.)", Operator),
            (r"\.\.\.|\.(?!\d)|[:(){}\[\],;]", Punctuation),
            (r"function\b", Keyword.Reserved),
            inherit,
            (r"[^\W\d]\w*", Name.Variable),
        ],
        "varname": [(r"<[<=]?", Operator, "#pop"), inherit, default("#pop")],
        "goto": [inherit, default("#pop")],
    }


class Lexeme(NamedTuple):
    """A token and its place: a line, from 1, and the number of characters before it there."""

    kind: Any  # pygments gives its kinds no type
    text: str
    line: int
    column: int

    @property
    def is_comment(self) -> bool:
        return self.kind in Comment and self.kind not in Comment.Preproc


def lexemes(text: str) -> Iterator[Lexeme]:
    """Split Lua code whose lines end in ``\\n``. Together the lexemes are the text.

    >>> [lexeme.text for lexeme in lexemes("x = f(1) -- one")]
    ['x', ' ', '=', ' ', 'f', '(', '1', ')', ' ', '-- one']
    """
    line, line_start = 1, 0
    for start, kind, part in Lua51Lexer().get_tokens_unprocessed(text):
        yield Lexeme(kind, part, line, start - line_start)
        if "\n" in part:
            line += part.count("\n")
            line_start = start + part.rindex("\n") + 1
