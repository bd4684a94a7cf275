"""The picture that setDebug writes: the graph with the failed node in red."""

from __future__ import annotations

from pathlib import Path

import graphviz

from ..graph import GraphStructure, gModule
from ..node import Node
from .files import write_files
from .styles import todot


def draw_failure(graph: GraphStructure, node: Node, path: Path) -> None:
    """Write the forward graph of `graph` as ``path.dot`` and ``path.svg``, `node` in red.

    Raises:
        GraphError: the program ``dot`` is not installed.
    """
    drawn = graph if isinstance(graph, gModule) else graph.fg
    write_files(graphviz.Source(todot(drawn, str(graph), highlight=node)), path)
