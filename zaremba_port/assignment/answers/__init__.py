"""The assignment's questions, each answered in words and shown by code that runs."""

from .answer import Answer, Picture, Section
from .checks import ClaimFailed
from .command import ANSWERS, add_answers

__all__ = ["ANSWERS", "Answer", "ClaimFailed", "Picture", "Section", "add_answers"]
