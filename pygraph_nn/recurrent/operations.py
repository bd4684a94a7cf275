"""The operations of one time step, and references to their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from .. import nested
from ..nested import Nested
from ..node import Node


@dataclass(frozen=True)
class ValueRef:
    """A reference to the value of the operation with index `op`.

    A table of values is a table of references, down to elements whose structure is unknown.
    """

    op: int


@dataclass
class Operation:
    """One computation of a time step.

    Attributes:
        kind: "input", "state" or "module"; "part" takes an element of a table whose structure is
            unknown.
        node: the node that it came from.
        module: its module, if it has one.
        input: references to its input; for a state, to the value that it takes in the next step.
        part: for a "part", the key of the element; for an "input" or "state", its index.
    """

    kind: Literal["input", "state", "module", "part"]
    node: Node
    module: torch.nn.Module | None = None
    input: Nested = None
    part: int | str = 0

    def sources(self) -> list[int]:
        """Return the operations whose values it takes; a state takes a value one step later."""
        return referenced(self.input)

    def label(self) -> str:
        """Return the name of its node, if any, and its module or kind, in one line."""
        name = f"{'.'.join([*self.node.group, self.node.name])}: " if self.node.name else ""
        description = str(self.module) if self.module is not None else f"{self.kind} {self.part}"
        return f"{name}{description}".splitlines()[0]


def referenced(value: Nested) -> list[int]:
    """Return the operations that the references in `value` point at."""
    return [leaf.op for leaf in nested.leaves(value) if isinstance(leaf, ValueRef)]
