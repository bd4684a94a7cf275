"""Reading Lua: its functions and where they stand, in files that need not be free of errors."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True)
class LuaFunction:
    """Where a function stands, in lines counted from 1, both ends included.

    Attributes:
        name: ``f``, ``t.f`` or ``t:f``, as defined or assigned to; empty for an anonymous one.
        first, last: the lines of its ``function`` and of its ``end``.
        depth: how many functions it stands in.
        top: the first line of the comment right above it; `first` where there is none.
    """

    name: str
    first: int
    last: int
    depth: int
    top: int


@dataclass(frozen=True)
class LuaFile:
    """A file of Lua code.

    Attributes:
        name: of the file.
        lines: its text.
        code: the same with spaces in the place of comments.
        functions: in the order in which they begin.
        problems: what is wrong with the code, one line each, with its place.
    """

    name: str
    lines: list[str]
    code: list[str]
    functions: list[LuaFunction]
    problems: list[str]

    def outermost(self) -> list[LuaFunction]:
        """The functions that stand in no other."""
        return [function for function in self.functions if function.depth == 0]

    def outside(self) -> list[int]:
        """The lines, from 1, that belong to no function."""
        inside = {n for f in self.outermost() for n in range(f.top, f.last + 1)}
        return [n for n in range(1, len(self.lines) + 1) if n not in inside]


def read_lua(name: str, text: str) -> LuaFile:
    """Find the functions of `text`. What cannot be read is reported, and the rest is read on.

    >>> file = read_lua("twice.lua", "local function twice(x)\\n  return 2 * x\\nend\\n")
    >>> file.functions
    [LuaFunction(name='twice', first=1, last=3, depth=0, top=1)]
    >>> read_lua("half.lua", "function half(x)\\n").problems
    ["half.lua, line 1: the 'function' which begins here has no 'end'"]
    """
    text = re.sub(r"\r\n?", "\n", text)
    lines = text.removesuffix("\n").split("\n") if text else []
    tokens = list(_tokens(text))
    code = _without_comments(text, tokens).removesuffix("\n").split("\n") if text else []
    found: list[_Found] = []
    problems: list[str] = []
    start: int | None = 0
    while start is not None:
        part = _read_blocks(tokens, start)
        found += part.functions
        if part.problem:
            problems.append(f"{name}, {part.problem}")
        start = _next_start(text, tokens, part.resume) if part.resume is not None else None
    functions = [
        LuaFunction(f.name, f.first, f.last, f.depth, _comment_above(lines, code, f.first))
        for f in sorted(found, key=lambda f: f.token)
    ]
    return LuaFile(name, lines, code, functions, problems)


class _Token(NamedTuple):
    kind: str  # "name", "value", "sign", "comment" or "bad"
    text: str
    start: int
    end: int
    line: int


_LONG_BRACKET = re.compile(r"(?:--)?\[(=*)\[")
_TOKEN = re.compile(
    r"""
      (?P<comment> --[^\n]* )
    | (?P<value>
          "(?: \\z\s* | \\. | [^"\\\n] )*"
        | '(?: \\z\s* | \\. | [^'\\\n] )*'
        | (?: 0[xX][\da-fA-F]*\.?[\da-fA-F]+(?:[pP][+-]?\d+)?
            | (?: \d+(?:\.(?!\.)\d*)? | \.\d+ )(?:[eE][+-]?\d+)? )[uUlLiI]*
      )
    | (?P<name> [^\W\d]\w* )
    | (?P<sign> \.\.\. | \.\. | [=~<>]= | :: | // | << | >> | [-+*/%^#&~|<>=(){}\[\];:,.] )
    | (?P<bad> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_SPACE = re.compile(r"\s*")


def _tokens(text: str) -> Iterator[_Token]:
    line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
    never_closed: set[str] = set()
    position = text.find("\n") % (len(text) + 1) if text.startswith("#") else 0
    while (position := _end_of(_SPACE, text, position)) < len(text):
        kind, end = "", -1
        if opening := _LONG_BRACKET.match(text, position):
            closing = f"]{opening[1]}]"
            if closing not in never_closed:
                end = text.find(closing, opening.end())
            if end >= 0:
                kind = "comment" if text[position] == "-" else "value"
                end += len(closing)
            else:
                never_closed.add(closing)
                kind, end = "bad", opening.end()
        elif match := _TOKEN.match(text, position):
            kind, end = str(match.lastgroup), match.end()
        token = text[position:end]
        yield _Token(kind, token, position, end, bisect_right(line_starts, position))
        position = end


def _end_of(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position


def _without_comments(text: str, tokens: Sequence[_Token]) -> str:
    parts, position = [], 0
    for token in tokens:
        if token.kind == "comment":
            parts += [text[position : token.start], re.sub(r"[^\n]", " ", token.text)]
            position = token.end
    return "".join([*parts, text[position:]])


def _comment_above(lines: Sequence[str], code: Sequence[str], first: int) -> int:
    top = first
    while top > 1 and lines[top - 2].strip() and not code[top - 2].strip():
        top -= 1
    return top


class _Found(NamedTuple):
    name: str
    first: int
    last: int
    depth: int
    token: int


@dataclass
class _Part:
    """What was read from one place on: `resume` is the token after which to try again."""

    functions: list[_Found] = field(default_factory=list)
    problem: str = ""
    resume: int | None = None


@dataclass
class _Block:
    kind: str
    token: int


# What a block waits for. `if` and `for` first wait for the word that begins their body.
_CLOSING = {
    "(": ")", "[": "]", "{": "}", "function": "end", "repeat": "until",
    "if": "then", "elseif": "then", "then": "end", "else": "end",
    "for": "do", "while": "do", "do": "end",
}  # fmt: skip
_OPENING = {"(", "[", "{", "function", "repeat", "if", "for", "while"}
_WORDS = {*_CLOSING, *_CLOSING.values()}
_KEYWORDS = {
    *(word for word in _WORDS if word.isalpha()),
    *"and break false goto in local nil not or return true".split(),
}


def _read_blocks(tokens: Sequence[_Token], start: int) -> _Part:
    part, blocks = _Part(), list[_Block]()

    def stop(index: int, message: str) -> _Part:
        """The functions before the trouble, which begins where the outermost open block does."""
        begin = blocks[0].token if blocks else index
        part.functions = [found for found in part.functions if found.token < begin]
        part.problem = f"line {tokens[index].line}: {message}"
        part.resume = begin
        return part

    for index in range(start, len(tokens)):
        token = tokens[index]
        if token.kind == "bad":
            return stop(index, _what_is_bad(token.text))
        word = token.text if token.kind in ("name", "sign") else ""
        if word not in _WORDS:
            continue
        block = blocks[-1] if blocks else None
        awaited = _CLOSING[block.kind] if block else ""
        if word in _OPENING or (word == "do" and awaited != "do"):
            blocks.append(_Block(word, index))
        elif block and (word == awaited in ("then", "do") or _is_branch(word, block)):
            block.kind = word
        elif not block or word != awaited:
            message = f"{word!r} closes nothing"
            if block:
                opener = tokens[block.token]
                message = f"{word!r} where the {opener.text!r} of line {opener.line}"
                message += f" needs {awaited!r}"
            return stop(index, message)
        else:
            blocks.pop()
            if block.kind == "function":
                inside_table = bool(blocks) and blocks[-1].kind == "{"
                name = _function_name(tokens, block.token, inside_table)
                depth = sum(outer.kind == "function" for outer in blocks)
                first = tokens[block.token].line
                part.functions.append(_Found(name, first, token.line, depth, block.token))
    if blocks:
        first_open = tokens[blocks[0].token]
        missing = _CLOSING[blocks[0].kind]
        message = f"the {first_open.text!r} which begins here has no {missing!r}"
        return stop(blocks[0].token, message)
    return part


def _is_branch(word: str, block: _Block) -> bool:
    return word in ("else", "elseif") and block.kind == "then"


def _what_is_bad(text: str) -> str:
    if text in ('"', "'"):
        return f"a string which begins with {text} does not end on its line"
    if text.startswith("--"):
        return f"a comment which begins with {text} does not end"
    if text.startswith("["):
        return f"a string which begins with {text} does not end"
    return f"the character {text!r} means nothing in Lua"


def _function_name(tokens: Sequence[_Token], index: int, inside_table: bool) -> str:
    """The name after ``function``, or before the ``=`` in front of it."""
    code = [token for token in tokens[max(0, index - 40) : index] if token.kind != "comment"]
    after = [token for token in tokens[index + 1 : index + 41] if token.kind != "comment"]
    name = "".join(_leading_name(after))
    if name or not code or code[-1].text != "=":
        return name
    before = list(reversed(code[:-1]))
    parts = _leading_name(before)
    is_one_of_several = [token.text for token in before[len(parts) :][:1]] == [","]
    return "" if is_one_of_several and not inside_table else "".join(reversed(parts))


def _leading_name(tokens: Sequence[_Token]) -> list[str]:
    """The tokens of ``a.b:c`` at the front, names and signs in turn."""
    parts: list[str] = []
    for token in tokens:
        if len(parts) % 2 == 0:
            if token.kind != "name" or token.text in _KEYWORDS:
                break
        elif token.text not in (".", ":"):
            break
        parts.append(token.text)
    return parts if len(parts) % 2 else parts[:-1]


def _next_start(text: str, tokens: Sequence[_Token], after: int) -> int | None:
    """The next ``function`` or ``local function`` that begins a line: there a function starts."""
    for index in range(after + 1, len(tokens)):
        token = tokens[index]
        if token.text == "function" and token.kind == "name":
            has_local = tokens[index - 1].text == "local"
            begin = tokens[index - 1].start if has_local else token.start
            if begin == 0 or text[begin - 1] == "\n":
                return index
    return None
