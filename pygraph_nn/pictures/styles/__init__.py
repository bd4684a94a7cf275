"""Graphviz styles: nngraph's own, and a readable one."""

from .nngraph import simple_todot, todot, tooltip
from .readable import described, readable

__all__ = [
    "described",
    "readable",
    "simple_todot",
    "todot",
    "tooltip",
]
