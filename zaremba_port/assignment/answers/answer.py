"""What an answer consists of: prose, code, what the code printed, pictures of its graphs."""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pygraph_nn import torch7_random

from .figure import Figure


@dataclass(frozen=True)
class Section:
    """One step of an answer.

    Attributes:
        text: prose, of paragraphs, of lists with ``- `` and of formulas indented by four; `code`
            in it stands between backquotes.
        code: the source that ran; output: what it printed; both may be empty.
    """

    heading: str
    text: str
    code: str = ""
    output: str = ""
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True)
class Answer:
    """A question of the assignment, its answer in a few sentences, and the sections that show it.

    Making one runs all its code, which raises `ClaimFailed` where a claim does not hold.
    """

    title: str
    question: str
    statement: str
    sections: tuple[Section, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "statement", inspect.cleandoc(self.statement))


def section(
    heading: str,
    text: str,
    *code: Callable[..., Any],
    run: functools.partial[Any] | None = None,
    figures: Sequence[Figure] = (),
) -> Section:
    """A section with the source of `code`, and with `run`, a call: what it prints.

    The call runs here. It may seed the random generators: they are left as they were.
    """
    listed = list(code)
    if run is not None and run.func not in listed:
        listed.append(run.func)
    sources = [inspect.getsource(function).rstrip() for function in listed]
    output = ""
    if run is not None:
        sources.append(_call_text(run))
        output = _output_of(run)
    return Section(heading, inspect.cleandoc(text), "\n\n\n".join(sources), output, tuple(figures))


def _call_text(run: functools.partial[Any]) -> str:
    """`run` as a line of Python."""
    arguments = [repr(value) for value in run.args]
    arguments += [f"{name}={value!r}" for name, value in run.keywords.items()]
    return f"{run.func.__name__}({', '.join(arguments)})"


def _output_of(run: Callable[[], Any]) -> str:
    stream = io.StringIO()
    with fork_generators(), contextlib.redirect_stdout(stream):
        run()
    return stream.getvalue().rstrip("\n")


@contextlib.contextmanager
def fork_generators() -> Iterator[None]:
    """Put PyTorch's and Torch7's random generators back into the state that they are in."""
    before = torch7_random.getRNGState()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch7_random.setRNGState(before)
