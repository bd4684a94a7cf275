"""Layers of two tensors: matrix products, and products and distances of vectors."""

from __future__ import annotations

from typing import Any

import torch

from ...errors import GraphError
from ..core.module import Module
from ..core.shapes import expect_dims, expect_pair, expect_same_shape
from ..core.torch7_form import Torch7Form
from .roots import absolute_power, root


class MM(Module):
    """Multiplies two matrices, or two batches of matrices (``nn.MM``).

    [(n, m), (m, k)] to (n, k), or [(batch, n, m), (batch, m, k)] to (batch, n, k). `transA` and
    `transB` transpose a factor first.

    Raises:
        GraphError: At run time, if the shapes do not fit.
    """

    torch7_form = Torch7Form(has_table_input=True)
    takes_table = True
    sign = "A B"

    def __init__(self, transA: bool = False, transB: bool = False) -> None:
        super().__init__()
        self.transA = bool(transA)
        self.transB = bool(transB)

    def updateOutput(self, input: Any) -> torch.Tensor:
        a, b = expect_pair(self, input, "two matrices or two batches of them")
        expect_dims(self, a, (2, 3), "two matrices or two batches of them")
        shapes = [tuple(a.shape), tuple(b.shape)]
        if b.dim() != a.dim() or (a.dim() == 3 and len(a) != len(b)):
            raise GraphError(
                f"{self}: expecting two matrices or two batches of one size, got shapes {shapes}"
            )
        a = a.transpose(-1, -2) if self.transA else a
        b = b.transpose(-1, -2) if self.transB else b
        if a.shape[-1] != b.shape[-2]:
            raise GraphError(
                f"{self}: matrix sizes do not match: {shapes}, transA={self.transA}, "
                f"transB={self.transB}"
            )
        return torch.matmul(a, b)


class MV(Module):
    """Multiplies a matrix by a vector, or a batch of matrices by a batch of vectors (``nn.MV``).

    [(n, m), (m,)] to (n,), or [(batch, n, m), (batch, m)] to (batch, n). `trans` transposes the
    matrix first.

    Raises:
        GraphError: If `trans` is not a bool, or at run time if the shapes do not fit.
    """

    torch7_form = Torch7Form(has_table_input=True)
    takes_table = True
    sign = "A x"

    def __init__(self, trans: bool = False) -> None:
        super().__init__()
        if not isinstance(trans, bool):
            raise GraphError(f"nn.MV({trans!r}): trans must be a boolean")
        self.trans = trans

    def updateOutput(self, input: Any) -> torch.Tensor:
        matrix, vector = expect_pair(self, input, "a matrix and a vector")
        expect_dims(self, matrix, (2, 3), "a matrix and a vector or batches of them")
        shapes = f"{[tuple(matrix.shape), tuple(vector.shape)]}, trans={self.trans}"
        if vector.dim() != matrix.dim() - 1 or (matrix.dim() == 3 and len(matrix) != len(vector)):
            raise GraphError(f"{self}: expecting one vector for each matrix, got {shapes}")
        matrix = matrix.transpose(-1, -2) if self.trans else matrix
        if matrix.shape[-1] != vector.shape[-1]:
            raise GraphError(f"{self}: matrix row count and vector length do not match: {shapes}")
        return torch.matmul(matrix, vector.unsqueeze(-1)).squeeze(-1)


class _OfVectors(Module):
    """Base of the layers that compute one number for each pair of vectors."""

    torch7_form = Torch7Form(has_table_input=True)
    takes_table = True

    def pairs(self, input: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Return two vectors, or two batches of vectors, as two batches, (batch, n)."""
        a, b = expect_same_shape(self, input, "two vectors or two batches of them")
        expect_dims(self, a, (1, 2), "two vectors or two batches of them")
        return (a.unsqueeze(0), b.unsqueeze(0)) if a.dim() == 1 else (a, b)


class DotProduct(_OfVectors):
    """Computes dot products (``nn.DotProduct``): [(n,), (n,)] to (1,), or batches to (batch,)."""

    sign = "·"

    def updateOutput(self, input: Any) -> torch.Tensor:
        a, b = self.pairs(input)
        return (a * b).sum(1)


class CosineDistance(_OfVectors):
    """Computes cosines of angles (``nn.CosineDistance``); shapes as in `DotProduct`.

    1e-12 is added to the squared lengths.
    """

    def updateOutput(self, input: Any) -> torch.Tensor:
        return cosine(*self.pairs(input))


class PairwiseDistance(_OfVectors):
    """Computes p-norms of differences (``nn.PairwiseDistance``); shapes as in `DotProduct`.

    As in Torch7, 1e-6 is added to the norm where the gradient divides by it. Two errors of Torch7
    are corrected: the gradient for 1 < p < 2, and the gradient of equal elements for p = 1, which
    is 0, not -1 or 1 at random.

    Raises:
        GraphError: If `p` is less than 1.
    """

    torch7_form = Torch7Form(
        arguments={"p": "norm"}, scratch={"diff": "Tensor"}, has_table_input=True
    )

    def __init__(self, p: float = 2) -> None:
        super().__init__()
        self.norm = 2 if p is None else p
        if self.norm < 1:
            raise GraphError(f"nn.PairwiseDistance({p}): p must be at least 1")

    def updateOutput(self, input: Any) -> torch.Tensor:
        a, b = self.pairs(input)
        return root(absolute_power(a - b, self.norm).sum(1), self.norm, 1e-6)


def cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the cosines of the angles between the rows of two matrices, (batch,)."""
    lengths = ((a * a).sum(1) + 1e-12) * ((b * b).sum(1) + 1e-12)
    return (a * b).sum(1) / lengths.sqrt()
