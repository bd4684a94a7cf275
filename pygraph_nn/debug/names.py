"""annotateNodes: names for nodes, from the caller's local variables."""

from __future__ import annotations

import sys

from ..errors import GraphError
from ..node import Node


def annotateNodes(stackLevel: int = 1) -> None:
    """Name every node that a local variable of the caller holds after that variable.

    A name given before stays. `stackLevel` 2 looks at the caller's caller, and so on
    (``nngraph.annotateNodes``).

    Raises:
        GraphError: there are not that many callers.
    """
    try:
        frame = sys._getframe(stackLevel)
    except ValueError:
        raise GraphError(f"annotateNodes({stackLevel}): there are fewer callers") from None
    for name, value in list(frame.f_locals.items()):
        if isinstance(value, Node) and value.name is None:
            value.annotate(name=name)
