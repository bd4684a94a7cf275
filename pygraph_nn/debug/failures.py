"""setDebug: a picture of the graph, with the node in red, when a node fails."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from ..graph import GraphStructure, Observer, observe_everywhere, stop_observing_everywhere
from ..node import Node
from ..pictures import draw_failure

Draw = Callable[[GraphStructure, Node, Path], Any]
"""``draw(graph, failing_node, path_without_suffix)`` writes the picture of a failure."""


class _FailurePictures(Observer):
    """Draws the graph whose node failed."""

    def __init__(self) -> None:
        self.draw: Draw | None = draw_failure

    def failed(self, graph: GraphStructure, node: Node, input: Any, error: Exception) -> None:
        if self.draw is None:
            return
        # nngraph's file name: that of the graph.
        path = Path(str(graph.name or "nngraph").replace("/", "_"))
        try:
            self.draw(graph, node, path)
        except Exception as trouble:  # a picture that fails must not hide the error it is about
            warnings.warn(f"setDebug: no picture {path}: {trouble}", stacklevel=2)


_pictures = _FailurePictures()
_debug = False


def draw_failures_with(draw: Draw | None) -> None:
    """Draw failures with `draw` in place of the graph's picture; None draws nothing."""
    _pictures.draw = draw


class setDebug:
    """Draw the graph when one of its nodes fails, the node red (``nngraph.setDebug``).

    The picture is written to the working directory under the name of the gModule, or as
    ``nngraph``. The error that goes on says, as without `setDebug`, which node failed, its name,
    the line that declared it and the shapes that arrived there. A call sets the mode for all
    threads, a ``with`` block sets it for a while::

        with nngraph.setDebug(True):
            g.forward(x)
    """

    def __init__(self, enabled: bool = True) -> None:
        self._before = _debug
        _set_debug(enabled)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _set_debug(self._before)


def _set_debug(enabled: bool) -> None:
    global _debug
    _debug = enabled
    if enabled:
        observe_everywhere(_pictures)
    else:
        stop_observing_everywhere(_pictures)
