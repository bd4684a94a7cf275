"""The picture that setDebug writes: the graph with the node that failed in red."""

from __future__ import annotations

from pathlib import Path

from ..graph import GraphStructure
from ..node import Node
from .files import dot

RED = {"color": "red", "fillcolor": "red", "style": "filled"}


def draw_failure(graph: GraphStructure, node: Node, path: Path) -> None:
    """Write the forward graph of `graph` as ``path.dot`` and ``path.svg``, `node` in red."""
    annotations = node.annotations
    node.annotations = {
        **annotations,
        "graphAttributes": {**annotations.get("graphAttributes", {}), **RED},
    }
    try:
        dot(graph.fg, str(graph), path)
    finally:
        node.annotations = annotations
