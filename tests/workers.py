"""Processes that train together: what torchrun starts, without its own process.

They are forked from a server that has imported torch once, which makes a test of them cheap.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import socket
import traceback
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from typing import Any

import torch

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["zaremba_port.train", "zaremba_port.cli.train", "workers"])


def environment(rank: int, count: int, port: int, restarts: int = 0) -> dict[str, str]:
    """Return the variables that torchrun sets for a worker."""
    numbers = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": count,
        "LOCAL_WORLD_SIZE": count,
        "MASTER_PORT": port,
        "TORCHELASTIC_RESTART_COUNT": restarts,
    }
    return {"MASTER_ADDR": "127.0.0.1", **{name: str(n) for name, n in numbers.items()}}


def start_workers(
    count: int, function: Callable[..., Any], *arguments: Any, restarts: int = 0
) -> tuple[list[BaseProcess], Queue[Any]]:
    """Start workers that call `function`; return them, and a queue of (rank, result)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    results: Queue[Any] = _CONTEXT.Queue()
    processes: list[BaseProcess] = []
    for rank in range(count):
        variables = environment(rank, count, port, restarts)
        process = _CONTEXT.Process(
            target=_call, args=(results, rank, variables, function, arguments), daemon=True
        )
        process.start()
        processes.append(process)
    return processes, results


def run_workers(count: int, function: Callable[..., Any], *arguments: Any, **options: int) -> Any:
    """Return the results of `function` in all workers, by rank. An exception is one, too."""
    processes, queue = start_workers(count, function, *arguments, **options)
    results = dict(received(queue) for _ in processes)
    for process in processes:
        process.join()
    return [results[rank] for rank in range(count)]


def received(queue: Queue[Any]) -> tuple[int, Any]:
    """Return the rank and the result of the next worker that has ended."""
    rank, data = queue.get(timeout=100)
    return rank, torch.load(io.BytesIO(data), weights_only=False)


def _call(
    results: Queue[Any],
    rank: int,
    variables: dict[str, str],
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    os.environ.update(variables)
    try:
        result = function(*arguments)
    except BaseException as error:
        traceback.print_exc()
        result = error
    data = io.BytesIO()  # tensors in a queue would be shared, and go with this process
    torch.save(result, data)
    results.put((rank, data.getvalue()))
