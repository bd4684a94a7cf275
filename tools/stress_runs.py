"""Kill, stop and starve trainings at random, resume them, and compare every bit.

    python tools/stress_runs.py --kills 200 --terms 50 --disk 40 --seed 1 --markdown

A training of a small network runs in a forked process. It is killed (SIGKILL) after a random time,
or before, after or within a random operation on a file: a write, an append, a flush, a rename, a
deletion; or it is asked to stop (SIGTERM) after a random time; or its disk is full from a random
operation on. Then it is resumed, and killed again, until it ends. Parameters, state, generators,
metrics and log must be those of a training that ran in one piece, times apart.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import errno
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from zaremba_port import Corpus, RunFolder, Settings, UserError, load_corpus, train
from zaremba_port.runs import SaveEvery, checkpoint, files, records

ENGINES = ("fast", "graph")
OPERATIONS = ("write", "append", "flush", "rename", "delete")
SETTINGS = Settings(
    layers=1, rnn_size=4, vocab_size=12, batch_size=3, seq_length=3, max_epoch=0, max_max_epoch=2,
    dropout=0.3, record_norms=True,
)  # fmt: skip
TIMEOUT = 120  # seconds: a process that takes longer hangs
STEPS = SaveEvery(steps=4, seconds=None)


def make_corpus(folder: Path) -> Corpus:
    """Write a text of ten words, of 24 steps an epoch, and load it."""
    choose = random.Random(5).choice
    for name, lines in (("train", 31), ("valid", 8), ("test", 4)):
        text = "".join(" ".join(choose("abcdefghi") for _ in range(6)) + "\n" for _ in range(lines))
        (folder / f"{name}.txt").write_text(text)
    return load_corpus(str(folder), log=lambda line: None)


@dataclass
class Files:
    """Count the operations on files of a run; at one of them, do something instead.

    Attributes:
        at: the number of the operation, from 1; 0 for none.
        act: called with the path and whether the operation has been done, halfway for a write.
    """

    at: int = 0
    act: Callable[[], None] = lambda: None
    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    half: bool = False

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def hit(self, name: str) -> bool:
        self.counts[name] += 1
        return self.total == self.at

    def wrap(self, name: str, operation: Callable[..., Any]) -> Callable[..., Any]:
        """Return `operation`; at the chosen time `act` comes before or after it."""

        def wrapped(*arguments: Any, **options: Any) -> Any:
            is_hit = self.hit(name)
            if is_hit and not self.half:
                self.act()
            result = operation(*arguments, **options)
            if is_hit and self.half:
                self.act()
            return result

        return wrapped

    def append(self, path: Path, line: str) -> None:
        """Append as `files.append_line` does; at the chosen time, half of the line."""
        if self.hit("append"):
            if self.half:
                with path.open("a", encoding="utf-8") as file:
                    file.write((line + "\n")[: len(line) // 2])
            with files.reporting_failures(path):
                self.act()
        _append_line(path, line)

    def save(self, tensors: Any, path: Path, metadata: Any = None) -> None:
        """Write as `save_file` does; at the chosen time, half of the file."""
        is_hit = self.hit("write")
        _save_file(tensors, path, metadata)
        if is_hit:
            if self.half:
                os.truncate(path, path.stat().st_size // 2)
            self.act()

    @contextlib.contextmanager
    def watched(self) -> Iterator[Files]:
        """Replace the functions by which runs write, inside the block."""
        places = [
            (checkpoint, "save_file", self.save),
            (files, "append_line", self.append),
            (records, "append_line", self.append),
            (os, "replace", self.wrap("rename", os.replace)),
            (os, "fsync", self.wrap("flush", os.fsync)),
            (os, "truncate", self.wrap("delete", os.truncate)),
            (Path, "unlink", self.wrap("delete", Path.unlink)),
            (Path, "write_bytes", self.wrap("write", Path.write_bytes)),
        ]
        before = [getattr(where, name) for where, name, _ in places]
        for where, name, replacement in places:
            setattr(where, name, replacement)
        try:
            yield self
        finally:
            for (where, name, _), original in zip(places, before, strict=True):
                setattr(where, name, original)


_append_line, _save_file = files.append_line, checkpoint.save_file


class FullDisk(Files):
    """Every operation that needs space fails from the chosen one on, until the disk has space."""

    def hit(self, name: str) -> bool:
        self.counts[name] += 1
        return bool(self.at) and self.total >= self.at and name != "delete"


def no_space() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def training(path: Path, corpus: Corpus, engine: str) -> None:
    """Begin the training in `path`, or go on with it."""
    if not path.exists():
        RunFolder.create(path, SETTINGS, corpus.vocabulary, corpus.name)
    run = RunFolder.open(path)
    train(
        run, corpus, engine=engine, device="cpu", log=lambda line: None,
        resume=run.has_last() or (path / "metrics.jsonl").exists(), save_every=STEPS,
    )  # fmt: skip


def forked(work: Callable[[], None]) -> tuple[int, str]:
    """Run `work` in a forked process; return how it ended, as `os.waitstatus_to_exitcode`.

    The text is the error that it printed. The status is 0, 1 for an error that a user is told, 99
    for any other, -9 if it was killed.
    """
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        status = 0
        try:
            os.close(read)
            work()
        except UserError as error:
            os.write(write, str(error).encode())
            status = 1
        except BaseException as error:
            import traceback

            os.write(write, (repr(error) + traceback.format_exc()).encode()[-60000:])
            status = 99
        os._exit(status)
    os.close(write)
    timer = threading.Timer(TIMEOUT, os.kill, (pid, signal.SIGKILL))
    timer.start()
    begin = time.monotonic()
    with os.fdopen(read, "rb") as pipe:
        text = pipe.read().decode(errors="replace")
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    timer.cancel()
    if time.monotonic() - begin >= TIMEOUT:
        status, text = 98, "it hangs"
    return status, text


def state_of(path: Path) -> dict[str, Any]:
    """Return everything that a training leaves, times apart."""
    run = RunFolder.open(path)
    saved = run.load_last()
    metrics = [{k: v for k, v in line.items() if k != "wps"} for line in run.metrics()]
    log = re.sub(r"wps = \d+|beginning = \d+", "", (path / "train.log").read_text())
    best = files.sha256_of(path / (run.manifest.best or ""))
    return {
        "tensors": {**saved.parameters, **{f"buffer {k}": v for k, v in saved.buffers.items()}},
        "progress": {k: v for k, v in vars(saved.progress).items() if k != "seconds"},
        "metrics": metrics,
        "log": log,
        "best": best,
    }


def difference(a: dict[str, Any], b: dict[str, Any]) -> str:
    """Return what differs between two states, or ""."""
    for name in ("progress", "metrics", "log", "best"):
        if a[name] != b[name]:
            return f"{name}: {a[name]!r} and {b[name]!r}"[:2000]
    x, y = a["tensors"], b["tensors"]
    if x.keys() != y.keys():
        return f"tensors {x.keys() ^ y.keys()}"
    return ", ".join(name for name in x if not torch.equal(x[name], y[name]))


class Stress:
    """Trainings to be disturbed.

    Args:
        folder: an empty folder for their runs.
        seed: of the generator that disturbs them.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random = folder, random.Random(seed)
        (folder / "text").mkdir()
        self.corpus = make_corpus(folder / "text")
        self.whole: dict[str, dict[str, Any]] = {}
        self.operations: dict[str, int] = {}
        self.seconds: dict[str, float] = {}
        self.done: collections.Counter[str] = collections.Counter()
        self.faults: list[str] = []
        for engine in ENGINES:
            path = folder / f"whole-{engine}"
            begin = time.monotonic()
            with Files().watched() as counter:
                training(path, self.corpus, engine)
            self.seconds[engine] = time.monotonic() - begin
            self.operations[engine] = counter.total
            self.whole[engine] = state_of(path)

    def disturb(self, kind: str, engine: str, path: Path) -> bool:
        """Go on with the training in `path`, and disturb it; return whether it has ended."""
        choose = self.random
        after = choose.random() * self.seconds[engine] * 0.6
        at = choose.randint(1, max(1, self.operations[engine] // 3))
        half = choose.random() < 0.5

        def work() -> None:
            if kind == "disk":
                with FullDisk(at, no_space, half=half).watched():
                    training(path, self.corpus, engine)
            elif kind == "kill at a file":
                with Files(at, kill, half=half).watched():
                    training(path, self.corpus, engine)
            else:
                number = signal.SIGTERM if kind == "term" else signal.SIGKILL
                me = os.getpid()
                timer = threading.Timer(after, os.kill, (me, number))
                timer.daemon = True
                if kind == "term":
                    signal.signal(signal.SIGTERM, lambda *_: os._exit(1))  # before the training
                timer.start()
                training(path, self.corpus, engine)

        status, text = forked(work)
        if status == 0:
            return True
        self.done[kind] += 1
        expected = {"disk": 1, "term": 1}.get(kind, -9)
        if status != expected or "\n" in text:
            self.faults.append(f"{kind}, {engine}, {path.name}: status {status}: {text}")
        if kind == "disk" and "could not be written" not in text:
            self.faults.append(f"disk, {engine}, {path.name}: {text}")
        return False

    def chain(self, kind: str, engine: str, most: int) -> None:
        """Disturb one training up to `most` times, let it end, and compare it."""
        path = self.folder / f"run-{sum(self.done.values())}"
        before = self.done[kind]
        while self.done[kind] < before + most:
            name = self.random.choice(["kill", "kill at a file"]) if kind == "kill" else kind
            if self.disturb(name, engine, path):
                break
            if kind == "kill":
                self.done["kill"] += name != "kill"
        status, text = forked(lambda: training(path, self.corpus, engine))
        if status != 0:
            self.faults.append(f"{kind}, {engine}, {path.name}: does not resume: {text}")
        elif differs := difference(self.whole[engine], state_of(path)):
            self.faults.append(f"{kind}, {engine}, {path.name}: {differs}")
        else:
            self.done["compared"] += 1
            shutil.rmtree(path)

    def run(self, kind: str, times: int) -> None:
        """Disturb trainings with both engines in turn, `times` times in all."""
        number = 0
        while self.done[kind] < times:
            left = times - self.done[kind]
            self.chain(kind, ENGINES[number % 2], min(left, 12))
            number += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, default in (("kills", 200), ("terms", 50), ("disk", 40), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(1)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="stress-", dir=memory))
    begin = time.monotonic()
    stress = Stress(folder, options.seed)
    for kind, times in (("kill", options.kills), ("term", options.terms), ("disk", options.disk)):
        stress.run(kind, times)
    print(json.dumps(dict(stress.done)), f"{time.monotonic() - begin:.0f} s")
    for fault in stress.faults:
        print(fault)
    if not stress.faults:
        shutil.rmtree(folder)
    print(f"{len(stress.faults)} faults")
    return bool(stress.faults)


if __name__ == "__main__":
    sys.exit(main())
