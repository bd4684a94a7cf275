"""The decision to run a layer on all time steps as one larger batch."""

from __future__ import annotations

import torch

from .. import nested, nn
from ..nested import Nested
from .overrides import computes_as_its_class


def row_wise(module: torch.nn.Module, input: Nested) -> bool:
    """Return whether `module` may run all steps of `input`, (T, batch, ...), as one larger batch.

    The layer itself says so (`nn.Module.row_wise`). Where a hook or a method of the object itself
    intervenes, and when in doubt, the answer is False.
    """
    if not isinstance(module, nn.Module) or not computes_as_its_class(module):
        return False
    leaves = nested.leaves(input)
    if not leaves or not all(isinstance(leaf, torch.Tensor) for leaf in leaves):
        return False
    shapes = [leaf.shape for leaf in leaves]
    if any(len(shape) < 2 for shape in shapes) or len({shape[:2] for shape in shapes}) != 1:
        return False
    return module.row_wise(shapes)
