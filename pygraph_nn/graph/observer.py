"""Observer: what may watch the nodes of gModules run, without a change to them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..node import Node
from .structure import GraphStructure


class Observer:
    """Sees every node of every gModule that runs while it is `observing`. Override what you need.

    Each method gets the gModule and the node. In a nested gModule come its nodes, then, as one
    node, the gModule itself. Nothing is observed in what torch.compile or torch.export made.
    """

    def before(self, graph: GraphStructure, node: Node, input: Any) -> Any:
        """The node is about to run on `input`, a table if it has several. Returns what it gets."""
        return input

    def after(self, graph: GraphStructure, node: Node, input: Any, output: Any) -> None:
        """The node gave `output`."""

    def failed(self, graph: GraphStructure, node: Node, input: Any, error: Exception) -> None:
        """The node raised `error`, which goes on its way afterwards. The innermost graph only."""


class _Observers(threading.local):
    here: tuple[Observer, ...] = ()


_observers = _Observers()
_everywhere: tuple[Observer, ...] = ()


def observers() -> tuple[Observer, ...]:
    """Who watches the runs of this thread."""
    return _everywhere + _observers.here


@contextmanager
def observing(observer: Observer) -> Iterator[Observer]:
    """Let `observer` watch the runs that this thread makes inside the block."""
    before = _observers.here
    _observers.here = (*before, observer)
    try:
        yield observer
    finally:
        _observers.here = before


def observe_everywhere(observer: Observer) -> None:
    """Let `observer` watch the runs of all threads."""
    global _everywhere
    if observer not in _everywhere:
        _everywhere = (*_everywhere, observer)


def stop_observing_everywhere(observer: Observer) -> None:
    """End `observe_everywhere`."""
    global _everywhere
    _everywhere = tuple(known for known in _everywhere if known is not observer)
