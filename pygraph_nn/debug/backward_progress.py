"""BackwardProgress: the node whose gradients autograd computes at the moment."""

from __future__ import annotations

import itertools
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch

from .. import nested
from ..graph import GraphStructure
from ..nested import Nested
from ..node import Node

_MARK = "pygraph_nn.debug"
_AUTOGRAD = os.sep + os.path.join("torch", "autograd") + os.sep


class _Place(NamedTuple):
    """A node, held weakly: autograd's graph, which hooks belong to, may be part of the gModule."""

    serial: int
    graph: weakref.ref[GraphStructure]
    node: weakref.ref[Node]


class BackwardProgress:
    """Knows at which node the backward pass of a thread is, or failed.

    Each operation of autograd gets a hook that is called before its backward pass.
    """

    def __init__(self) -> None:
        self._counter = itertools.count()
        self._places: dict[int, _Place] = {}  # by thread

    def enter(self, input: Nested) -> None:
        """Mark the operations that computed `input`, which a node is about to take."""
        for operation in _operations(input):
            operation.metadata.setdefault(_MARK, True)

    def leave(self, graph: GraphStructure, node: Node, output: Nested) -> None:
        """Attribute the operations behind `output` that no mark separates from it to `node`."""
        hook = self._hook(weakref.ref(graph), weakref.ref(node))
        waiting = list(_operations(output))
        while waiting:
            operation = waiting.pop()
            # A parameter's accumulation belongs to all nodes that use the parameter.
            if operation.metadata.get(_MARK) or operation.name().endswith("AccumulateGrad"):
                continue
            operation.metadata[_MARK] = True
            operation.register_prehook(hook)
            waiting += [source for source, _ in operation.next_functions if source is not None]

    def _hook(
        self, graph: weakref.ref[GraphStructure], node: weakref.ref[Node]
    ) -> Callable[[Any], None]:
        def starts(_: Any) -> None:
            thread = threading.get_ident()
            self._places[thread] = _Place(next(self._counter), graph, node)

            def succeeds() -> None:
                self._places.pop(thread, None)

            torch.autograd.Variable._execution_engine.queue_callback(succeeds)

        return starts

    def forget(self) -> None:
        """Forget where a backward pass of this thread failed."""
        for thread in self._threads():
            self._places.pop(thread, None)

    def failed_at(self, error: Exception) -> tuple[GraphStructure, Node] | None:
        """Return where the backward pass that raised `error` in this thread was, and forget it."""
        places = [place for thread in self._threads() if (place := self._places.pop(thread, None))]
        if not places or not is_of_autograd(error):
            return None
        last = max(places)
        graph, node = last.graph(), last.node()
        return None if graph is None or node is None else (graph, node)

    def _threads(self) -> list[int]:
        """Return this thread and the device threads in which autograd runs for it."""
        of_python = {thread.ident for thread in threading.enumerate()} - {threading.get_ident()}
        return [thread for thread in list(self._places) if thread not in of_python]


def _operations(value: Nested) -> Iterator[Any]:
    for leaf in nested.leaves(value):
        if isinstance(leaf, torch.Tensor) and leaf.grad_fn is not None:
            yield leaf.grad_fn


def is_of_autograd(error: Exception) -> bool:
    """Return whether `error` was raised inside a backward pass of autograd."""
    traceback = error.__traceback__
    while traceback is not None:
        if _AUTOGRAD in traceback.tb_frame.f_code.co_filename:
            return True
        traceback = traceback.tb_next
    return False
