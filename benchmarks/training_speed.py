"""Measure words per second of training: our two engines, torch.nn.LSTM, and the machine's limit.

Run it from the repository on an idle machine: ``python -m benchmarks.training_speed``. Every
candidate is a process of its own, with its own peak memory and memory settings. In each round every
candidate trains for a while, in turn, so that whatever slows the machine slows all alike. The table
holds the medians of the rounds. ``--docs`` writes it into docs/speed.md.

"PTB run" is the time of the paper's training at that rate: 929,589 words an epoch, for the preset's
number of epochs.

"products" trains nothing. It computes the matrix products of a step alone, each in the fastest of
the layouts tried, in float32 by the faster library. It is the roofline.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, NamedTuple

import torch

from benchmarks.training_candidates import make_step, wait
from benchmarks.training_report import CANDIDATES, Measurement, Result, table, write_docs
from zaremba_port import Settings, preset

ONLY_ON = {"tf32": "cuda", "lstm-tf32": "cuda", "remedies": "cpu"}
# Freed memory stays with the process, so that no page has to be mapped and zeroed again.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "4294967296"}


def flops(settings: Settings) -> float:
    """Count the floating-point operations of the products of a step, forward and backward."""
    size, words = settings.rnn_size, settings.seq_length * settings.batch_size
    total = size * settings.vocab_size
    for layer in range(settings.layers):
        total += ((size if layer else settings.input_size) + size) * 4 * size
    return 2.0 * 3 * total * words


def profile(settings: Settings, threads: int, steps: int = 40) -> str:
    """Return a table of where a step of the fast engine spends its time on the CPU."""
    torch.set_num_threads(threads)
    step = make_step("fast", settings, torch.device("cpu"))
    for _ in range(5):
        step()
    with torch.profiler.profile() as profiler:
        for _ in range(steps):
            step()
    parts = sorted(profiler.key_averages(), key=lambda part: -part.self_cpu_time_total)
    lines = ["| | calls | ms a step |", "|---|---:|---:|"]
    for part in parts[:10]:
        spent = part.self_cpu_time_total / steps / 1e3
        lines.append(f"| {part.key} | {part.count / steps:.0f} | {spent:.2f} |")
    rest = sum(part.self_cpu_time_total for part in parts[10:]) / steps / 1e3
    calls = sum(part.count for part in parts[10:]) / steps
    return "\n".join([*lines, f"| the rest | {calls:.0f} | {rest:.2f} |"])


class Timing(NamedTuple):
    """The time of some steps.

    Attributes:
        seconds: the time.
        others: the number of processors that other processes kept busy meanwhile.
        peak_bytes: the peak memory of the worker so far.
    """

    seconds: float
    others: float
    peak_bytes: float


def serve(name: str, settings: Settings, threads: int, device: torch.device) -> None:
    """Run as a worker: read numbers of steps, train, and print a `Timing` of each as JSON."""
    torch.set_num_threads(threads)
    step = make_step(name, settings, device)
    for _ in range(2):
        step()
    wait()
    for line in sys.stdin:
        start, own, all_ = time.perf_counter(), time.process_time(), busy_seconds()
        for _ in range(int(line)):
            step()
        wait()
        seconds = time.perf_counter() - start
        others = busy_seconds() - all_ - (time.process_time() - own)
        peak: float = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if device.type == "cuda":
            peak, others = torch.cuda.max_memory_allocated(), 0.0
        timing = Timing(seconds, max(0.0, others) / seconds, peak)
        print(json.dumps(timing), flush=True)


def busy_seconds() -> float:
    """Return the time that all processors have worked for any process; 0 if it is unknown."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n")[0].split()[1:]
    except OSError:
        return 0.0
    user, nice, system = (int(field) for field in fields[:3])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


