"""Slides of the network: the cell, the layers and the unrolled network.

The diagrams are drawn by Graphviz from the graphs that are trained, in the paper's notation or the
code's. The room reads the library's pictures and changes no graph.
"""

from .command import add_diagram

__all__ = [
    "add_diagram",
]
