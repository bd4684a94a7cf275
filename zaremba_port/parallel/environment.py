"""The workers that `torchrun` started: their number, their devices, and their connections."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

from ..errors import UserError
from .workers import ALONE, Workers, reporting_lost_workers

PATIENCE = timedelta(hours=12)
"""How long a worker waits for the others; they wait while the first one reads the test text."""

_VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Place:
    """The place of this process among the workers that `torchrun` started.

    Attributes:
        rank, count: the number of this worker, from 0, and of all.
        local_rank, local_count: likewise among the workers on this machine.
        restarts: how often `torchrun` has started the workers anew.
    """

    rank: int
    count: int
    local_rank: int
    local_count: int
    restarts: int


def started_by_torchrun(environment: Mapping[str, str] = os.environ) -> Place | None:
    """Return the place of this process among torchrun's workers; None if torchrun did not start it.

    Raises:
        UserError: only some of torchrun's variables are set, or one is no number.
    """
    if "RANK" not in environment or "WORLD_SIZE" not in environment:
        return None
    missing = [name for name in _VARIABLES if name not in environment]
    if missing:
        raise UserError(
            f"RANK and WORLD_SIZE are set, but not {', '.join(missing)}: start the workers by "
            "torchrun, or unset RANK and WORLD_SIZE"
        )
    try:
        rank, count, local_rank, local_count = (int(environment[n]) for n in _VARIABLES[:4])
        restarts = int(environment.get("TORCHELASTIC_RESTART_COUNT", "0"))
    except ValueError as error:
        raise UserError(f"torchrun's variables are no numbers: {error}") from None
    return Place(rank, count, local_rank, local_count, restarts)


def without_torchrun(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a child process that trains alone."""
    names = {*_VARIABLES, "GROUP_RANK", "ROLE_RANK", "ROLE_WORLD_SIZE", "GROUP_WORLD_SIZE"}
    return {
        name: value
        for name, value in environment.items()
        if name not in names and not name.startswith("TORCHELASTIC_")
    }


def launcher(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return a name of the `torchrun` that started this process, the same after its restarts."""
    if "TORCHELASTIC_RUN_ID" not in environment:
        return None
    return f"{environment['TORCHELASTIC_RUN_ID']} {socket.gethostname()} {os.getppid()}"


@contextlib.contextmanager
def workers_started(device: str, patience: timedelta = PATIENCE) -> Iterator[tuple[Workers, str]]:
    """Connect to the other workers; yield them, and the device of this one.

    A process that torchrun did not start is `ALONE`, on `device` as it is. On CUDA devices each
    worker has its own, and NCCL sends gradients. Where there are fewer devices than workers, they
    share them, and gloo sends gradients by way of the host, as it does between CPUs.

    Args:
        device: the value of ``--device``.
        patience: how long a worker waits for the others.

    Raises:
        UserError: the workers cannot connect.
    """
    place = started_by_torchrun()
    if place is None:
        yield ALONE, device
        return
    name, backend = _device_and_backend(device, place)
    if name.startswith("cuda"):
        torch.cuda.set_device(name)  # where NCCL puts what is no tensor
    with reporting_lost_workers():
        dist.init_process_group(backend, rank=place.rank, world_size=place.count, timeout=patience)
    try:
        yield Workers(place.rank, place.count), name
    finally:
        dist.destroy_process_group()


def _device_and_backend(device: str, place: Place) -> tuple[str, str]:
    """Return the device of a worker, and torch.distributed's backend for all of them."""
    devices = torch.cuda.device_count()
    if device not in ("auto", "cuda") or not devices:
        return device, "gloo"
    own = f"cuda:{place.local_rank % devices}"
    is_shared = place.local_count > devices
    has_nccl = dist.is_nccl_available()
    return own, "gloo" if is_shared or not has_nccl else "cpu:gloo,cuda:nccl"
