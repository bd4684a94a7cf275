"""The functions of Lua code that may contain errors.

Pygments splits code into tokens but knows no grammar. This module follows the words and brackets
that open and close blocks, to find the ``end`` of each ``function``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pygments.token import Error, Name

from .lua_lexer import Lexeme

# The word that ends a block, or that begins its body after `if` and `for`.
_AWAITED = {
    "(": ")", "[": "]", "{": "}", "function": "end", "repeat": "until",
    "if": "then", "elseif": "then", "then": "end", "else": "end",
    "for": "do", "while": "do", "do": "end",
}  # fmt: skip
_OPENING = {"(", "[", "{", "function", "repeat", "if", "for", "while"}
_WORDS = {*_AWAITED, *_AWAITED.values()}


@dataclass(frozen=True)
class LuaFunction:
    """A function from the line of its ``function`` to that of its ``end``.

    Attributes:
        name: ``f``, ``t.f`` or ``t:f``, as defined or assigned to; empty for an anonymous one.
        first, last: lines, counted from 1.
        depth: the number of functions around it.
    """

    name: str
    first: int
    last: int
    depth: int


def find_functions(lexemes: Sequence[Lexeme]) -> tuple[list[LuaFunction], list[str]]:
    """Find the functions and the errors in the blocks.

    After an error the search resumes at the next line that begins with ``function`` or
    ``local function``.

    Returns:
        The functions in the order in which they begin, and one line for each error.
    """
    code = [lexeme for lexeme in lexemes if not (lexeme.is_comment or lexeme.text.isspace())]
    functions: list[LuaFunction] = []
    problems: list[str] = []
    start: int | None = 0
    while start is not None:
        blocks = _Blocks(code)
        try:
            blocks.follow(start)
            start = None
        except _BlockError as error:
            problems.append(f"line {code[error.index].line}: {error}")
            start = _next_function(code, blocks.outermost(error.index))
        functions += [function for _, function in sorted(blocks.functions.items())]
    return functions, problems


class _BlockError(Exception):
    """An error at the lexeme `index`."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


@dataclass
class _Block:
    """An open block.

    Attributes:
        word: the word that began it or its current part: `if`, later `then` or `else`.
        opener: the index of the lexeme that opened it.
    """

    word: str
    opener: int


@dataclass
class _Blocks:
    """The open blocks at a place in the code.

    Attributes:
        functions: the functions that ended before that place, by the index of their ``function``.
    """

    code: Sequence[Lexeme]
    open: list[_Block] = field(default_factory=list)
    functions: dict[int, LuaFunction] = field(default_factory=dict)

    def outermost(self, default: int) -> int:
        """Return the index of the lexeme that opened the outermost open block."""
        return self.open[0].opener if self.open else default

    def follow(self, start: int) -> None:
        """Read the code from `start` to its end.

        Raises:
            _BlockError: a lexeme does not fit. Functions inside the open blocks are dropped, since
                it is unclear where these blocks end.
        """
        try:
            for index in range(start, len(self.code)):
                self._read(index)
            if self.open:
                block = self.open[0]
                opener = self.code[block.opener].text
                message = f"the {opener!r} which begins here has no {_AWAITED[block.word]!r}"
                raise _BlockError(block.opener, message)
        except _BlockError as error:
            end = self.outermost(error.index)
            self.functions = {i: f for i, f in self.functions.items() if i < end}
            raise

    def _read(self, index: int) -> None:
        lexeme = self.code[index]
        if lexeme.kind in Error:
            raise _BlockError(index, _meaning_of_error(lexeme.text))
        word = lexeme.text
        if word not in _WORDS:
            return
        block = self.open[-1] if self.open else None
        awaited = _AWAITED[block.word] if block else ""
        if word in _OPENING or (word == "do" and awaited != "do"):
            self.open.append(_Block(word, index))
        elif block and (word == awaited in ("then", "do") or _is_branch(word, block)):
            block.word = word
        elif not block or word != awaited:
            raise _BlockError(index, self._misfit(word))
        else:
            self._close(index)

    def _close(self, index: int) -> None:
        block = self.open.pop()
        if block.word == "function":
            inside_table = bool(self.open) and self.open[-1].word == "{"
            name = _function_name(self.code, block.opener, inside_table)
            depth = sum(outer.word == "function" for outer in self.open)
            first, last = self.code[block.opener].line, self.code[index].line
            self.functions[block.opener] = LuaFunction(name, first, last, depth)

    def _misfit(self, word: str) -> str:
        if not self.open:
            return f"{word!r} closes nothing"
        block = self.open[-1]
        opener = self.code[block.opener]
        return (
            f"{word!r} where the {opener.text!r} of line {opener.line} "
            f"needs {_AWAITED[block.word]!r}"
        )


def _is_branch(word: str, block: _Block) -> bool:
    return word in ("else", "elseif") and block.word == "then"


def _meaning_of_error(text: str) -> str:
    if text in ('"', "'"):
        return f"a string which begins with {text} does not end on its line"
    if text.startswith("--"):
        return f"a comment which begins with {text} does not end"
    if text.startswith("["):
        return f"a string which begins with {text} does not end"
    return f"the character {text!r} means nothing in Lua"


def _function_name(code: Sequence[Lexeme], index: int, inside_table: bool) -> str:
    """Return the name after ``function``, or the name before the ``=`` in front of it."""
    after = code[index + 1 : index + 41]
    before = list(reversed(code[max(0, index - 40) : index]))
    name = "".join(_leading_name(after))
    if name or not before or before[0].text != "=":
        return name
    parts = _leading_name(before[1:])
    is_one_of_several = [lexeme.text for lexeme in before[1:][len(parts) :][:1]] == [","]
    return "" if is_one_of_several and not inside_table else "".join(reversed(parts))


def _leading_name(code: Sequence[Lexeme]) -> list[str]:
    """Return the leading lexemes that form a name such as ``a.b:c``."""
    parts: list[str] = []
    for lexeme in code:
        if len(parts) % 2 == 0:
            if lexeme.kind not in Name or lexeme.text in _WORDS:
                break
        elif lexeme.text not in (".", ":"):
            break
        parts.append(lexeme.text)
    return parts if len(parts) % 2 else parts[:-1]


def _next_function(code: Sequence[Lexeme], after: int) -> int | None:
    """Find the next ``function`` or ``local function`` at the beginning of a line."""
    for index in range(after + 1, len(code)):
        before, lexeme = code[index - 1], code[index]
        if lexeme.text == "function":
            begin = before if before.text == "local" and before.line == lexeme.line else lexeme
            if begin.column == 0:
                return index
    return None
