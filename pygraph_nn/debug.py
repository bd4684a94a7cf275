"""Help in finding mistakes: names for nodes from the variables that hold them."""

from __future__ import annotations

import sys

from .node import Node


def annotateNodes(stackLevel: int = 1) -> None:
    """Name every node that a local variable of the caller holds after that variable.

    A name given before stays. `stackLevel` 2 looks at the caller's caller, and so on
    (``nngraph.annotateNodes``).
    """
    for name, value in list(sys._getframe(stackLevel).f_locals.items()):
        if isinstance(value, Node) and value.name is None:
            value.annotate(name=name)
