"""setDebug: when a node fails, a picture of the graph with this node in red."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

from ..graph import GraphStructure, Observer, observe_everywhere, stop_observing_everywhere
from ..nested import Nested
from ..node import Node
from ..pictures import draw_failure

Draw = Callable[[GraphStructure, Node, Path], object]
"""A function ``draw(graph, failed_node, path_without_suffix)`` that writes a picture."""


class _FailurePictures(Observer):
    """Draws the graph whose node failed, with `draw` if it is not None."""

    def __init__(self) -> None:
        self.draw: Draw | None = draw_failure

    def failed(self, graph: GraphStructure, node: Node, input: Nested, error: Exception) -> None:
        """Draw `graph` with `node` in red."""
        if self.draw is None:
            return
        # As in nngraph, the file has the name of the graph.
        path = Path(str(graph.name or "nngraph").replace("/", "_"))
        try:
            self.draw(graph, node, path)
        except Exception as trouble:  # which must not hide the error of the node
            warnings.warn(f"setDebug could not draw {path}: {trouble}", stacklevel=2)


_pictures = _FailurePictures()
_debug = False


def draw_failures_with(draw: Draw | None) -> None:
    """Draw failures with `draw`, a `Draw`, in place of Graphviz; with None, do not draw them."""
    _pictures.draw = draw


class setDebug:
    """Draws a graph when one of its nodes fails, this node in red (``nngraph.setDebug``).

    The picture goes to the working directory under the name of the gModule, or else as ``nngraph``.
    The error propagates; as without `setDebug`, it says which node failed, its name, the line that
    declared it and the shapes of its input. A call sets the mode for all threads until the next
    call; a ``with`` block sets it inside the block::

        with nngraph.setDebug(True):
            g.forward(x)
    """

    def __init__(self, enabled: bool = True) -> None:
        self._before = _debug
        _set_debug(enabled)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        _set_debug(self._before)


def _set_debug(enabled: bool) -> None:
    global _debug
    _debug = enabled
    if enabled:
        observe_everywhere(_pictures)
    else:
        stop_observing_everywhere(_pictures)
