"""Slides of the network: the cell, layers, and time steps, drawn from the graphs themselves."""

from .command import add_diagram

__all__ = [
    "add_diagram",
]
