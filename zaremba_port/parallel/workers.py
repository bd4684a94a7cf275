"""The processes that train one network together, and what they tell each other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import torch
import torch.distributed as dist

from ..errors import RunFailed, UserError

Value = TypeVar("Value")


@dataclass
class Workers:
    """All processes of a training, seen from one of them. `ALONE` is a process without others.

    Every method but `columns` is called by all workers, in the same order. The results are the same
    bits everywhere.

    Attributes:
        rank: the number of this worker, from 0. The first one writes files and logs.
        count: the number of all workers.
        sent: the bytes that this worker has sent since it started, without protocols; see `add_up`.

    Raises:
        RunFailed: another worker has ended.
    """

    rank: int = 0
    count: int = 1
    sent: int = field(default=0, compare=False)

    @property
    def is_first(self) -> bool:
        """Return whether this worker writes files and logs."""
        return self.rank == 0

    def columns(self, batch_size: int) -> slice:
        """Return the columns of a batch that this worker reads: an equal share, up to one.

        >>> [Workers(rank, 3).columns(20) for rank in range(3)]
        [slice(0, 6, None), slice(6, 13, None), slice(13, 20, None)]

        Raises:
            UserError: there are fewer columns than workers.
        """
        if batch_size < self.count:
            raise UserError(
                f"batch_size is {batch_size}, but there are {self.count} workers, and each reads "
                f"one column or more: start fewer, or set --batch_size {self.count} or more"
            )
        start, stop = (batch_size * rank // self.count for rank in (self.rank, self.rank + 1))
        return slice(start, stop)

    def share(self, batch_size: int) -> float:
        """Return this worker's share of the columns, the weight of its losses and gradients."""
        if self.count == 1:
            return 1.0
        columns = self.columns(batch_size)
        return (columns.stop - columns.start) / batch_size

    def total(self, numbers: list[float]) -> list[float]:
        """Return the sums over all workers of each of `numbers`, in double precision."""
        if self.count == 1:
            return numbers
        sums = torch.tensor(numbers, dtype=torch.float64)
        with reporting_lost_workers():
            dist.all_reduce(sums)
        return [float(total) for total in sums]

    def any(self, is_true: bool) -> bool:
        """Return whether `is_true` is true in any worker."""
        return self.total([float(is_true)])[0] > 0

    def from_first(self, value: Value) -> Value:
        """Return the value that the first worker passes; that of the others is ignored."""
        values = [value]
        if self.count > 1:
            with reporting_lost_workers():
                dist.broadcast_object_list(values, 0)
        return values[0]

    def wait(self) -> None:
        """Wait until all workers have come here."""
        self.total([0.0])

    def share_tensor(self, tensor: torch.Tensor) -> None:
        """Make `tensor` what it is in the first worker."""
        if self.count > 1:
            with reporting_lost_workers():
                dist.broadcast(tensor, 0)

    def gather(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        """Return the tensors of all workers, on the CPU. Their shapes may differ."""
        if self.count == 1:
            return [tensor]
        tensors: list[torch.Tensor] = [tensor] * self.count
        with reporting_lost_workers():
            dist.all_gather_object(tensors, tensor.cpu())
        return tensors


ALONE = Workers()
"""A process that trains without others."""


@contextlib.contextmanager
def reporting_lost_workers() -> Iterator[None]:
    """Turn the error of a broken connection into RunFailed."""
    try:
        yield
    except RuntimeError as error:  # torch.distributed raises it, or a class derived from it
        reason = str(error).strip().splitlines()[0]
        raise RunFailed(
            f"another worker has ended, so this one ends, too ({reason}); go on from the last save "
            "with --resume, or let torchrun do it: torchrun --max-restarts 3"
        ) from None
