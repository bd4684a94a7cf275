"""Measure training in bfloat16 against float32, and the products that make the difference.

Run it from the repository: ``python -m benchmarks.bfloat16_speed``. Both precisions take a step in
turn in one process. On one thread the time is the processor time of the process, so that other
processes disturb it little; on more it is the time that passes, on a machine that must be idle.
``--docs`` writes the tables into docs/speed.md.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.documents import DOCS, replace_between
from benchmarks.training_candidates import make_step
from benchmarks.training_report import processor
from pygraph_nn.recurrent import native as kernels
from pygraph_nn.recurrent.precision import matmul_precision
from zaremba_port import Settings, preset

ROUNDS = {"small": 60, "medium": 15, "large": 7}
Work = Callable[[], Any]


def interleaved(works: dict[str, Work], rounds: int, threads: int) -> dict[str, list[float]]:
    """Return the seconds of each work in each round; two rounds before do not count."""
    clock = time.process_time if threads == 1 else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for i in range(rounds + 2):
        for name, work in works.items():
            start = clock()
            work()
            if i >= 2:
                seconds[name].append(clock() - start)
    return seconds


def training(config: str, threads: int, rounds: int | None) -> str:
    """Return a row of the table of training steps."""
    settings = preset(config)
    names = ("float32", "bfloat16")
    works = {name: make_step(name, settings, torch.device("cpu")) for name in names}
    seconds = interleaved(works, rounds or ROUNDS[config], threads)
    before, after = (statistics.median(seconds[name]) for name in names)
    fastest = min(seconds["float32"]) / min(seconds["bfloat16"])
    milliseconds = f"{before * 1e3:,.1f} | {after * 1e3:,.1f}"
    return f"| {config} | {threads} | {milliseconds} | {before / after:.2f} | {fastest:.2f} |"


def products(settings: Settings, threads: int) -> list[str]:
    """Return rows of the table of products: a linear layer's three, for the words and the gates."""
    rows, size = settings.seq_length * settings.batch_size, settings.rnn_size
    lines = []
    for outputs in (settings.vocab_size, 4 * size):
        x, weight, d = (
            torch.randn(rows, size),
            torch.randn(size, outputs),
            torch.randn(rows, outputs),
        )
        for a, b, layout in (
            (x, weight, "output"),
            (d, weight.t(), "gradient of the input"),
            (x.t(), d, "gradient of the weight"),
        ):
            left = kernels.round_matrix(a, new_buffer)
            right = kernels.round_matrix(b, new_buffer) if b is d else b
            out = torch.empty(len(a), b.shape[1])
            dense = a.contiguous()  # as the engine calls oneDNN, see Workspace.block_gradient

            def in_float32(a: Any = dense, b: Any = b, out: Any = out) -> None:
                torch.mm(a, b, out=out)

            def in_bfloat16(a: Any = left, b: Any = right, out: Any = out) -> None:
                kernels.product(a, b, out)

            works: dict[str, Work] = {"float32": in_float32, "bfloat16": in_bfloat16}
            with matmul_precision("medium"):
                seconds = interleaved(works, 15, threads)
            shape = f"({len(a)}, {a.shape[1]}, {b.shape[1]})"
            flops = 2.0 * len(a) * a.shape[1] * b.shape[1]
            rates = [flops / min(seconds[name]) / 1e9 for name in works]
            lines.append(f"| {shape} | {layout} | {rates[0]:.0f} | {rates[1]:.0f} |")
    return lines


def new_buffer(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.empty(shape, dtype=torch.bfloat16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configs", nargs="+", default=list(ROUNDS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1])
    parser.add_argument(
        "--rounds", type=int, help="of each preset; without it, more for small ones"
    )
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/speed.md")
    options = parser.parse_args()
    machine = f"Measured on {processor()}, torch {torch.__version__}."
    lines = [
        machine,
        "",
        "| preset | threads | float32: ms a step | bfloat16 | ratio of medians | of minima |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for threads in options.threads:
        torch.set_num_threads(threads)
        lines += [training(config, threads, options.rounds) for config in options.configs]
    torch.set_num_threads(1)
    lines += ["", "| rows, k, columns | one thread | float32: GFLOP/s | bfloat16 |"]
    lines += ["|---|---|---:|---:|"]
    for config in ("small", "medium"):
        lines += products(preset(config), 1)
    print("\n".join(lines))
    if options.docs:
        marks = "<!-- bfloat16 -->", "<!-- end of bfloat16 -->"
        replace_between(DOCS / "speed.md", *marks, "\n".join(lines))


if __name__ == "__main__":
    main()
