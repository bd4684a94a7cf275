"""Ending everything that a program has started, also what has left its process group.

A child that calls `setsid` or becomes a daemon is out of reach of a signal to the group. Where the
system has a /proc, it is found as a descendant, or, once its parent has ended, by the mark that
the program got in its environment and passed on.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "ZAREMBA_GRADED"
_PROC = Path("/proc")
_ROUNDS = 20  # a process may fork while the others are being killed


def new_mark() -> str:
    """Return a value of `VARIABLE` that no other program has."""
    return secrets.token_hex(16)


def kill_all(pid: int, mark: str) -> None:
    """Kill the process group of `pid`, its descendants, and every process that has `mark`."""
    for _ in range(_ROUNDS):
        others = {*_descendants(pid), *_marked(mark)} - {os.getpid()}
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        for other in others:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(other, signal.SIGKILL)
        if not others - {pid}:
            return


def _descendants(pid: int) -> set[int]:
    """Return the processes that `pid` started, and those that they did, without zombies."""
    children: dict[int, list[int]] = {}
    for other, state, parent in _processes():
        if state != "Z":
            children.setdefault(parent, []).append(other)
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        new = [child for child in children.get(waiting.pop(), ()) if child not in found]
        found.update(new)
        waiting += new
    return found


def _marked(mark: str) -> set[int]:
    """Return the running processes that have `mark` in their environment."""
    line = f"{VARIABLE}={mark}".encode()
    found = set()
    for pid, state, _ in _processes():
        with contextlib.suppress(OSError):  # it has ended, or belongs to somebody else
            if state != "Z" and line in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                found.add(pid)
    return found


def _processes() -> Iterator[tuple[int, str, int]]:
    """Yield id, state and parent's id of every process; nothing where there is no /proc."""
    with contextlib.suppress(OSError):
        for entry in os.listdir(_PROC):
            if entry.isdigit():
                with contextlib.suppress(OSError, ValueError, IndexError):
                    # The name, in parentheses, may hold anything.
                    fields = (_PROC / entry / "stat").read_text().rpartition(")")[2].split()
                    yield int(entry), fields[0], int(fields[1])
