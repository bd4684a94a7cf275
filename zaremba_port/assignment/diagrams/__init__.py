"""Slides of the network: the cell, the layers, and the time steps, drawn from the graphs.

This room reads graphs and returns Graphviz source, pages, and pictures that dot draws. It writes
no file.
"""

from .kinds import CELL_KINDS, KINDS, cell_graph, diagram_graphs, diagram_page, diagram_source
from .render import render_diagram
from .symbols import NOTATIONS

__all__ = [
    "CELL_KINDS",
    "KINDS",
    "NOTATIONS",
    "cell_graph",
    "diagram_graphs",
    "diagram_page",
    "diagram_source",
    "render_diagram",
]
