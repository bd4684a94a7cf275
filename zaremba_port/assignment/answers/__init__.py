"""The assignment's questions, each answered in words and demonstrated by code that runs.

`ANSWERS` computes them; `print_answer`, `markdown` and `html_page` write them. The code of an
answer uses the application and the library as a student would.
"""

from collections.abc import Callable

from . import gru, q1, q2, q3, q4, q5, q6, q7, warm_up
from .answer import Answer, Section
from .checks import ClaimFailed
from .figure import Figure
from .markdown import markdown, short_markdown
from .page import html_page
from .student import student_notebook
from .terminal import print_answer

ANSWERS: dict[str, Callable[..., Answer]] = {
    "q1": q1.answer,
    "q2": q2.answer,
    "q3": q3.answer,
    "q4": q4.answer,
    "q5": q5.answer,
    "q6": q6.answer,
    "q7": q7.answer,
    "warm-up": warm_up.answer,
    "gru": gru.answer,
}
"""A function for each answer, by the names that `zaremba answers` takes.

It runs the answer's code, and raises `ClaimFailed` if a claim is false.
"""

__all__ = [
    "ANSWERS",
    "Answer",
    "ClaimFailed",
    "Figure",
    "Section",
    "html_page",
    "markdown",
    "print_answer",
    "short_markdown",
    "student_notebook",
]
