"""The parts of an answer: prose, code, the output of the code, figures of its graphs."""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...model import fork_generators
from .figure import Figure


@dataclass(frozen=True)
class Section:
    """One step of an answer.

    Attributes:
        text: prose in Markdown: paragraphs, lists, formulas indented by four spaces, `code` and
            **bold**.
        code: the source that ran; may be empty.
        output: the output of the code; may be empty.
        run: the call that printed it.
    """

    heading: str
    text: str
    code: str = ""
    output: str = ""
    run: functools.partial[Any] | None = None
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True)
class Answer:
    """The answer to a question of the assignment.

    Attributes:
        short: the answer in one sentence.
        statement: the answer in a few sentences, as prose in Markdown.
        sections: the code that demonstrates the statement.
        exercise: the functions that a student writes, see `student_notebook`.
    """

    title: str
    question: str
    short: str
    statement: str
    sections: tuple[Section, ...]
    exercise: tuple[Callable[..., object], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "statement", inspect.cleandoc(self.statement))
        object.__setattr__(self, "short", " ".join(self.short.split()))


def section(
    heading: str,
    text: str,
    *code: Callable[..., object],
    run: functools.partial[Any] | None = None,
    figures: Sequence[Figure] = (),
) -> Section:
    """Build a section that shows the source of functions, and the output of a call.

    Args:
        code: the functions to show.
        run: the call, which prints the output. Its function is shown, too. It may seed the random
            generators, whose states are restored.

    Raises:
        ClaimFailed: a claim in the code is false.
    """
    functions = list(code)
    if run is not None and run.func not in functions:
        functions.append(run.func)
    sources = [inspect.getsource(function).rstrip() for function in functions]
    output = ""
    if run is not None:
        sources.append(_call_text(run))
        output = _output_of(run)
    code_text = "\n\n\n".join(sources)
    return Section(heading, inspect.cleandoc(text), code_text, output, run, tuple(figures))


def _call_text(call: functools.partial[Any]) -> str:
    arguments = [repr(value) for value in call.args]
    arguments += [f"{name}={value!r}" for name, value in call.keywords.items()]
    return f"{call.func.__name__}({', '.join(arguments)})"


def _output_of(call: functools.partial[Any]) -> str:
    stream = io.StringIO()
    with fork_generators(), contextlib.redirect_stdout(stream):
        call()
    return stream.getvalue().rstrip("\n")
