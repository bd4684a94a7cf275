"""A second thread for work whose result nobody waits for yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import torch


class Later:
    """Runs calls beside the caller, who takes a share of what is left at the end.

    While there are any, torch's threads are divided: half work for the caller, half beside it. A
    loop of small products gains little from a second thread, so both halves are used better.
    Each call runs on as many threads whoever makes it, so that results do not depend on timing.
    """

    def __init__(self) -> None:
        self._calls: deque[Callable[[], object]] = deque()
        self._running: list[Future[None]] = []
        self._threads = 0  # torch's, as they were; 0 while they are not divided
        self._beside: ThreadPoolExecutor | None = None

    def possible(self) -> bool:
        """Whether there is more than one thread to divide."""
        return self._threads > 0 or torch.get_num_threads() > 1

    def add(self, call: Callable[[], object]) -> None:
        """Have `call` made before `finish` returns; it reads and writes tensors of its own."""
        if self._beside is None:
            self._beside = ThreadPoolExecutor(1, "pygraph_nn-later")
        if not self._threads:
            self._threads = torch.get_num_threads()
            torch.set_num_threads(self._threads // 2)
        self._calls.append(call)
        self._running.append(self._beside.submit(self._one, self._threads // 2))

    def _one(self, threads: int) -> None:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)  # OpenMP keeps the number for each thread
        try:
            call = self._calls.popleft()
        except IndexError:
            return  # the caller has made it
        call()

    def finish(self) -> None:
        """Make the calls that are left, wait for the others, and give the threads back."""
        if not self._threads:
            return
        try:
            while self._calls:
                self._one(self._threads // 2)
            for call in self._running:
                call.result()
        finally:
            for call in self._running:
                call.cancel()
            self._calls.clear()
            self._running.clear()
            torch.set_num_threads(self._threads)
            self._threads = 0
