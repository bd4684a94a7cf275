"""Answers as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from pygraph_nn import GraphError

from .answer import Answer, Section
from .figure import Figure
from .introduction import INTRODUCTION, TITLE

MOST_LINES = 12
"""An output with more lines is folded away."""

SaveFigure = Callable[[str, str], str]
"""``save(name, svg)`` stores a drawing and returns the link to it."""


def short_markdown(answers: Mapping[str, Answer]) -> str:
    """Write the answers in one sentence each, as Markdown."""
    parts = [f"# {TITLE}"]
    for answer in answers.values():
        parts += [f"## {answer.title}", f"*{answer.question}*", f"**{answer.short}**"]
    return "\n\n".join(parts) + "\n"


def markdown(answers: Mapping[str, Answer], save: SaveFigure | None = None) -> str:
    """Write the answers as Markdown. Without `save`, a note replaces each drawing."""
    parts = [f"# {TITLE}", INTRODUCTION]
    for name, answer in answers.items():
        parts += [f"## {answer.title}", f"*{answer.question}*", f"**{answer.short}**"]
        parts.append(answer.statement)
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
        yield _folded("The code", f"```python\n{section.code}\n```")
    if section.output:
        printed = f"```text\n{section.output}\n```"
        yield _folded("What it prints", printed) if is_long(section) else f"It prints:\n\n{printed}"


def is_long(section: Section) -> bool:
    """Return whether the output of a section is so long that a page folds it away."""
    return section.output.count("\n") >= MOST_LINES


def _folded(title: str, text: str) -> str:
    """Return `text` folded away below its title, as Markdown viewers show it."""
    lines = text.count("\n") - 1
    return f"<details><summary>{title}: {lines} lines</summary>\n\n{text}\n\n</details>"


def _figure(figure: Figure, name: str, save: SaveFigure | None) -> str:
    if save is None:
        return f"*(A picture is here when this is written to a file: {figure.caption})*"
    try:
        return f"![{figure.caption}]({save(name, figure.svg())})\n\n*{figure.caption}*"
    except GraphError as error:
        return f"*(No picture of: {figure.caption} {error})*"
