"""The lock of a run folder: one process trains in it, any number may read it.

The operating system holds the lock and releases it when the process ends, however it ends. The
contents of ``run.lock``, the host and the process id of the last holder, are for messages only.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..errors import UserError
from .files import reporting_failures

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

NAME = "run.lock"
PATIENCE = 1.0  # seconds: a reader who looks whether a run is locked holds the lock for a moment


@dataclass(frozen=True)
class Holder:
    """The process that holds the lock of a run."""

    host: str
    pid: int

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from training in `folder`, as long as this process lives.

    Raises:
        UserError: another one trains there. The message names its host and its process id.
        RunFailed: the folder cannot be written.
    """
    with reporting_failures(folder / NAME):
        file = (folder / NAME).open("a+", encoding="utf-8")
    with file:
        if not _try(file, exclusive=True, patience=PATIENCE):
            who = _read_holder(folder)
            raise UserError(
                f"{folder} is in use by {who or 'another process'}, which trains in it: wait until "
                f"it has ended, or end it{f' (kill {who.pid})' if who else ''}; it saves first"
            )
        name = json.dumps({"host": socket.gethostname(), "pid": os.getpid()}) + "\n"
        with contextlib.suppress(OSError):  # a full disk: the lock holds without its contents
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), name.encode())
        yield


def holder(folder: Path) -> Holder | None:
    """Return the process that trains in `folder`, or None; without disturbing it.

    A holder who has not written its name yet has the process id 0.
    """
    try:
        with (folder / NAME).open("r", encoding="utf-8") as file:
            if _try(file, exclusive=False, patience=0):
                return None
    except OSError:  # nobody has ever trained here, or we may not read it
        return None
    return _read_holder(folder) or Holder("unknown host", 0)


def _try(file: IO[str], *, exclusive: bool, patience: float) -> bool:
    """Return whether the lock could be taken within `patience` seconds."""
    if not fcntl:
        return exclusive
    operation = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, operation | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(0.05)
        except OSError:  # a file system without locks
            return True


def _read_holder(folder: Path) -> Holder | None:
    try:
        content = json.loads((folder / NAME).read_bytes())
        return Holder(str(content["host"]), int(content["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
