"""Reading Lua: functions, comments and errors."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zaremba_port.assignment.lua_comparison.lua_source import read_lua


def places(text: str) -> list[tuple[str, int, int, int]]:
    file = read_lua("x.lua", text)
    assert file.problems == []
    return [(f.name, f.first, f.last, f.depth) for f in file.functions]


@pytest.mark.parametrize(
    ("text", "functions"),
    [
        ("", []),
        ("function f() end", [("f", 1, 1, 0)]),
        ("local function f()\nend", [("f", 1, 2, 0)]),
        ("local f = function() end", [("f", 1, 1, 0)]),
        ("function a.b:c() end", [("a.b:c", 1, 1, 0)]),
        ("a.b = function() end", [("a.b", 1, 1, 0)]),
        ("t['x'] = function() end", [("", 1, 1, 0)]),
        ("a, b = function() end, 1", [("", 1, 1, 0)]),
        ("t = {a = 1, b = function() end}", [("b", 1, 1, 0)]),
        ("f(function() end)", [("", 1, 1, 0)]),
        ("function f()\nlocal g = function() end\nend", [("f", 1, 3, 0), ("g", 2, 2, 1)]),
        ("function --[[ x ]] f() end", [("f", 1, 1, 0)]),
        ("s = 'function f() end'", []),
        ('s = "a \\" function f() end"', []),
        ('s = "a \\z\n   end"\nfunction f() end', [("f", 3, 3, 0)]),
        ("s = 'a \\\nend'\nfunction f() end", [("f", 3, 3, 0)]),
        ("s = [[\nend ]=] 'function' \n]]\nfunction f() end", [("f", 4, 4, 0)]),
        ("s = [==[ ]] ]=] end ]==] function f() end", [("f", 1, 1, 0)]),
        ("-- function g()\nfunction f() end", [("f", 2, 2, 0)]),
        ("--[[ function g()\n]] function f() end", [("f", 2, 2, 0)]),
        ("--[==[ ]]\nend ]==]\nfunction f() end", [("f", 3, 3, 0)]),
        ("---[[ one line\nfunction f() end", [("f", 2, 2, 0)]),
        ("#!/usr/bin/env th\nfunction f() end", [("f", 2, 2, 0)]),
        ("do function f() end end", [("f", 1, 1, 0)]),
        ("function f() for i = 1, 2 do while x do end end end", [("f", 1, 1, 0)]),
        ("function f() repeat local a until b end", [("f", 1, 1, 0)]),
        ("function f() if a then elseif b then else end end", [("f", 1, 1, 0)]),
        ("function f() while (function() end)() do end end", [("f", 1, 1, 0), ("", 1, 1, 1)]),
        ("x =-- function g()\nfunction f() end", [("f", 2, 2, 0)]),
        ("x = a:b{function() end}", [("", 1, 1, 0)]),
        ("x = a.b < c and (function() end)() > d", [("", 1, 1, 0)]),
        ("größe = function() end", [("größe", 1, 1, 0)]),
        ("string.trim = function() end", [("string.trim", 1, 1, 0)]),
        ("goto f ::f:: function f() end", [("f", 1, 1, 0)]),
        ("x = a.function_ and endless\r\nfunction f()\rend", [("f", 2, 3, 0)]),
        ("x = 1..2 .. 0xFp3 .. 1e-5 .. a[b[1]] // 2 ~= 3ULL", []),
    ],
)
def test_functions_are_found(text: str, functions: list[Any]) -> None:
    assert places(text) == functions


@pytest.mark.parametrize(
    ("text", "problem", "functions"),
    [
        ("function f()\n", "line 1: the 'function' which begins here has no 'end'", []),
        ("end", "line 1: 'end' closes nothing", []),
        ("function f() end end", "'end' closes nothing", ["f"]),
        ("function f( end", "'end' where the '(' of line 1 needs ')'", []),
        ("if x else end", "'else' where the 'if' of line 1 needs 'then'", []),
        ("for i = 1, 2 end", "'end' where the 'for' of line 1 needs 'do'", []),
        ("s = 'half\nfunction f() end", "line 1: a string which begins with '", ["f"]),
        ("s = [[half\nfunction f() end", "line 1: a string which begins with [[", ["f"]),
        ("--[==[half\nfunction f() end", "line 1: a comment which begins with --[==[", ["f"]),
        ("function f() end ? x", "line 1: the character '?' means nothing", ["f"]),
        ("function f() if x then end\nfunction g() end", "line 1: the 'function'", ["g"]),
        ("function f() )\nlocal function g() end\n", "line 1: ')'", ["g"]),
        ("f = function if end end", "line 1: 'end' where the 'if'", []),
        ("x = y.\nend\nfunction f() end", "line 2: 'end' closes nothing", ["f"]),
    ],
)
def test_errors_are_reported_and_the_rest_is_read(
    text: str, problem: str, functions: list[str]
) -> None:
    file = read_lua("x.lua", text)
    assert problem in file.problems[0]
    assert file.problems[0].startswith("x.lua, line ")
    assert [f.name for f in file.functions] == functions


def test_comments_above_belong_to_a_function() -> None:
    file = read_lua("x.lua", "local a\n\n-- one\n--[[ two\n three ]]\nfunction f()\nend\nreturn a")
    assert file.top(file.functions[0]) == 3
    assert file.outside() == [1, 2, 8]
    assert "".join(file.code[2:5]).strip() == ""


pieces = st.sampled_from(
    "function end if then else elseif for while do repeat until local return f x = ( ) [ ] { } "
    "'a' \" ' [[ ]] [==[ ]==] --[[ -- \\ 1 .5 0x .. ... : , ; ~= \0 é".split(" ")
)


@settings(max_examples=300, deadline=None)
@given(st.lists(pieces | st.sampled_from([" ", "\n", "\r\n"]) | st.text(max_size=5)))
def test_any_text_can_be_read(parts: list[str]) -> None:
    file = read_lua("x.lua", "".join(part + " " * (len(part) % 2) for part in parts))
    assert len(file.code) == len(file.lines)
    for function in file.functions:
        assert 1 <= file.top(function) <= function.first <= function.last <= len(file.lines)
        assert "function" in file.code[function.first - 1]
        assert "end" in file.code[function.last - 1]


names = st.text(string.ascii_lowercase, min_size=1, max_size=8).map(lambda name: f"f_{name}")
simple = st.sampled_from([
    "x = x + 1", "-- end function", "s = 'end'", "t = {1, {2}, [3] = 4}", "s = [[ if then\n end ]]",
    "--[=[ function\n ]] ]=]", 's = "\\" do"', "g(1, (2))", "local a, b = ...", "return;",
])  # fmt: skip


def in_a_block(body: str) -> st.SearchStrategy[str]:
    return st.sampled_from([
        f"if a then\n{body}\nelseif b then\n{body}\nelse\n{body}\nend", f"while a do\n{body}\nend",
        f"for i = 1, 2 do\n{body}\nend", f"repeat\n{body}\nuntil b", f"do {body}\nend",
        f"g(function(...)\n{body}\nend)", f"local function inner()\n{body}\nend",
    ])  # fmt: skip


bodies = st.recursive(simple, lambda inner: inner.flatmap(in_a_block), max_leaves=6)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(names, bodies, st.sampled_from("abc")), unique_by=lambda f: f[0]))
def test_generated_functions_are_found(functions: list[tuple[str, str, str]]) -> None:
    text, expected = "", []
    for name, body, form in functions:
        head = {
            "a": f"local function {name}(x)",
            "b": f"function {name}(...)",
            "c": f"local {name} = function()",
        }[form]
        first = text.count("\n") + 1
        text += f"{head}\n{body}\nend\n"
        expected.append((name, first, text.count("\n")))
    file = read_lua("x.lua", text)
    assert file.problems == []
    assert [(f.name, f.first, f.last) for f in file.outermost()] == expected
