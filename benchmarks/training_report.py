"""The report of training_speed: its results as a table of Markdown and as a chart."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TypedDict

import torch

from benchmarks.documents import DOCS, replace_between
from zaremba_port import preset

CANDIDATES = {
    "products": "roofline: the products alone",
    "fast": "zaremba --engine fast",
    "tf32": "zaremba --precision tf32",
    "bfloat16": "zaremba --precision bfloat16",
    "graph": "zaremba --engine graph",
    "lstm": "torch.nn.LSTM as it comes",
    "remedies": "torch.nn.LSTM, both remedies",
    "lstm-tf32": "torch.nn.LSTM, precision high",
    "compiled": "torch.nn.LSTM, torch.compile",
    "steps": "PyTorch, one step at a time",
}
ON_THE_CHART = {
    "products": "roofline",
    "fast": "engine fast",
    "graph": "engine graph",
    "lstm": "nn.LSTM",
    "remedies": "nn.LSTM, remedies",
    "lstm-tf32": "nn.LSTM, high",
    "compiled": "nn.LSTM, compiled",
    "steps": "step by step",
}
PAPER_WORDS = 929_589  # of the Penn Treebank's training text


class Measurement(TypedDict):
    """The measurements of one candidate.

    `words_per_second` is the median of `rounds`; `others` is, for each round, the number of
    processors that other processes kept busy. `gflops` counts the matrix products alone.
    """

    words_per_second: float
    rounds: list[float]
    others: list[float]
    peak_bytes: float
    gflops: float


class Result(TypedDict):
    """The measurements of all candidates, by name, for a preset and a number of threads."""

    config: str
    threads: int
    candidates: dict[str, Measurement]


def table(results: list[Result]) -> str:
    """Return the results as a table of Markdown."""
    lines = [
        "| preset | threads | | words/s | × nn.LSTM | of the roofline | peak memory | PTB run |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for result in results:
        candidates = result["candidates"]
        rates = {name: one["words_per_second"] for name, one in candidates.items()}
        for name, rate in rates.items():
            cells = [
                result["config"],
                f"{result['threads']}",
                CANDIDATES[name],
                f"{rate:,.0f}",
                f"{rate / rates['lstm']:.2f}" if "lstm" in rates else "",
                f"{rate / rates['products']:.0%}" if "products" in rates else "",
                f"{candidates[name]['peak_bytes'] / 2**20:,.0f} MiB",
                "" if name == "products" else paper_run(result["config"], rate),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def paper_run(config: str, rate: float) -> str:
    """Return how long the training of the paper takes at `rate`, in words per second."""
    hours = preset(config).max_max_epoch * PAPER_WORDS / rate / 3600
    return f"{hours:,.1f} h" if hours >= 1 else f"{hours * 60:.0f} min"


def chart(results: list[Result], path: Path) -> None:
    """Draw words per second as bars, a panel for each preset, into an SVG file."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "training_speed"  # the same file for the same numbers
    import matplotlib.pyplot as plt

    most = max(result["threads"] for result in results)
    chosen = [result for result in results if result["threads"] == most]
    figure, panels = plt.subplots(1, len(chosen), figsize=(4 * len(chosen), 3.2), squeeze=False)
    for panel, result in zip(panels[0], chosen, strict=True):
        names = list(reversed(result["candidates"]))
        rates = [result["candidates"][name]["words_per_second"] for name in names]
        colours = {"products": "#bbbbbb", "fast": "#d95f02"}
        bars = panel.barh(names, rates, color=[colours.get(name, "#7570b3") for name in names])
        panel.set_yticks(range(len(names)), [ON_THE_CHART.get(name, name) for name in names])
        panel.bar_label(bars, [f"{rate:,.0f}" for rate in rates], padding=2, fontsize=8)
        panel.set_title(result["config"], fontsize=10)
        panel.set_xlim(0, max(rates) * 1.25)
        panel.set_xticks([])
        for side in ("top", "right", "bottom"):
            panel.spines[side].set_visible(False)
    figure.suptitle(f"Words per second of training, {most} threads", fontsize=11)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def processor() -> str:
    """Return the name of the processor, with its number of cores."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
        wide = any("avx512f" in line for line in lines)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
    return f"{name}{', AVX-512' if wide else ''}, {os.cpu_count()} cores"


def write_docs(results: list[Result]) -> None:
    """Write the table into docs/speed.md between its marks, and draw the chart beside it."""
    machine = f"Measured on {processor()}, torch {torch.__version__}."
    marks = "<!-- table -->", "<!-- end of table -->"
    replace_between(DOCS / "speed.md", *marks, f"{machine}\n\n{table(results)}")
    chart(results, DOCS / "pictures" / "training_speed.svg")
