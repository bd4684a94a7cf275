"""The character exercise: the prediction protocol, the grader, and the child process it grades."""

from .grading import grade, raise_if_stopped, read_character_text, summary
from .protocol import serve

__all__ = [
    "grade",
    "raise_if_stopped",
    "read_character_text",
    "serve",
    "summary",
]
