"""Answers as text for a terminal, and as Markdown."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from pygraph_nn import GraphError

from .answer import Answer, Picture, Section

TITLE = "The assignment's questions, answered"
INTRODUCTION = (
    "Each answer is stated, and then shown by code that ran when this was written. What it printed "
    "stands below. `claim` prints what it is told and raises an error where that does not hold; "
    "`normal` draws normal numbers, `array` makes a tensor NumPy's, `apart` is the largest "
    "absolute difference, `slope` a gradient by finite differences. Numbers are in double "
    "precision, where rounding makes differences of about 1e-16."
)


def blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    """The parts of a section's prose: ("paragraph", [text]), ("list", items), ("formula", lines).

    >>> list(blocks("One\\nparagraph.\\n\\n- a\\n- b\\n  c\\n\\n    x = 1"))
    [('paragraph', ['One paragraph.']), ('list', ['a', 'b c']), ('formula', ['x = 1'])]
    """
    for part in re.split(r"\n{2,}", text.strip("\n")):
        if part.startswith("    "):
            yield "formula", textwrap.dedent(part).split("\n")
        elif part.startswith("- "):
            items = re.split(r"^- ", part, flags=re.MULTILINE)[1:]
            yield "list", [" ".join(item.split()) for item in items]
        else:
            yield "paragraph", [" ".join(part.split())]


INLINE = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")


# Terminal


def print_answer(answer: Answer, console: Console) -> None:
    """Print `answer`: in colour on a terminal, plain where the output goes elsewhere."""
    width = min(console.width, 96) if console.is_terminal else 96

    def line(text: str | Text = "", style: str = "") -> None:
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    line(answer.title, "bold")
    line("=" * len(answer.title), "bold")
    line()
    _print_prose(answer.question, line, width, "italic")
    _print_prose(answer.statement, line, width)
    for section in answer.sections:
        line(section.heading, "bold")
        line("-" * len(section.heading), "bold")
        line()
        _print_prose(section.text, line, width)
        if section.code and console.is_terminal:
            console.print(Syntax(section.code, "python", background_color="default"))
            line()
        elif section.code:
            line(_indented(section.code) + "\n")
        if section.output:
            line("It prints:\n")
            line(_indented(section.output) + "\n", "green")
        for picture in section.pictures:
            line(f"[picture, with --html or --markdown -o FILE: {picture.caption}]\n", "dim")


def _print_prose(text: str, line: Callable[[Text, str], None], width: int, style: str = "") -> None:
    for kind, lines in blocks(text):
        if kind == "formula":
            line(Text(_indented("\n".join(lines))), "")
        for item in lines if kind != "formula" else []:
            first, rest = ("- ", "  ") if kind == "list" else ("", "")
            filled = textwrap.fill(
                item, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
            )
            line(_styled(filled), style)
        line(Text(), "")


def _styled(text: str) -> Text:
    """`text` with its `code` and **bold** parts in styles, which only a terminal shows."""
    made, end = Text(), 0
    for found in INLINE.finditer(text):
        made.append(text[end : found.start()])
        code, bold = found.groups()
        made.append(*((found[0], "cyan") if code else (bold, "bold")))
        end = found.end()
    return made.append(text[end:])


def _indented(text: str) -> str:
    return textwrap.indent(text, "    ")


# Markdown


def markdown(answers: Mapping[str, Answer], save: Callable[[str, str], str] | None = None) -> str:
    """The answers as Markdown.

    ``save(name, svg)`` keeps a picture and gives the link to it; without `save` a note stands in
    the place of each picture.
    """
    parts = [f"# {TITLE}", INTRODUCTION]
    for name, answer in answers.items():
        parts += [f"## {answer.title}", f"*{answer.question}*", answer.statement]
        number = 0
        for section in answer.sections:
            parts += _markdown_section(section)
            for picture in section.pictures:
                number += 1
                parts.append(_markdown_picture(picture, f"{name}-{number}", save))
    return "\n\n".join(parts) + "\n"


def _markdown_section(section: Section) -> Iterator[str]:
    yield f"### {section.heading}"
    yield section.text
    if section.code:
        yield f"```python\n{section.code}\n```"
    if section.output:
        yield f"It prints:\n\n```text\n{section.output}\n```"


def _markdown_picture(picture: Picture, name: str, save: Callable[[str, str], str] | None) -> str:
    if save is None:
        return f"*(A picture is here when this is written to a file: {picture.caption})*"
    try:
        return f"![{picture.caption}]({save(name, picture.svg())})\n\n*{picture.caption}*"
    except GraphError as error:
        return f"*(No picture of: {picture.caption} {error})*"
