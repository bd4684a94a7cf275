"""Observer: watches the nodes of gModules while they run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..nested import Nested
from ..node import Node
from .structure import GraphStructure


class Observer:
    """Sees every node of every gModule that runs inside `observing`. Override what you need.

    Each method gets the gModule and the node. For a nested gModule, its own nodes come first, and
    then the nested gModule as one node. Graphs compiled by torch.compile or torch.export are not
    observed.
    """

    def before(self, graph: GraphStructure, node: Node, input: Nested) -> Nested:
        """Called before the node runs on `input`, a table if it has several. Return its input."""
        return input

    def after(self, graph: GraphStructure, node: Node, input: Nested, output: Nested) -> None:
        """Called after the node returned `output`."""

    def failed(self, graph: GraphStructure, node: Node, input: Nested, error: Exception) -> None:
        """Called when the node raised `error`, in the innermost graph only; it propagates."""


class _Observers(threading.local):
    here: tuple[Observer, ...] = ()
    alone = False  # whether only `here` may watch


_observers = _Observers()
_everywhere: tuple[Observer, ...] = ()


def observers() -> tuple[Observer, ...]:
    """Return the observers of this thread's runs."""
    return _observers.here if _observers.alone else _everywhere + _observers.here


def observed_alone() -> bool:
    """Return whether only the observer of `observing` with `alone` watches this thread's runs."""
    return _observers.alone


@contextmanager
def observing(observer: Observer, *, alone: bool = False) -> Iterator[Observer]:
    """Let `observer` watch this thread's runs inside the block.

    With `alone`, no other observer watches them, and gModules that are `verbose` print nothing.
    """
    before = _observers.here, _observers.alone
    _observers.here = (observer,) if alone else (*_observers.here, observer)
    _observers.alone = alone or _observers.alone
    try:
        yield observer
    finally:
        _observers.here, _observers.alone = before


def observe_everywhere(observer: Observer) -> None:
    """Let `observer` watch the runs of all threads."""
    global _everywhere
    if observer not in _everywhere:
        _everywhere = (*_everywhere, observer)


def stop_observing_everywhere(observer: Observer) -> None:
    """End `observe_everywhere`."""
    global _everywhere
    _everywhere = tuple(other for other in _everywhere if other is not observer)
