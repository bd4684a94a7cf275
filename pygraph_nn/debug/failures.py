"""setDebug: when a node fails, a picture of the graph with this node in red."""

from __future__ import annotations

import itertools
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ..errors import GraphError, has_place, with_place
from ..graph import GraphStructure, Observer, observe_everywhere, stop_observing_everywhere
from ..nested import Nested
from ..nn.core import explain_failures_with
from ..node import Node
from ..pictures import draw_failure
from .backward_progress import BackwardProgress, is_of_autograd

Draw = Callable[[GraphStructure, Node, Path], object]
"""A function ``draw(graph, failed_node, path_without_suffix)`` that writes a picture."""


class _FailurePictures(Observer):
    """Draws the graph whose node failed, with `draw` if it is not None."""

    def __init__(self) -> None:
        self.draw: Draw | None = draw_failure
        self.progress = BackwardProgress()
        self._drawing = threading.RLock()  # a drawing may run graphs that fail

    def before(self, graph: GraphStructure, node: Node, input: Nested) -> Nested:
        """Let the backward pass, too, know where `node` begins."""
        self.progress.enter(input)
        return input

    def after(self, graph: GraphStructure, node: Node, input: Nested, output: Nested) -> None:
        """Let the backward pass, too, know where `node` ends."""
        self.progress.leave(graph, node, output)

    def failed(self, graph: GraphStructure, node: Node, input: Nested, error: Exception) -> None:
        """Draw `graph` with `node` in red."""
        if self.draw is None:
            return
        try:
            with self._drawing, _fresh_path(graph.name or "nngraph") as path:
                self.draw(graph, node, path)
        except Exception as trouble:  # which must not hide the error of the node
            warnings.warn(f"setDebug could not draw {graph}: {trouble}", stacklevel=2)

    def explain(self, error: Exception, module: torch.nn.Module | None) -> Exception:
        """Return the `error` of a backward pass, of `module` if known, with its node, and draw it.

        An error without a known node is returned as it is.
        """
        place = self.progress.failed_at(error)
        if has_place(error):
            return error
        is_of_arguments = isinstance(error, GraphError) and not is_of_autograd(error)
        if place is None and isinstance(module, GraphStructure) and is_of_arguments:
            # The gradOutput does not fit. With one output, it is the gradient of that node's value.
            outputs = module.outnode.inputs
            place = module, outputs[0] if len(outputs) == 1 else module.outnode
        if place is None:
            return error
        graph, node = place
        explained = with_place(error, f"  in the backward pass, at {node!r}\n  in {graph}", node)
        self.failed(graph, node, None, explained)
        return explained


@contextmanager
def _fresh_path(name: str) -> Iterator[Path]:
    """Yield a path without suffix, named after `name`, at which the working directory has no file.

    While the block runs, an empty .dot file keeps the name from other processes.
    """
    stem = re.sub(r"[^\w -]", "_", name)[:100].strip() or "nngraph"
    for number in itertools.count(1):
        path = Path(stem if number == 1 else f"{stem}_{number}")
        if any(file.stem == path.name for file in Path().iterdir()):
            continue
        source = Path(f"{path}.dot")
        try:
            source.touch(exist_ok=False)
        except FileExistsError:
            continue
        break
    try:
        yield path
    finally:
        if source.exists() and not source.stat().st_size:
            source.unlink()


_pictures = _FailurePictures()
_debug = False


def draw_failures_with(draw: Draw | None) -> None:
    """Draw failures with `draw`, a `Draw`, in place of Graphviz; with None, do not draw them."""
    _pictures.draw = draw


class setDebug:
    """Draws a graph when one of its nodes fails, this node in red (``nngraph.setDebug``).

    The picture goes to the working directory under the name of the gModule, or else as ``nngraph``,
    with a number if there is such a file already. The error propagates; as without `setDebug`, it
    says which node failed, its name, the line that declared it and the shapes of its input. An
    error of a backward pass names its node, too. A call sets the mode for all threads until the
    next call; a ``with`` block sets it inside the block::

        with nngraph.setDebug(True):
            g.forward(x)
            g.backward(x, gradOutput)

    The node of a failing ``loss.backward()``, which is PyTorch's own, is found only if the error
    leaves a ``with`` block. The forward pass must have run in this mode.
    """

    def __init__(self, enabled: bool = True) -> None:
        self._before = _debug
        self._enabled = enabled
        _set_debug(enabled)

    def __enter__(self) -> None:
        _pictures.progress.forget()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        _set_debug(self._before)
        if self._enabled and isinstance(error, Exception):
            explained = _pictures.explain(error, None)
            if explained is not error:
                raise explained from error


def _set_debug(enabled: bool) -> None:
    global _debug
    _debug = enabled
    if enabled:
        observe_everywhere(_pictures)
        explain_failures_with(_pictures.explain)
    else:
        stop_observing_everywhere(_pictures)
        explain_failures_with(None)
