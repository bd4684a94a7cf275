"""The sum of all workers' gradients, formed while the backward pass goes on."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
import torch.distributed as dist

import pygraph_nn as nngraph

from .workers import Workers, reporting_lost_workers


class GradientExchange:
    """Replace gradients by their sums over all workers, part by part.

    `send` starts to add up a part and returns at once; `finish` waits until all parts have been
    added up. All workers add up the parts in one order, in which the first worker completed them in
    its first backward pass. Of a table of embeddings only the rows that have gradients are sent,
    where that is less.

    Args:
        workers: all workers.
        early: start to add up parts before `finish`.
    """

    def __init__(self, workers: Workers, early: bool = True) -> None:
        self.workers = workers
        self._early = early
        self._order: list[nngraph.GradientPart] = []  # unknown before the first pass
        self._complete: dict[nngraph.GradientPart, None] = {}  # in this pass, in order
        self._next = 0  # the next place in _order to send
        self._running: list[Callable[[], None]] = []

    def send(self, part: nngraph.GradientPart) -> None:
        """Start to add up `part`, which is complete."""
        self._complete[part] = None
        if part not in self._order:  # the first pass, or the first after a change of the network
            self._order = []
        if self._early:
            self._send_in_order()

    def _send_in_order(self) -> None:
        while self._next < len(self._order):
            part = self._order[self._next]
            if part not in self._complete:
                return
            self._next += 1
            # Who sends rows of a table waits for their numbers first: that is left for the end.
            if part.is_table:
                self._running.append(functools.partial(add_up_rows, part, self.workers))
            else:
                self._running.append(add_up(part.gradients, self.workers))

    def finish(self) -> None:
        """Wait until all parts have been added up, also those that `send` has not started."""
        if not self._order:
            parts = {part.index: part for part in self._complete}
            self._order = [parts[index] for index in self.workers.from_first(list(parts))]
        self._send_in_order()
        for wait in self._running:
            wait()
        self._running.clear()
        self._complete.clear()
        self._next = 0


def add_up(gradients: torch.Tensor, workers: Workers) -> Callable[[], None]:
    """Start to replace `gradients` by their sum over all workers; return what waits for it.

    In a ring of n workers, each sends 2 (n - 1) / n times the bytes of the gradients.
    """
    workers.sent += 2 * (workers.count - 1) * _bytes(gradients) // workers.count
    with reporting_lost_workers():
        work = dist.all_reduce(gradients, async_op=True)

    def wait() -> None:
        with reporting_lost_workers():
            work.wait()

    return wait


def add_up_rows(part: nngraph.GradientPart, workers: Workers) -> None:
    """Replace the gradients of a table by their sum over all workers.

    Every worker sends its rows that have gradients to all others; or, where that is more, all of
    them take part in adding up the whole table.
    """
    table, rows = part.gradients, part.rows
    own = [float(len(rows)) if rank == workers.rank else 0.0 for rank in range(workers.count)]
    numbers = [int(n) for n in workers.total(own)]
    height, width = max(numbers), table.shape[1]
    row_bytes = width * table.element_size() + rows.element_size()
    sent = (workers.count - 1) * height * row_bytes
    if sent >= 2 * (workers.count - 1) * _bytes(table) // workers.count:
        add_up(table, workers)()
        part.take_all_rows()
        return
    workers.sent += sent
    all_rows = _gathered(_padded(rows, height), workers)
    all_values = _gathered(_padded(table[rows], height), workers)
    used = [each[:n] for each, n in zip(all_rows, numbers, strict=True)]
    different, places = torch.cat(used).unique(return_inverse=True)
    sums = table.new_zeros(len(different), width)
    # One worker after the other: the rows of one differ, so each sum has one order everywhere.
    for values, of_worker in zip(all_values, places.split(numbers), strict=True):
        sums.index_add_(0, of_worker, values[: len(of_worker)])
    part.replace_rows(different, sums)


def _padded(rows: torch.Tensor, height: int) -> torch.Tensor:
    """Return `rows`, (n, ...), with rows of undefined values below them, (height, ...)."""
    padded = rows.new_empty(height, *rows.shape[1:])
    padded[: len(rows)] = rows
    return padded


def _gathered(tensor: torch.Tensor, workers: Workers) -> list[torch.Tensor]:
    """Return the tensors of all workers, which have one shape."""
    tensors = [torch.empty_like(tensor) for _ in range(workers.count)]
    with reporting_lost_workers():
        dist.all_gather(tensors, tensor)
    return tensors


def _bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()
