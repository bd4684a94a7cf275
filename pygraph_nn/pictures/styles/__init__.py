"""The styles that write graphs in the DOT language: nngraph's own, and a readable one."""

from .language import quoted
from .nngraph import simple_todot, todot
from .readable import readable

__all__ = [
    "quoted",
    "readable",
    "simple_todot",
    "todot",
]
