"""Answers as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from pygraph_nn import GraphError

from .answer import Answer, Section
from .figure import Figure
from .introduction import INTRODUCTION, TITLE

SaveFigure = Callable[[str, str], str]
"""``save(name, svg)`` stores a drawing and returns the link to it."""


def markdown(answers: Mapping[str, Answer], save: SaveFigure | None = None) -> str:
    """Write the answers as Markdown. Without `save`, a note replaces each drawing."""
    parts = [f"# {TITLE}", INTRODUCTION]
    for name, answer in answers.items():
        parts += [f"## {answer.title}", f"*{answer.question}*", answer.statement]
        number = 0
        for section in answer.sections:
            parts += _section(section)
            for figure in section.figures:
                number += 1
                parts.append(_figure(figure, f"{name}-{number}", save))
    return "\n\n".join(parts) + "\n"


def _section(section: Section) -> Iterator[str]:
    yield f"### {section.heading}"
    yield section.text
    if section.code:
        yield f"```python\n{section.code}\n```"
    if section.output:
        yield f"It prints:\n\n```text\n{section.output}\n```"


def _figure(figure: Figure, name: str, save: SaveFigure | None) -> str:
    if save is None:
        return f"*(A picture is here when this is written to a file: {figure.caption})*"
    try:
        return f"![{figure.caption}]({save(name, figure.svg())})\n\n*{figure.caption}*"
    except GraphError as error:
        return f"*(No picture of: {figure.caption} {error})*"
