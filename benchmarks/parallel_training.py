"""Several workers on one machine: time a step and bytes sent, and what sending early saves.

Trains the preset small, or another, on random words with 1, 2, ... workers of one thread each::

    python -m benchmarks.parallel_training --workers 1 2 --steps 40

Bytes are counted by the workers, and beside that by the kernel: what passed through the loopback
device, with all protocols, from all processes of the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

LOOPBACK = Path("/sys/class/net/lo/statistics/tx_bytes")
MODES = ("early", "late", "dense")


def main() -> None:
    """Start the workers, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--worker", choices=MODES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        measure(options)
        return
    print("| workers | gradients are sent | ms a step | sent by each, MB a step | loopback, MB |")
    print("|---:|---|---:|---:|---:|")
    titles = {
        "early": "during the backward pass",
        "late": "after the backward pass",
        "dense": "during it, the embedding's whole",
    }
    for count in options.workers:
        for mode in MODES if count > 1 else MODES[:1]:
            command = [
                sys.executable,
                "-m",
                "torch.distributed.run",
                "--nproc-per-node",
                str(count),
            ]
            command += ["-m", "benchmarks.parallel_training", "--worker", mode]
            command += ["--steps", str(options.steps), "--preset", options.preset]
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            output = subprocess.run(
                command, check=True, capture_output=True, text=True, env=environment
            ).stdout
            row = json.loads(output.strip().splitlines()[-1])
            title = titles[mode] if count > 1 else "–"
            print(
                f"| {count} | {title} | {row['ms']:.1f} | {row['sent'] / 1e6:.2f} "
                f"| {row['loopback'] / 1e6:.2f} |",
                flush=True,
            )


def measure(options: argparse.Namespace) -> None:
    """Train in this worker; the first one prints its results as JSON."""
    from benchmarks.training_candidates import random_words
    from zaremba_port.config import preset
    from zaremba_port.engines import make_model, start_generators
    from zaremba_port.language_model import TextState
    from zaremba_port.model import create_network
    from zaremba_port.parallel import workers_started

    settings = preset(options.preset)
    with workers_started("cpu") as (workers, _):
        columns = workers.columns(settings.batch_size)
        words = random_words(settings, (options.steps + 5) * settings.seq_length + 1)
        text = TextState(words[:, columns].contiguous())
        start_generators(1)
        own = settings.with_changes({"batch_size": text.data.shape[1]})
        model = make_model("fast", create_network(settings), own)
        if options.worker == "dense":
            send_tables_whole()
        model.join(workers, settings.batch_size, early=options.worker != "late")
        times: list[float] = []
        sent = loopback = 0
        for step in range(options.steps + 4):
            if step == 4:  # after the first passes, which find the order of the gradients
                sent, loopback = workers.sent, int(LOOPBACK.read_text())
            start = time.perf_counter()
            model.fp(text)
            model.bp(text, 1.0)
            times.append(time.perf_counter() - start)
        result = {
            "ms": 1000 * statistics.median(times[4:]),
            "sent": (workers.sent - sent) / options.steps,
            "loopback": (int(LOOPBACK.read_text()) - loopback) / options.steps,
        }
        if workers.is_first:
            print(json.dumps(result))


def send_tables_whole() -> None:
    """Send the gradients of tables like all others."""
    from zaremba_port.parallel import exchange

    def add_up_whole(part, workers) -> None:  # type: ignore[no-untyped-def]
        exchange.add_up(part.gradients, workers)()
        part.take_all_rows()

    exchange.add_up_rows = add_up_whole


if __name__ == "__main__":
    main()
