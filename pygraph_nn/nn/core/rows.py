"""Answers to `Module.row_wise` that layers share: a layer states ``row_wise = elementwise``."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def elementwise(layer: object, shapes: Sequence[torch.Size]) -> bool:
    """Return True: the layer works element by element, whatever the shape.

    A layer that overwrites its input is an exception, since other steps may still need theirs.
    """
    return not getattr(layer, "inplace", False)


def rows_of_matrices(layer: object, shapes: Sequence[torch.Size]) -> bool:
    """Return whether a step is a matrix, which the layer works on row by row."""
    return all(len(shape) == 3 for shape in shapes)
