"""Training the members of an experiment: several processes at once, each an ordinary training.

A member runs as ``python -m zaremba_port train``, so that its folder is an ordinary run. The
processes are out of the reach of the terminal's Ctrl-C: it interrupts this process, which passes it
on to each of them once. They save after their present step.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from ..errors import RunFailed, UserError
from ..parallel import without_torchrun
from ..text import Log

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

POLL = 0.2  # seconds


@dataclass(frozen=True)
class Task:
    """A member to train.

    Attributes:
        name: of the member.
        folder: its run folder.
        arguments: of ``zaremba train``.
        epochs: the last epoch.
    """

    name: str
    folder: Path
    arguments: Sequence[str]
    epochs: int

    def share(self) -> float:
        """Return the share of the training that has been done, by the last line of its metrics."""
        try:
            lines = (self.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
            return float(json.loads(lines[-1])["epoch"]) / self.epochs
        except (OSError, ValueError, ArithmeticError, LookupError, TypeError, RecursionError):
            return 0.0  # nothing yet, a line that is being written, or a damaged one


class Trainings:
    """Train members, up to `jobs` at once.

    Args:
        folder: of the experiment. The output of a training goes to ``logs/NAME.log`` inside.
        jobs: how many to train at once.
        log: receives a line when a training begins, ends or fails.
        lock: the name of the file that keeps other processes from training the same members.
    """

    def __init__(self, folder: Path, jobs: int, log: Log, lock: str = ".lock") -> None:
        self.folder = folder
        self.jobs = jobs
        self.log = log
        self.lock = lock
        self.running: dict[str, tuple[Task, subprocess.Popen[bytes]]] = {}
        self.failures: list[str] = []

    def run(self, tasks: Sequence[Task], show: Callable[[int], None]) -> None:
        """Train `tasks`; call `show` with the number of finished ones several times a second.

        Raises:
            UserError: a training refuses its settings or its text. The others are stopped.
            RunFailed: Ctrl-C was pressed; all trainings have saved and ended.
        """
        waiting, finished = list(tasks), 0
        try:
            with locked(self.folder, self.lock) as lock, interrupting():
                while waiting or self.running:
                    while waiting and len(self.running) < self.jobs:
                        self._start(waiting.pop(0), lock)
                    for name, (_, process) in list(self.running.items()):
                        if process.poll() is not None:
                            del self.running[name]
                            finished += 1
                            self._end(name, process.returncode, f"{finished} of {len(tasks)}")
                    show(finished)
                    time.sleep(POLL)
        except KeyboardInterrupt:
            self._stop()
            raise RunFailed(
                f"interrupted with {finished} of {len(tasks)} trainings ended; the others are "
                "saved, and the same command goes on with them"
            ) from None
        finally:
            self._stop()

    def _start(self, task: Task, lock: IO[str]) -> None:
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        package = str(Path(__file__).resolve().parents[2])
        environment = without_torchrun(os.environ)  # a member trains alone
        environment["PYTHONPATH"] = os.pathsep.join(
            filter(None, [package, os.environ.get("PYTHONPATH")])
        )
        if self.jobs > 1:
            environment["OMP_NUM_THREADS"] = str(threads_each(self.jobs))
        with (logs / f"{task.name}.log").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "zaremba_port", "train", *task.arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                # As long as a training lives, its experiment is locked.
                pass_fds=[lock.fileno()] if fcntl else [],
            )
        self.running[task.name] = task, process
        self.log(f"{task.name}: {'goes on' if '--resume' in task.arguments else 'begins'}")

    def _end(self, name: str, code: int, count: str) -> None:
        if code == 0:
            self.log(f"{name}: trained ({count})")
            return
        path = self.folder / "logs" / f"{name}.log"
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
        messages = [line for line in lines if line.strip()] or ["no output"]
        message = messages[-1].removeprefix("zaremba: ")
        if code == 2:
            raise UserError(f"{name}: {message}")
        how = f"signal {-code}" if code < 0 else f"exit status {code}"
        self.log(f"{name}: failed with {how} ({count}): {message}")
        self.failures.append(name)

    def _stop(self) -> None:
        """Interrupt the running trainings and wait until they have saved; kill them on Ctrl-C."""
        processes = [process for _, process in self.running.values()]
        self.running.clear()
        for process in processes:
            process.send_signal(signal.SIGINT)
        try:
            for process in processes:
                process.wait()
        except KeyboardInterrupt:
            for process in processes:
                process.kill()
                process.wait()
            raise


def threads_each(jobs: int) -> int:
    """Return the number of threads of each of `jobs` processes: an equal share of the cores.

    The environment variable OMP_NUM_THREADS, if set, takes the place of the number of cores.
    """
    try:
        cores = int(os.environ["OMP_NUM_THREADS"])
    except (KeyError, ValueError):
        has_affinity = hasattr(os, "sched_getaffinity")  # not on macOS
        cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return max(1, cores // jobs)


@contextlib.contextmanager
def locked(folder: Path, name: str = ".lock") -> Iterator[IO[str]]:
    """Keep other processes from training in `folder`, as long as this one or a child of it lives.

    Those that share out the members of an experiment have locks of different names.

    Raises:
        UserError: another one does.
    """
    with (folder / name).open("a", encoding="utf-8") as lock:
        if fcntl:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    f"{folder} is in use: another command trains in it; wait until it has ended"
                ) from None
        yield lock


@contextlib.contextmanager
def interrupting() -> Iterator[None]:
    """Treat the signals that end a process, such as SIGTERM, as Ctrl-C, inside the block.

    Ctrl-C itself gets a handler, too: a shell may have started this process with the signal
    ignored, and a child would inherit that.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = [
        signal.SIGINT,
        signal.SIGTERM,
        *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []),
    ]
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
