"""The answers as one self-contained HTML page."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from jinja2 import Environment
from markupsafe import Markup
from pygments.lexers import PythonLexer

from pygraph_nn import GraphError

from ..markup import environment, highlighted
from .answer import Answer
from .figure import Figure
from .introduction import INTRODUCTION, TITLE
from .markdown import is_long


def html_page(answers: Mapping[str, Answer], *, short: bool = False) -> str:
    """Write the answers as an HTML document for light and dark screens.

    Without Graphviz, a note replaces each drawing. With `short` each answer is one sentence.
    """
    template = _templates().get_template("answers.html")
    return template.render(title=TITLE, introduction=INTRODUCTION, answers=answers, short=short)


@functools.cache
def _templates() -> Environment:
    templates = environment(__package__)
    templates.filters |= {"python": _python, "draw": _draw, "is_long": is_long}
    return templates


def _python(code: str) -> Markup:
    return highlighted(code, PythonLexer)


@dataclass(frozen=True)
class _Drawing:
    svg: Markup | None
    problem: str = ""  # why there is none


def _draw(figure: Figure, prefix: str) -> _Drawing:
    try:
        return _Drawing(figure.inline_svg(prefix))
    except GraphError as error:
        return _Drawing(None, str(error))
