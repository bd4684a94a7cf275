"""Slides of the network: the cell, the layers and the unrolled network.

Graphviz draws the diagrams from the graphs that are trained, in the paper's notation or the code's.
The room returns sources, pages and pictures, changes no graph and writes no file.
"""

from .kinds import CELL_KINDS, KINDS, diagram_page, diagram_source
from .render import render_diagram
from .sentence_trace import trace_sentence
from .symbols import NOTATIONS
from .walk_page import walk_page

__all__ = [
    "CELL_KINDS",
    "KINDS",
    "NOTATIONS",
    "diagram_page",
    "diagram_source",
    "render_diagram",
    "trace_sentence",
    "walk_page",
]
