"""Source code as HTML, highlighted by pygments.

The classes of the spans are pygments' short names, for example ``k`` for a keyword and ``nf`` for
the name of a function. `code.css` defines their colours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import pygments
from markupsafe import Markup
from pygments.filter import Filter
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer, LexerMeta
from pygments.token import Comment, Keyword, Name, Number, Operator, String, Token

from .text import printable

# Special kinds precede general ones: a docstring is a string, too.
_COLOURED = (
    String.Doc,
    String,
    Number,
    Comment,
    Keyword,
    Operator.Word,
    Name.Function,
    Name.Class,
    Name.Decorator,
    Name.Builtin,
)
_FORMATTER = HtmlFormatter(nowrap=True)
_LINE_STARTS = re.compile(r"(?<=\n)")


class _ColouredKinds(Filter):
    """Reduces tokens to the kinds that have a colour, and separates indentation from them."""

    def filter(
        self, lexer: Lexer, stream: Iterable[tuple[object, str]]
    ) -> Iterator[tuple[object, str]]:
        """Yield the tokens, lines and indentation apart."""
        at_line_start = True
        for kind, text in stream:
            coloured = next((general for general in _COLOURED if kind in general), Token.Text)
            for part in filter(None, _LINE_STARTS.split(printable(text))):
                indent = len(part) - len(part.lstrip(" ")) if at_line_start else 0
                yield Token.Text, part[:indent]
                yield coloured, part[indent:]
                at_line_start = part.endswith("\n")


def highlighted(code: str, language: LexerMeta) -> Markup:
    """Highlight `code`: put its keywords, strings, numbers, comments and some names into spans.

    >>> from pygments.lexers import PythonLexer
    >>> print(highlighted("def f(): return 'a'", PythonLexer))
    <span class="k">def</span> <span class="nf">f</span>(): <span class="k">return</span> ...
    """
    return Markup("\n").join(highlighted_lines(code, language))


def highlighted_lines(code: str, language: LexerMeta) -> list[Markup]:
    """Highlight `code` line by line; no span extends over several lines."""
    lexer = language(stripnl=False, ensurenl=False)
    lexer.add_filter(_ColouredKinds())
    lines = pygments.highlight(code, lexer, _FORMATTER).split("\n")
    return [Markup(line) for line in lines[: code.count("\n") + 1]]
