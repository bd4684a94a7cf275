"""The command `zaremba answers`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..errors import UserError, check_choice
from .options import as_utf8, check_folder_of
from .parser import Commands

if TYPE_CHECKING:
    from ..assignment.answers import Answer

QUESTIONS = ("q1", "q2", "q3", "q4", "q5", "q6", "q7", "warm-up", "gru")
"""The names in `ANSWERS`, repeated here because the answers import torch."""

MOST_VALUES = 1_000_000

FORMATS = {".md": "markdown", ".markdown": "markdown", ".html": "html", ".htm": "html"}


def add(commands: Commands) -> None:
    """Add the command and its options."""
    parser = commands.add("answers", run, "answer the assignment's questions by running code")
    parser.add_argument(
        "names", nargs="*", metavar="QUESTION", help=f"{', '.join(QUESTIONS)}; default all"
    )
    parser.add_argument("--markdown", action="store_true", help="write Markdown")
    parser.add_argument("--short", action="store_true", help="one sentence for each question")
    parser.add_argument(
        "--student",
        action="store_true",
        help="write a notebook for a class: the questions, empty cells, and checks; default "
        "answers.ipynb",
    )
    parser.add_argument("--html", action="store_true", help="write one HTML page, with pictures")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="file to write; .md and .html set its format",
    )
    parser.add_argument(
        "--sizes",
        nargs=3,
        type=int,
        metavar=("BATCH", "SIZE", "WIDTH"),
        help="for q1: rows, values of x1, x2 and z, values of x3; default 2 3 4",
    )


def run(options: argparse.Namespace) -> None:
    """Print or write the answers to the questions.

    Raises:
        UserError: there is no such question, options contradict each other, or the file cannot
            be written.
        ClaimFailed: a claim of an answer does not hold.
    """
    names = list(dict.fromkeys(options.names)) or list(QUESTIONS)
    for name in names:
        check_choice("answer", name, QUESTIONS)
    if options.markdown and options.html:
        raise UserError("--markdown and --html: choose one")
    if options.student:
        _write_notebook(options, names)
        return
    arguments = {"q1": _sizes(options, names)}
    output = Path(options.output) if options.output else None
    answers = ((name, _compute(name, arguments.get(name, {}))) for name in names)
    try:
        if output is None:
            _print(_format(options, output), answers, options.short)
        else:
            _write(_format(options, output), answers, output, options.short)
    except OSError as error:
        if output is None:
            raise
        raise UserError(f"cannot write {error.filename or output}: {error.strerror}") from error


def _write_notebook(options: argparse.Namespace, names: list[str]) -> None:
    """Write the notebook of `--student`."""
    given = {name for name in ("markdown", "html", "short", "sizes") if getattr(options, name)}
    if given:
        raise UserError(f"--student writes a notebook: leave --{', --'.join(sorted(given))} out")
    output = Path(options.output or "answers.ipynb")
    if output.suffix != ".ipynb":
        raise UserError(f"{output}: the notebook of --student ends in .ipynb")

    from ..assignment.answers import student_notebook

    text = student_notebook({name: _compute(name, {}) for name in names})
    check_folder_of(output)
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {output}: {error.strerror}") from error
    print(f"{len(names)} question{'s' * (len(names) > 1)} in {output}")


def _sizes(options: argparse.Namespace, names: list[str]) -> dict[str, int]:
    """Return the sizes for q1 by the names of its arguments."""
    if not options.sizes:
        return {}
    if "q1" not in names:
        raise UserError("--sizes is for q1")
    if min(options.sizes) < 1:
        raise UserError(f"--sizes {' '.join(map(str, options.sizes))}: each must be at least 1")
    batch, size, width = options.sizes
    if max(batch, width) * size > MOST_VALUES:
        raise UserError(
            f"--sizes {batch} {size} {width}: an input has over {MOST_VALUES} values, choose "
            "smaller sizes"
        )
    return {"batch": batch, "size": size, "width": width}


def _format(options: argparse.Namespace, output: Path | None) -> str:
    if options.markdown:
        return "markdown"
    if options.html:
        return "html"
    return FORMATS.get(output.suffix.lower(), "text") if output else "text"


def _compute(name: str, arguments: dict[str, int]) -> Answer:
    """Compute an answer. The error of a false claim names the question."""
    from ..assignment.answers import ANSWERS, ClaimFailed

    try:
        return ANSWERS[name](**arguments)
    except ClaimFailed as failure:
        raise ClaimFailed(f"{name}: {failure}") from failure


def _print(format: str, answers: Iterator[tuple[str, Answer]], short: bool) -> None:
    from rich.console import Console

    from ..assignment.answers import html_page, markdown, print_answer, short_markdown

    stream = as_utf8(sys.stdout)
    if format == "text":
        console = Console(highlight=False)
        for _, answer in answers:
            print_answer(answer, console, short=short)
    elif format == "html":
        stream.write(html_page(dict(answers), short=short))
    else:
        stream.write((short_markdown if short else markdown)(dict(answers)))


def _write(format: str, answers: Iterator[tuple[str, Answer]], output: Path, short: bool) -> None:
    from rich.console import Console

    from ..assignment.answers import html_page, markdown, print_answer, short_markdown

    if output.is_dir():
        raise UserError(f"{output} is a folder, not a file")
    by_name = dict(answers)
    output.parent.mkdir(parents=True, exist_ok=True)
    pictures = output.parent / f"{output.stem}_pictures"

    def save(name: str, svg: str) -> str:
        pictures.mkdir(exist_ok=True)
        (pictures / f"{name}.svg").write_text(svg, encoding="utf-8")
        return quote(f"{pictures.name}/{name}.svg")

    if format == "text":
        with output.open("w", encoding="utf-8") as file:
            for answer in by_name.values():
                print_answer(answer, Console(file=file, highlight=False), short=short)
    else:
        if format == "html":
            text = html_page(by_name, short=short)
        else:
            text = short_markdown(by_name) if short else markdown(by_name, save)
        output.write_text(text, encoding="utf-8")
    print(f"{len(by_name)} answer{'s' * (len(by_name) > 1)} in {output}")
