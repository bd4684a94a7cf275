"""The character exercise: the prediction protocol, and the grader of programs that speak it.

This room runs other programs as child processes, and reads and writes streams. It writes no file.
"""

from .grading import Grade, grade, raise_if_stopped, summary
from .protocol import serve

__all__ = [
    "serve",
    "Grade",
    "grade",
    "raise_if_stopped",
    "summary",
]
