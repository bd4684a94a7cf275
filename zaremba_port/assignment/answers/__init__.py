"""The assignment's questions, each answered in words and shown by code that runs."""

from collections.abc import Callable

from . import gru, q1, q2, q3, q4, q5, q6, q7, warm_up
from .answer import Answer, Section
from .checks import ClaimFailed
from .figure import Figure
from .markdown import markdown
from .page import html_page
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
"""The answers by the names that `zaremba answers` takes."""

__all__ = [
    "ANSWERS",
    "Answer",
    "ClaimFailed",
    "Figure",
    "Section",
    "html_page",
    "markdown",
    "print_answer",
]
