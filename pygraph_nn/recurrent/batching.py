"""Which layers may take all time steps as one larger batch: each row of theirs stands alone."""

from __future__ import annotations

from typing import Any

import torch

from .. import nested, nn

# Element by element, whatever the shape.
_ELEMENTWISE = (
    nn.Abs,
    nn.CAddTable,
    nn.CDivTable,
    nn.CMaxTable,
    nn.CMinTable,
    nn.CMulTable,
    nn.CSubTable,
    nn.Clamp,
    nn.Dropout,
    nn.ELU,
    nn.Exp,
    nn.HardShrink,
    nn.HardTanh,
    nn.Identity,
    nn.LeakyReLU,
    nn.Log,
    nn.LogSigmoid,
    nn.Mul,
    nn.MulConstant,
    nn.Power,
    nn.ReLU,
    nn.ReLU6,
    nn.Sigmoid,
    nn.SoftPlus,
    nn.SoftShrink,
    nn.SoftSign,
    nn.Sqrt,
    nn.Square,
    nn.Tanh,
    nn.TanhShrink,
    nn.Threshold,
    nn.WhiteNoise,
)

# Row by row of a matrix; what has other dimensions they read in another way.
_ROWS_OF_MATRICES = (
    nn.Bilinear,
    nn.Cosine,
    nn.Euclidean,
    nn.Linear,
    nn.LogSoftMax,
    nn.SoftMax,
    nn.SoftMin,
    nn.WeightedEuclidean,
)


def row_wise(module: torch.nn.Module, input: Any) -> bool:
    """Whether `module` may take all steps of `input`, (T, batch, ...), as one larger batch.

    That is so if a row of its output depends on the same row of the input alone, and if it would
    read the larger batch as it reads the batch of one step. When in doubt it is not.
    """
    leaves = nested.leaves(input)
    if not leaves or not all(isinstance(leaf, torch.Tensor) for leaf in leaves):
        return False
    shapes = [tuple(leaf.shape) for leaf in leaves]
    if any(len(shape) < 2 for shape in shapes) or len({shape[:2] for shape in shapes}) != 1:
        return False
    module_: Any = module
    kind, shape = type(module), shapes[0]
    if getattr(module, "inplace", False):
        return False  # it would overwrite the steps' values while others still need them
    if kind in _ELEMENTWISE:
        return True
    if kind is nn.AddConstant:
        return not isinstance(module_.constant_scalar, torch.Tensor)
    if kind in _ROWS_OF_MATRICES:
        return all(len(shape) == 3 for shape in shapes)
    if kind is nn.LookupTable:
        # Scaled by how often an index stands in a batch, or changed when looked up.
        return len(shape) == 2 and not module_.shouldScaleGradByFreq and module_.maxNorm is None
    if kind is nn.Reshape:
        rest = leaves[0][0, 0].numel() if leaves[0].numel() else 0
        if module_.batchMode is False or rest != module_.nelement:
            return False
        # Without a mode, one row of as many values as asked for may be a single sample.
        return module_.batchMode is True or shape[1] == 1 or rest * shape[1] != module_.nelement
    if kind is nn.SplitTable:
        return module_.nInputDims is None and 0 < module_.dimension < len(shape) - 1
    if kind is nn.JoinTable:
        return (
            module_.nInputDims is None
            and all(len(other) == len(shape) for other in shapes)
            and 0 < module_.dimension < len(shape) - 1
        )
    return False
