"""The shapes in which the network reads a text of ids: a batch of columns, or one column."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..errors import UserError
from .mapped import Ids, MappedIds


@dataclass(frozen=True)
class Columns:
    """Columns of a text in a file, read when they are needed: `replicate` of mapped ids.

    It has what reading takes of a tensor, (rows, batch): ``len``, ``shape``, and slices of rows.

    Attributes:
        ids: of the whole text.
        starts: the place in the text at which each column starts, (batch,).
        rows: the number of rows.
        device: of the tensors that slices are; None for the CPU.
    """

    ids: MappedIds
    starts: np.ndarray
    rows: int
    device: torch.device | None = None

    def __len__(self) -> int:
        return self.rows

    @property
    def shape(self) -> torch.Size:
        """Return (rows, batch)."""
        return torch.Size((self.rows, len(self.starts)))

    def numel(self) -> int:
        """Return the number of ids in all columns."""
        return self.shape.numel()

    def to(self, device: torch.device | None) -> Columns:
        """Return the same columns, of which slices are tensors on `device`."""
        return replace(self, device=device)

    def __getitem__(self, rows: slice | int) -> torch.Tensor:
        """Return consecutive rows, int64, (rows, batch); or one row, (batch,)."""
        if isinstance(rows, int):
            return self.ids[self.starts + range(self.rows)[rows]].to(self.device)
        start, stop, _ = rows.indices(self.rows)
        places = np.arange(start, stop)[:, None] + self.starts
        return self.ids[places].to(self.device)


Batches = torch.Tensor | Columns
"""A text in columns, (rows, batch): in memory, or in a file."""


def replicate(ids: Ids, batch_size: int, columns: slice = slice(None)) -> Batches:
    """Cut a text into `batch_size` columns, which the network reads side by side.

    `ids` is (n,). The result is (n // batch_size, batch_size) and contiguous. Column i starts at
    word round(i * n / batch_size). Halves round up, as in Torch7's `torch.round`. Source:
    data.lua, `replicate`.

    Args:
        ids: the text.
        batch_size: the number of columns.
        columns: those to return; by default all of them.

    Raises:
        UserError: the text is shorter than `batch_size`.
    """
    n = len(ids)
    if n < batch_size:
        raise UserError(
            f"a text of {n} words cannot fill a batch of {batch_size}: "
            "give more text, or set a smaller --batch_size"
        )
    numbers = np.arange(batch_size)
    # floor(i * n / batch_size + 1/2)
    starts = ((2 * n * numbers + batch_size) // (2 * batch_size))[columns]
    if isinstance(ids, MappedIds):
        return Columns(ids, starts, n // batch_size)
    rows = torch.arange(n // batch_size)
    return ids[rows[:, None] + torch.from_numpy(starts)]  # (rows, batch)


def sequential(ids: Ids) -> Batches:
    """Make the text one column, (n,) to (n, 1), to be read one word at a time.

    data.lua, `testdataset`, expands the column to the batch size. All its columns are alike, so
    one has the same perplexity.
    """
    if isinstance(ids, MappedIds):
        return Columns(ids, np.zeros(1, dtype=np.int64), len(ids))
    return ids.unsqueeze(1)
