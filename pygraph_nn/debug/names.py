"""annotateNodes: names for nodes from the caller's local variables."""

from __future__ import annotations

import sys

from ..errors import GraphError
from ..node import Node


def annotateNodes(stackLevel: int = 1) -> None:
    """Name nodes after the caller's local variables that hold them (``nngraph.annotateNodes``).

    A node that has a name keeps it.

    Args:
        stackLevel: whose variables: 1 for the caller, 2 for the caller's caller, and so on.

    Raises:
        GraphError: there are fewer than `stackLevel` callers.
    """
    try:
        frame = sys._getframe(stackLevel)
    except ValueError:
        raise GraphError(f"annotateNodes({stackLevel}): there are fewer callers") from None
    for name, value in list(frame.f_locals.items()):
        if isinstance(value, Node) and value.name is None:
            value.annotate(name=name)
