"""The command `zaremba answers`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.console import Console

from ..assignment.answers import (
    ANSWERS,
    Answer,
    ClaimFailed,
    html_page,
    markdown,
    print_answer,
)
from ..config import nearest
from ..errors import UserError

AddCommand = Callable[[str, Callable[[argparse.Namespace], None], str], argparse.ArgumentParser]

FORMATS = {".md": "markdown", ".markdown": "markdown", ".html": "html", ".htm": "html"}


def add_answers(command: AddCommand) -> None:
    """Add `answers` to the command line, `command` being how it adds one."""
    made = command("answers", answers_command, "answer the assignment's questions by running code")
    made.add_argument(
        "names", nargs="*", metavar="QUESTION", help=f"{', '.join(ANSWERS)}; default all"
    )
    made.add_argument("--markdown", action="store_true", help="as Markdown")
    made.add_argument("--html", action="store_true", help="as one HTML page, with its pictures")
    made.add_argument(
        "-o", "--output", metavar="FILE", help="write it there; .md and .html say in which format"
    )
    made.add_argument(
        "--sizes", nargs=3, type=int, metavar=("BATCH", "SIZE", "WIDTH"),
        help="for q1: rows, values of x1, x2 and z, values of x3; default 2 3 4",
    )  # fmt: skip


def answers_command(options: argparse.Namespace) -> None:
    """Print or write the answers that `options` name.

    Raises:
        UserError: there is no such question, options contradict each other, or the file cannot
            be written.
        ClaimFailed: something that an answer claims does not hold.
    """
    names = list(dict.fromkeys(options.names)) or list(ANSWERS)
    for name in names:
        if name not in ANSWERS:
            near = nearest(name, ANSWERS)
            raise UserError(f"no answer is called {name!r}{near} (there are {', '.join(ANSWERS)})")
    if options.markdown and options.html:
        raise UserError("--markdown and --html: choose one")
    arguments: dict[str, dict[str, int]] = {}
    if options.sizes:
        if "q1" not in names:
            raise UserError("--sizes is for q1")
        if min(options.sizes) < 1:
            raise UserError(f"--sizes {' '.join(map(str, options.sizes))}: each must be at least 1")
        arguments["q1"] = dict(zip(("batch", "size", "width"), options.sizes, strict=True))

    output = Path(options.output) if options.output else None
    kind = "markdown" if options.markdown else "html" if options.html else ""
    kind = kind or (FORMATS.get(output.suffix.lower(), "text") if output else "text")
    answers = ((name, computed(name, arguments.get(name, {}))) for name in names)
    try:
        if output is None:
            _print(kind, answers)
        else:
            _write(kind, answers, output)
    except OSError as error:
        if output is None:
            raise
        raise UserError(f"cannot write {error.filename or output}: {error.strerror}") from error


def computed(name: str, arguments: dict[str, int]) -> Answer:
    """The answer called `name`; a claim that fails says whose it is."""
    try:
        return ANSWERS[name](**arguments)
    except ClaimFailed as failure:
        raise ClaimFailed(f"{name}: {failure}") from failure


def _print(kind: str, answers: Iterator[tuple[str, Answer]]) -> None:
    stream: Any = sys.stdout
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(encoding="utf-8")
    if kind == "text":
        console = Console(highlight=False)
        for _, answer in answers:
            print_answer(answer, console)
    else:
        stream.write(markdown(dict(answers)) if kind == "markdown" else html_page(dict(answers)))


def _write(kind: str, answers: Iterator[tuple[str, Answer]], output: Path) -> None:
    if output.is_dir():
        raise UserError(f"{output} is a folder, not a file")
    by_name = dict(answers)
    output.parent.mkdir(parents=True, exist_ok=True)
    pictures = output.parent / f"{output.stem}_pictures"

    def save(name: str, svg: str) -> str:
        pictures.mkdir(exist_ok=True)
        (pictures / f"{name}.svg").write_text(svg, encoding="utf-8")
        return quote(f"{pictures.name}/{name}.svg")

    if kind == "text":
        with output.open("w", encoding="utf-8") as file:
            for answer in by_name.values():
                print_answer(answer, Console(file=file, highlight=False))
    else:
        text = markdown(by_name, save) if kind == "markdown" else html_page(by_name)
        output.write_text(text, encoding="utf-8")
    print(f"{len(by_name)} answer{'s' * (len(by_name) > 1)} in {output}")
