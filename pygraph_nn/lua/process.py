"""What the process of a Lua program does around it: limits, errors, the exit status."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import LuaError, ProgramEnd
from .program import run
from .watching import Watch

NO_NETWORK = 0x40000000 | 0x10000000  # CLONE_NEWNET | CLONE_NEWUSER, of Linux


def main(settings: Mapping[str, Any], path: str, arguments: Sequence[str]) -> int:
    """Run the program, and return the exit status."""
    settings = dict(settings)
    memory = settings.pop("memory", None)
    counter = settings.pop("counter", None)
    watch_file, steps = settings.pop("watch", None), settings.pop("steps", 0)
    end_with_parent()
    leave_network()
    if memory is not None:
        limit_memory(memory)
    watch = Watch(steps) if watch_file else None
    try:
        run(path, arguments, prepare=_prepare(counter, watch), **settings)
    except ProgramEnd as end:
        return end.status
    except KeyboardInterrupt:
        print("zaremba lua: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os._exit(1)  # nobody reads the output any more
    except LuaError as error:
        if error.status is not None:
            return error.status
        sys.stdout.flush()
        print(f"zaremba lua: {_explained(error, memory)}", file=sys.stderr)
        return 1
    except MemoryError:
        print(f"zaremba lua: {_out_of_memory(memory)}", file=sys.stderr)
        return 1
    finally:
        if watch is not None:
            Path(watch_file).write_text(watch.json(), encoding="utf-8")
    return 0


def _prepare(counter: str | None, watch: Watch | None) -> Any:
    def prepare(runtime: Any) -> None:
        if counter is not None:
            count_calls(runtime, counter)
        if watch is not None:
            watch.attach(runtime)

    return prepare


def _explained(error: LuaError, memory: int | None) -> str:
    text = str(error)
    signs = ("not enough memory", "can't allocate memory", "MemoryError", "std::bad_alloc")
    if memory is not None and any(sign in text for sign in signs):
        return f"{_out_of_memory(memory)}\n{text}"
    return text


def _out_of_memory(memory: int | None) -> str:
    return f"the program needs more than {memory} MiB of memory: raise the limit with --memory"


def limit_memory(mebibytes: int) -> None:
    """Let this process take up `mebibytes` more than it has."""
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (ImportError, OSError):  # no such limit here
        return
    limit = used + (mebibytes << 20)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def end_with_parent() -> None:
    """Let Linux kill this process when the one that started it has gone, whatever killed that."""
    if sys.platform == "linux":
        set_death_signal = 1  # PR_SET_PDEATHSIG of linux/prctl.h
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)


def leave_network() -> None:
    """Take the network from this process where the system lets it; sockets fail everywhere."""
    sys.addaudithook(_refuse_sockets)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).unshare(NO_NETWORK)


def _refuse_sockets(event: str, args: object) -> None:
    if event.startswith("socket."):
        raise OSError("a Lua program has no network")


def count_calls(runtime: Any, path: str) -> None:
    """Write the number of forward passes into the first 8 bytes of a file, as they happen."""
    with open(path, "r+b") as file:
        memory = mmap.mmap(file.fileno(), 8)

    def count(calls: int) -> None:
        memory[:] = calls.to_bytes(8, "little")

    runtime.modules.on_call = count
