"""Blocks of Lua code, in files that need not be free of errors, and the functions among them.

Pygments splits code into tokens and knows no grammar: which ``end`` belongs to which ``function``
is found here, by following the words and brackets that open and close blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pygments.token import Error, Name

from .lua_lexer import Lexeme

# The word that a block waits for. `if` and `for` first wait for the word that begins their body.
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
    """Find the functions, in the order in which they begin, and what is wrong with the blocks.

    After an error the search goes on at the next line that begins with ``function`` or
    ``local function``. A problem starts with the number of its line.
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
    """`index` is that of the lexeme which does not fit."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


@dataclass
class _Block:
    word: str  # `if` becomes `then`, `else` and so on as its parts come
    opener: int  # the index of the lexeme that opened it


@dataclass
class _Blocks:
    """The blocks that are open at a place of the code, and the functions that ended before it.

    `functions` has each function at the index of its ``function``.
    """

    code: Sequence[Lexeme]
    open: list[_Block] = field(default_factory=list)
    functions: dict[int, LuaFunction] = field(default_factory=dict)

    def outermost(self, default: int) -> int:
        """The index of the lexeme that opened the outermost open block."""
        return self.open[0].opener if self.open else default

    def follow(self, start: int) -> None:
        """Read the code from `start` to its end.

        Raises:
            _BlockError: a lexeme does not fit. The functions inside the blocks that are still open
                are forgotten, since those blocks may end anywhere.
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
    """The name after ``function``, or before the ``=`` in front of it."""
    after = code[index + 1 : index + 41]
    before = list(reversed(code[max(0, index - 40) : index]))
    name = "".join(_leading_name(after))
    if name or not before or before[0].text != "=":
        return name
    parts = _leading_name(before[1:])
    is_one_of_several = [lexeme.text for lexeme in before[1:][len(parts) :][:1]] == [","]
    return "" if is_one_of_several and not inside_table else "".join(reversed(parts))


def _leading_name(code: Sequence[Lexeme]) -> list[str]:
    """The lexemes of ``a.b:c`` at the front, names and signs in turn."""
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
    """The next ``function`` or ``local function`` that begins a line: there a function starts."""
    for index in range(after + 1, len(code)):
        before, lexeme = code[index - 1], code[index]
        if lexeme.text == "function":
            begin = before if before.text == "local" and before.line == lexeme.line else lexeme
            if begin.column == 0:
                return index
    return None
