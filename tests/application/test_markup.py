"""Templates, prose and highlighted code as HTML."""

from __future__ import annotations

import html
import re
from pathlib import Path

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygments.lexers import PythonLexer

from zaremba_port.assignment.lua_comparison.lua_lexer import Lua51Lexer
from zaremba_port.assignment.markup import (
    environment,
    highlighted,
    highlighted_lines,
    inline_html,
    printable,
    prose_html,
)

SOURCES = sorted(Path(__file__).parents[2].glob("zaremba_port/**/*.py"))


def text_of(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", markup))


# Code


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_highlighting_keeps_the_code(path: Path) -> None:
    code = path.read_text(encoding="utf-8")
    assert text_of(highlighted(code, PythonLexer)) == code
    lines = highlighted_lines(code, PythonLexer)
    assert [text_of(line) for line in lines] == code.split("\n")
    for line in lines:
        assert line.count("<span") == line.count("</span>")
        assert not re.match("<span[^>]*> ", line), "indentation belongs to no span"


@given(st.text() | st.text("-[]=\"'\\ \nax"))
def test_highlighting_keeps_any_lua_code(code: str) -> None:
    code = code.replace("\r", "\n").removeprefix("\ufeff")
    lines = highlighted_lines(code, Lua51Lexer)
    assert [text_of(line) for line in lines] == printable(code).split("\n")


def test_tokens_that_have_a_colour() -> None:
    assert highlighted("x < 1  # <b>", PythonLexer) == (
        'x &lt; <span class="m">1</span>  <span class="c"># &lt;b&gt;</span>'
    )


# Prose


def test_indices_above_each_other() -> None:
    assert inline_html("hₜ₋₁ˡ and `a<b`, **so** cₜˡ") == (
        'h<span class="indices"><sup>l</sup><sub>t−1</sub></span> and <code>a&lt;b</code>, '
        '<strong>so</strong> c<span class="indices"><sup>l</sup><sub>t</sub></span>'
    )


def test_prose_has_paragraphs_lists_and_formulas() -> None:
    text = "One\nparagraph.\n\n- `a`\n- b\n  c\n\nThen:\n\n    x = 1 * y < z\n    hₜˡ = x_1 * y_1"
    assert prose_html(text) == (
        "<p>One\nparagraph.</p>\n"
        "<ul>\n<li><code>a</code></li>\n<li>b\nc</li>\n</ul>\n"
        "<p>Then:</p>\n"
        '<p class="formula">x = 1 * y &lt; z\n'
        'h<span class="indices"><sup>l</sup><sub>t</sub></span> = x_1 * y_1</p>\n'
    )


@pytest.mark.parametrize(
    "text", ["<b>no</b> & <!-- --> &amp; \0", "# no", "[a](b)", "a_b_c", "\\*"]
)
def test_nothing_else_in_prose_is_markup(text: str) -> None:
    assert re.sub("<.*?>", "", prose_html(text)) == html.escape(printable(text)) + "\n"


# Templates


def test_templates_escape_text_and_refuse_unknown_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets = tmp_path / "some_package" / "assets"
    assets.mkdir(parents=True)
    (assets.parent / "__init__.py").touch()
    (assets / "a.css").write_text("a > b {}{{ }}")
    (assets / "a.html").write_text("{{ text }} {{ text | inline }} {{ asset('a.css') }}")
    (assets / "b.html").write_text("{{ nothing }}")
    monkeypatch.syspath_prepend(tmp_path)
    templates = environment("some_package")
    page = templates.get_template("a.html").render(text="<`b`>\0")
    assert page == "&lt;`b`&gt;\ufffd &lt;<code>b</code>&gt;\ufffd a > b {}{{ }}"
    with pytest.raises(jinja2.UndefinedError):
        templates.get_template("b.html").render(text="")
    assert "--k:" in str(templates.globals["asset"]("code.css"))  # of the room itself
