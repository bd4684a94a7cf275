"""A file of Lua code: its lines and its functions with their comments."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .lua_blocks import LuaFunction, find_functions
from .lua_lexer import Lexeme, lexemes


@dataclass(frozen=True)
class LuaFile:
    """A file of Lua code, its lines counted from 1.

    Attributes:
        lines: the text.
        code: the text with every comment replaced by spaces.
        functions: in the order in which they begin.
        problems: the errors in the code, one line each, with file and line.
    """

    name: str
    lines: list[str]
    code: list[str]
    functions: list[LuaFunction]
    problems: list[str]

    def outermost(self) -> list[LuaFunction]:
        """Return the functions that are inside no other."""
        return [function for function in self.functions if function.depth == 0]

    def top(self, function: LuaFunction) -> int:
        """Return the first line of a function, including a comment directly above it."""
        top = function.first
        while top > 1 and self.lines[top - 2].strip() and not self.code[top - 2].strip():
            top -= 1
        return top

    def outside(self) -> list[int]:
        """Return the lines that belong to no function."""
        inside = {n for f in self.outermost() for n in range(self.top(f), f.last + 1)}
        return [n for n in range(1, len(self.lines) + 1) if n not in inside]


def read_lua(name: str, text: str) -> LuaFile:
    """Find the functions of `text`, including those after an error in the code.

    >>> file = read_lua("twice.lua", "local function twice(x)\\n  return 2 * x\\nend\\n")
    >>> file.functions
    [LuaFunction(name='twice', first=1, last=3, depth=0)]
    >>> read_lua("half.lua", "function half(x)\\n").problems
    ["half.lua, line 1: the 'function' which begins here has no 'end'"]
    """
    text = re.sub(r"\r\n?", "\n", text)
    all_lexemes = list(lexemes(text))
    functions, problems = find_functions(all_lexemes)
    return LuaFile(
        name,
        lines=_lines(text),
        code=_lines("".join(map(_without_comment, all_lexemes))),
        functions=functions,
        problems=[f"{name}, {problem}" for problem in problems],
    )


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


def _without_comment(lexeme: Lexeme) -> str:
    return re.sub(r"[^\n]", " ", lexeme.text) if lexeme.is_comment else lexeme.text
