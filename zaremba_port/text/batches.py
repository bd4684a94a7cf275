"""The shapes in which the network reads a text of ids: a batch of columns, or one column."""

from __future__ import annotations

import torch

from ..errors import UserError


def replicate(ids: torch.Tensor, batch_size: int) -> torch.Tensor:
    """Cut a text into `batch_size` columns, which the network reads side by side.

    `ids` is (n,). The result is (n // batch_size, batch_size) and contiguous. Column i starts at
    word round(i * n / batch_size). Halves round up, as in Torch7's `torch.round`. Source:
    data.lua, `replicate`.

    Raises:
        UserError: the text is shorter than `batch_size`.
    """
    n = len(ids)
    if n < batch_size:
        raise UserError(
            f"a text of {n} words cannot fill a batch of {batch_size}: "
            "give more text, or set a smaller --batch_size"
        )
    columns = torch.arange(batch_size)
    starts = (2 * n * columns + batch_size) // (2 * batch_size)  # floor(i * n / batch_size + 1/2)
    rows = torch.arange(n // batch_size)
    return ids[rows[:, None] + starts]  # (rows, batch)


def sequential(ids: torch.Tensor) -> torch.Tensor:
    """Make the text one column, (n,) to (n, 1), to be read one word at a time.

    data.lua, `testdataset`, expands the column to the batch size. All its columns are alike, so
    one has the same perplexity.
    """
    return ids.unsqueeze(1)
