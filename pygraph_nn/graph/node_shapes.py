"""NodeShapes: the shapes that arrive at a node and leave it."""

from __future__ import annotations

from typing import NamedTuple

import torch

from .. import nested
from ..nested import Nested


class NodeShapes(NamedTuple):
    """The shapes at one node: a `torch.Size`, or a nested list of them.

    Attributes:
        input: the shape of its input, a list if it has several.
        output: the shape of its value.
    """

    input: Nested
    output: Nested


def shapes_of(value: Nested) -> Nested:
    """Return `value` with a `torch.Size` in the place of every tensor; tables become lists."""
    return nested.map_leaves(lambda x: x.shape if isinstance(x, torch.Tensor) else x, value)
