"""Measure how fast Torch7 files are read, beside numpy.fromfile, and in how much memory.

Run it from the repository on Linux: ``python -m benchmarks.t7_files``. It writes files of 300 and
500 MB into a folder for temporary files. A row holds the median of the rounds; all reads are from
the system's cache, and the sum touches every element.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from pygraph_nn import t7

MEGABYTES = 2**20
PEAK = """
import re
from pygraph_nn import t7
def peak():  # getrusage would count what this process's parent once had
    return int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) / 1024
before = peak()
value = {call}
print(f"{{peak() - before:.0f}}")
"""


def seconds(work: Callable[[], object], rounds: int) -> float:
    """Return the median of the times that `work` takes."""
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def peak_memory(call: str) -> int:
    """Return by how many megabytes a process grows that evaluates `call`."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK.format(call=call)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "tensor.t7")
        t7.save(path, torch.rand(300 * MEGABYTES // 8, dtype=torch.float64))
        print("a DoubleTensor of 300 MB                     seconds")
        for name, work in (
            ("numpy.fromfile", lambda: np.fromfile(path, np.uint8)),
            ("numpy.fromfile, and the sum", lambda: np.fromfile(path, np.float64).sum()),
            ("t7.load, mapped", lambda: t7.load(path)),
            ("t7.load, mapped, and the sum", lambda: t7.load(path).sum()),
            ("t7.load(mmap=False)", lambda: t7.load(path, mmap=False)),
            ("t7.load(mmap=False), and the sum", lambda: t7.load(path, mmap=False).sum()),
        ):
            print(f"  {name:40} {seconds(work, rounds):9.4f}")
        numbers = [i + 0.5 for i in range(1_000_000)]
        print("a table of a million numbers                 seconds")
        for format in ("binary", "ascii"):
            path = str(Path(folder) / f"{format}.t7")
            t7.save(path, numbers, format)
            print(f"  {format:40} {seconds(lambda path=path: t7.load(path), 3):9.2f}")  # type: ignore[misc]
        path = str(Path(folder) / "large.t7")
        value = {"large": torch.rand(500 * MEGABYTES // 4), "small": torch.rand(250_000)}
        t7.save(path, value)
        del value
        print("memory beside a file of 501 MB               megabytes")
        for name, call in (
            ("t7.load(path)['small'].sum()", f"t7.load({path!r})['small'].sum()"),
            ("list(t7.rows(t7.load(path)))", f"list(t7.rows(t7.load({path!r})))"),
            ("t7.load(path)['large'].sum()", f"t7.load({path!r})['large'].sum()"),
            ("t7.load(path, mmap=False)", f"t7.load({path!r}, mmap=False)"),
        ):
            print(f"  {name:40} {peak_memory(call):9}")


if __name__ == "__main__":
    main()