class Worker:
    """A process that trains one candidate when asked.

    Attributes:
        rates: words per second, one a round.
        others: `Timing.others`, one a round.
        peak_bytes: the peak memory so far.
    """

    def __init__(self, name: str, config: str, threads: int, device: str) -> None:
        command = [sys.executable, "-m", "benchmarks.training_speed", "--worker", name]
        command += ["--configs", config, "--threads", str(threads), "--device", device]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        if name == "remedies":
            environment |= KEEP_MEMORY
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=environment
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin: IO[str] = self._process.stdin
        self._stdout: IO[str] = self._process.stdout
        self.rates: list[float] = []
        self.others: list[float] = []
        self.peak_bytes = 0.0

    def train(self, steps: int) -> Timing:
        """Train for `steps` steps.

        Raises:
            RuntimeError: the process has ended.
        """
        self._stdin.write(f"{steps}\n")
        self._stdin.flush()
        answer = self._stdout.readline()
        if not answer:
            raise RuntimeError(f"a worker ended with {self._process.wait()}")
        timing = Timing(*json.loads(answer))
        self.peak_bytes = timing.peak_bytes
        return timing

    def measure(self, steps: int, words: int, patience: float) -> None:
        """Add the rate of `steps` steps; repeat it up to `patience` seconds if others disturb."""
        until = time.monotonic() + patience
        best = self.train(steps)
        while best.others > 0.05 and time.monotonic() < until:
            time.sleep(0.5)
            best = min(best, self.train(steps), key=lambda timing: timing.others)
        self.rates.append(steps * words / best.seconds)
        self.others.append(best.others)

    def close(self) -> None:
        """End the process."""
        self._stdin.close()
        self._process.wait()


def measure(
    config: str, threads: int, names: list[str], options: argparse.Namespace
) -> dict[str, Measurement]:
    """Measure every candidate of `names`; leave out those whose process ends, with a message."""
    settings = preset(config)
    words = settings.seq_length * settings.batch_size
    workers: dict[str, Worker] = {}
    steps = {}
    for name in names:
        worker = Worker(name, config, threads, options.device)
        try:
            steps[name] = max(1, round(options.seconds / worker.train(1)[0]))
            workers[name] = worker
        except RuntimeError as error:
            print(f"{config}: {name} is left out: {error}", file=sys.stderr)
    for _ in range(options.rounds):
        for name, worker in workers.items():  # in turn
            worker.measure(steps[name], words, options.patience)
    measurements: dict[str, Measurement] = {}
    for name, worker in workers.items():
        worker.close()
        measurements[name] = {
            "words_per_second": statistics.median(worker.rates),
            "rounds": worker.rates,
            "others": worker.others,
            "peak_bytes": worker.peak_bytes,
            "gflops": statistics.median(worker.rates) / words * flops(settings) / 1e9,
        }
    return measurements


def parse_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worker", choices=CANDIDATES, help=argparse.SUPPRESS)
    parser.add_argument("--configs", nargs="+", default=["small", "medium", "large"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--only", nargs="+", choices=CANDIDATES, default=list(CANDIDATES))
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each candidate in a round")
    parser.add_argument(
        "--patience",
        type=float,
        default=20.0,
        help="seconds to try for each measurement that no other process disturbs",
    )
    parser.add_argument("--json", type=Path, help="add the results to this file, one line a config")
    parser.add_argument(
        "--profile", action="store_true", help="where a step of the fast engine spends its time"
    )
    parser.add_argument("--docs", action="store_true", help="write docs/speed.md and its chart")
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    if options.worker:
        device = torch.device(options.device)
        serve(options.worker, preset(options.configs[0]), options.threads[0], device)
        return
    if options.profile:
        for config in options.configs:
            print(f"{config}, {options.threads[-1]} threads")
            print(profile(preset(config), options.threads[-1]))
        return
    names = [n for n in options.only if n != "compiled" or shutil.which("c++")]
    names = [n for n in names if ONLY_ON.get(n, options.device) == options.device]
    results: list[Result] = []
    for threads in options.threads:
        for config in options.configs:
            candidates = measure(config, threads, names, options)
            results.append({"config": config, "threads": threads, "candidates": candidates})
            print(table(results[-1:]), flush=True)
            if options.json:
                with options.json.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(results[-1]) + "\n")
    if options.docs:
        write_docs(results)


if __name__ == "__main__":
    main()
