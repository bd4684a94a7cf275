"""Checks for students: their functions run in place of an answer's own, and its claims are counted.

A notebook of `student_notebook` calls `check` below each question and `report` at its end.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType

from ...errors import UserError
from ...model import fork_generators
from .answer import Answer, Section

_MODULES = {"warm-up": "warm_up"}


@dataclass(frozen=True)
class Grade:
    """The claims of a question that hold, of all that its checks make."""

    holds: int
    claims: int


_grades: dict[str, Grade] = {}


def check(name: str, *functions: Callable[..., object]) -> Grade:
    """Check `functions`, those of the exercise of question `name`, and print every claim.

    They take the place of the functions with the same names in the answer's own code, which then
    runs. What it claims is counted; the first claim that fails ends a check.

    Raises:
        UserError: a function is not one of the exercise.
    """
    module = question_module(name)
    answer: Answer = module.answer()
    names = {function.__name__ for function in answer.exercise}
    for function in functions:
        if function.__name__ not in names:
            wanted = ", ".join(sorted(names))
            raise UserError(f"{name} has no exercise {function.__name__}: it has {wanted}")
    grade = Grade(0, 0)
    for section in graded_sections(module, answer):
        expected = section.output.count("✓")
        with _replaced(module, functions):
            lines, problem = _run(section)
        held = [line for line in lines if line.startswith("✓")]
        print("\n".join(held) or "no claim holds yet")
        if problem:
            print(f"✗ {problem}")
        grade = Grade(grade.holds + min(len(held), expected), grade.claims + expected)
    _grades[name] = grade
    print(f"{name}: {grade.holds} of {grade.claims} claims hold")
    return grade


def report() -> dict[str, Grade]:
    """Print the claims that hold for every question checked so far, and their sum."""
    for name, grade in _grades.items():
        print(f"{name:8} {grade.holds:2} of {grade.claims:2}")
    holds = sum(grade.holds for grade in _grades.values())
    print(f"{'all':8} {holds:2} of {sum(grade.claims for grade in _grades.values()):2}")
    return dict(_grades)


def question_module(name: str) -> ModuleType:
    """Return the module of the question `name`, one of `ANSWERS`."""
    return importlib.import_module(f"{__package__}.{_MODULES.get(name, name)}")


def graded_sections(module: ModuleType, answer: Answer) -> list[Section]:
    """Return the sections whose code calls a function of the exercise."""
    wanted = {function.__name__ for function in answer.exercise}
    sections = [section for section in answer.sections if section.run is not None]
    return [s for s in sections if s.run and wanted & _called(module, s.run.func.__name__)]


def _called(module: ModuleType, name: str) -> set[str]:
    """Return the names of the module's functions that function `name` calls, at any depth."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        function = getattr(module, waiting.pop(), None)
        if inspect.isfunction(function) and function.__module__ == module.__name__:
            new = set(function.__code__.co_names) - found
            found |= new
            waiting += new
    return found


@contextlib.contextmanager
def _replaced(module: ModuleType, functions: tuple[Callable[..., object], ...]) -> Iterator[None]:
    before = {function.__name__: getattr(module, function.__name__) for function in functions}
    for function in functions:
        setattr(module, function.__name__, function)
    try:
        yield
    finally:
        for name, original in before.items():
            setattr(module, name, original)


def _run(section: Section) -> tuple[list[str], str]:
    """Return the lines that a section's code prints, and the error that ends it, if one does."""
    stream, problem = io.StringIO(), ""
    with fork_generators(), contextlib.redirect_stdout(stream):
        try:
            if section.run:
                section.run()
        except Exception as error:  # in a student's function, anything may go wrong
            text = str(error).splitlines()
            kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
            problem = kind + (text[0] if text else "")
    return stream.getvalue().splitlines(), problem
