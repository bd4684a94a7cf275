"""Lua programs of Torch7 in processes of their own, with limits of memory and time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .errors import UserError

GRACE = 3.0  # seconds that the program has to end after Ctrl-C


def run_program(
    path: Path, arguments: list[str], settings: dict[str, Any], seconds: float | None
) -> int:
    """Run a Lua program in a child process, and return its exit status.

    Raises:
        UserError: there is no such program, or it took longer than `seconds`.
    """
    if not path.is_file():
        raise UserError(f"there is no Lua program {path}")
    check_lupa()
    if settings.get("memory") is not None and settings["memory"] < 1:
        raise UserError("--memory: the limit is at least 1 MiB")
    if seconds is not None and not seconds > 0:
        raise UserError(f"--time is {seconds:g}, it must be above 0")
    with tempfile.NamedTemporaryFile() as counter:
        counter.write(bytes(8))
        counter.flush()
        child = {**settings, "counter": counter.name}
        command = [sys.executable, "-m", "pygraph_nn.lua", json.dumps(child), str(path)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        process = subprocess.Popen([*command, *arguments], env=environment)
        try:
            return _wait(process, seconds, counter.name)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def check_lupa() -> None:
    """Check that lupa is installed.

    Raises:
        UserError: it is not.
    """
    from importlib.util import find_spec

    if find_spec("lupa") is None:
        raise UserError("running Lua needs the package lupa: pip install 'zaremba-port[lua]'")


def _wait(process: subprocess.Popen[bytes], seconds: float | None, counter: str) -> int:
    start = time.monotonic()
    while True:
        try:
            status = process.wait(0.5)
            break
        except subprocess.TimeoutExpired:
            elapsed = time.monotonic() - start
            if seconds is not None and elapsed > seconds:
                raise UserError(
                    f"the program ran longer than {seconds:g} s: raise the limit with --time"
                ) from None
            _show(elapsed, process.pid, counter)
        except KeyboardInterrupt:
            # The program gets the same signal from the terminal.
            _end(process)
            raise
    if _shows():
        sys.stderr.write("\r\033[K")
    if status < 0:
        raise UserError(f"the program was ended by {signal.Signals(-status).name}")
    return status


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(GRACE)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        process.wait()


def _shows() -> bool:
    # On a terminal that shows the program's own output, the line would be in its way.
    return sys.stderr.isatty() and not sys.stdout.isatty()


def _show(elapsed: float, pid: int, counter: str) -> None:
    if not _shows():
        return
    memory = ""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
        memory = f", {pages * os.sysconf('SC_PAGE_SIZE') >> 20:,} MiB"
    except OSError:
        pass
    passes = int.from_bytes(Path(counter).read_bytes(), "little")
    sys.stderr.write(f"\r\033[K{elapsed:.0f} s{memory}, {passes:,} forward passes ")
    sys.stderr.flush()
