"""Lua 5.1 as LuaJIT reads it, on the lexer of pygments.

Pygments' lexer highlights Lua 5.4. It tolerates errors that a compiler reports, and joins
neighbouring punctuation into one token. The rules below take precedence where that matters.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pygments.lexer import default, include, inherit
from pygments.lexers import LuaLexer
from pygments.token import Comment, Error, Keyword, Name, Operator, Punctuation, String

_ESCAPES = r"\\z\s*|\\[\w\W]"


class Lua51Lexer(LuaLexer):
    """The tokens of Lua 5.1. Anything else is an `Error`.

    - A quoted string is one token and ends on its line. An unmatched quote and a long bracket that
      is never closed are errors; pygments would read the rest of the file as a string.
    - Every bracket is a token of its own, so that blocks can be followed.
    - ``<`` is a comparison. Pygments reads ``a < b and c > d`` as a name with an attribute of
      Lua 5.4.
    - Names may contain letters beyond ASCII, and the first line may be a shebang.
    - After ``a.``, ``goto`` and ``function`` a token that does not fit is read as usual. Pygments
      reports an error, or takes a keyword for a name.
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
    """A token with its line, counted from 1, and its column, counted from 0."""

    kind: Any  # pygments has no type for its kinds
    text: str
    line: int
    column: int

    @property
    def is_comment(self) -> bool:
        """Return whether the token is a comment; a shebang is none."""
        return self.kind in Comment and self.kind not in Comment.Preproc


def lexemes(text: str) -> Iterator[Lexeme]:
    """Split Lua code whose lines end in ``\\n``. The lexemes joined are the text.

    >>> [lexeme.text for lexeme in lexemes("x = f(1) -- one")]
    ['x', ' ', '=', ' ', 'f', '(', '1', ')', ' ', '-- one']
    """
    line, line_start = 1, 0
    for start, kind, part in Lua51Lexer().get_tokens_unprocessed(text):
        yield Lexeme(kind, part, line, start - line_start)
        if "\n" in part:
            line += part.count("\n")
            line_start = start + part.rindex("\n") + 1
