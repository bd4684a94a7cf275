"""Answers as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from markdown_it.tree import SyntaxTreeNode
from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from ..markup import prose_tree
from .answer import Answer, Section

WIDEST = 96
"""Columns of the widest prose. Code and output are printed as they are."""

_STYLES = {"strong": "bold", "em": "italic"}


def print_answer(answer: Answer, console: Console, *, short: bool = False) -> None:
    """Print `answer`: in colour on a terminal, plain where the output goes elsewhere.

    With `short` the answer in one sentence alone.
    """
    _Printer(console, short).answer(answer)


class _Printer:
    """Prints the parts of an answer on `console`, each followed by a blank line."""

    def __init__(self, console: Console, is_short: bool = False) -> None:
        self.console, self.is_short = console, is_short
        self.width = min(console.width, WIDEST) if console.is_terminal else WIDEST

    def line(self, text: str | Text = "", style: str = "") -> None:
        """Print text as it is, without a blank line after it."""
        self.console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    def answer(self, answer: Answer) -> None:
        """Print an answer."""
        self.heading(answer.title, "=")
        self.prose(answer.question, "italic")
        self.prose(f"**{answer.short}**")
        if self.is_short:
            return
        self.prose(answer.statement)
        for section in answer.sections:
            self.section(section)

    def section(self, section: Section) -> None:
        """Print a section."""
        self.heading(section.heading, "-")
        self.prose(section.text)
        if section.code and self.console.is_terminal:
            self.console.print(Syntax(section.code, "python", background_color="default"))
            self.line()
        elif section.code:
            self.line(_indented(section.code) + "\n")
        if section.output:
            self.line("It prints:\n")
            self.line(_indented(section.output) + "\n", "green")
        for figure in section.figures:
            self.line(f"[picture, with --html or --markdown -o FILE: {figure.caption}]\n", "dim")

    def heading(self, text: str, underline: str) -> None:
        """Print a heading and underline it."""
        self.line(text, "bold")
        self.line(underline * len(text), "bold")
        self.line()

    def prose(self, text: str, style: str = "") -> None:
        """Print prose in Markdown."""
        for block in prose_tree(text).children:
            if block.type == "code_block":
                self.line(_indented(block.content.rstrip("\n")))
            elif block.type in ("bullet_list", "ordered_list"):
                for item in block.children:
                    self.wrapped(item, style, f"{item.info}{item.markup} ")
            else:
                self.wrapped(block, style)
            self.line()

    def wrapped(self, block: SyntaxTreeNode, style: str, bullet: str = "") -> None:
        """Print a paragraph or the item of a list, broken into lines."""
        lines = Text("").join(_inline(block)).wrap(self.console, self.width - len(bullet))
        for i, line in enumerate(lines):
            line.rstrip()
            self.line(Text(" " * len(bullet) if i else bullet).append_text(line), style)


def _inline(node: SyntaxTreeNode, style: str = "") -> Iterator[Text]:
    """Yield the text below `node`, styled for a terminal."""
    if node.type == "text":
        yield Text(node.content, style)
    elif node.type == "softbreak":
        yield Text(" ")
    elif node.type == "code_inline":
        yield Text(f"`{node.content}`", "cyan")
    else:
        for child in node.children:
            yield from _inline(child, _STYLES.get(node.type, style))


def _indented(text: str) -> str:
    return textwrap.indent(text, "    ")
