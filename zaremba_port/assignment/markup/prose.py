"""Prose in a subset of Markdown: paragraphs, lists, indented formulas, `code` and **bold**.

markdown-it-py parses it. Nothing else has a meaning, so that a formula such as ``a_b * c <d>`` is
plain text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode
from markupsafe import Markup, escape

from .text import printable

_SUPERSCRIPTS = dict(zip("⁰¹²³⁻⁺ˡᵀ", "0123−+lT", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₋₊ₜ", "0123−+t", strict=True))
# Both together, as in hₜ₋₁ˡ: a page sets one above the other.
_INDICES = re.compile(f"([{''.join(_SUBSCRIPTS)}]+)([{''.join(_SUPERSCRIPTS)}]+)")


def prose_html(text: str) -> Markup:
    """Write paragraphs, lists and formulas as HTML."""
    return Markup(_MARKDOWN.render(printable(text)))


def inline_html(text: str) -> Markup:
    """Write one line of prose as HTML, without a paragraph around it.

    >>> print(inline_html("**not** `a < b`"))
    <strong>not</strong> <code>a &lt; b</code>
    """
    return Markup(_MARKDOWN.renderInline(printable(text)))


def prose_tree(text: str) -> SyntaxTreeNode:
    """Parse prose into markdown-it's tree.

    >>> [node.type for node in prose_tree("One\\nparagraph.\\n\\n- a\\n- b\\n\\n      x = 1")]
    ['paragraph', 'bullet_list']
    """
    return SyntaxTreeNode(_MARKDOWN.parse(text))


def _stacked_indices(text: str) -> str:
    def stacked(match: re.Match[str]) -> str:
        below = "".join(_SUBSCRIPTS[c] for c in match[1])
        above = "".join(_SUPERSCRIPTS[c] for c in match[2])
        return f'<span class="indices"><sup>{above}</sup><sub>{below}</sub></span>'

    return _INDICES.sub(stacked, escape(text))


def _text(renderer: object, tokens: Sequence[Token], index: int, *_: object) -> str:
    return _stacked_indices(tokens[index].content)


def _formula(renderer: object, tokens: Sequence[Token], index: int, *_: object) -> str:
    formula = _stacked_indices(tokens[index].content.rstrip("\n"))
    return f'<p class="formula">{formula}</p>\n'


def _parser() -> MarkdownIt:
    parser = MarkdownIt("zero").enable(["code", "list", "backticks", "emphasis", "newline"])
    parser.add_render_rule("text", _text)
    parser.add_render_rule("code_block", _formula)
    return parser


_MARKDOWN = _parser()
