"""Draw the validation perplexities of the paper's three networks into docs/pictures/treebank.svg.

    python tools/draw_treebank.py SMALL MEDIUM LARGE

Each argument is a folder of `zaremba reproduce`; of its runs only the metrics are read.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from zaremba_port.experiments.pictures import new_figure
from zaremba_port.experiments.published import PUBLISHED
from zaremba_port.runs import RunFolder
from zaremba_port.text import perplexity

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "pictures" / "treebank.svg"
COLORS = {"small": "tab:blue", "medium": "tab:orange", "large": "tab:green"}


def perplexities(folder: Path, split: str) -> list[list[float]]:
    """Return the perplexities of `split` in every run below `folder`, in order."""
    runs = [RunFolder.open(path.parent) for path in sorted(folder.glob("*/settings.json"))]
    return [
        [perplexity(line["loss"]) for line in run.metrics() if line.get("split") == split]
        for run in runs
    ]


def main() -> None:
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    figure = new_figure(8, 4.6)
    axes = figure.subplots()
    for folder, (name, color) in zip(map(Path, sys.argv[1:]), COLORS.items(), strict=True):
        curves, tests = perplexities(folder, "valid"), perplexities(folder, "test")
        published = PUBLISHED[name]
        mean, test = statistics.fmean(c[-1] for c in curves), statistics.fmean(t[-1] for t in tests)
        label = (
            f"{name}: validation {mean:.1f}, test {test:.1f}"
            f"   (paper: {published.valid} and {published.test})"
        )
        for curve in curves:
            epochs = range(1, len(curve) + 1)
            axes.plot(epochs, curve, color=color, linewidth=1.6, label=label)
            label = "_"  # one entry of the legend for all seeds
        assert published.valid is not None
        axes.axhline(published.valid, color=color, linestyle=(0, (5, 4)), linewidth=1)
    axes.plot([], [], color="gray", linestyle=(0, (5, 4)), label="validation in the paper")
    axes.set_yscale("log")
    axes.set_ylim(75, 300)
    axes.set_yticks([75, 80, 90, 100, 120, 150, 200, 300], minor=False)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.set_xlabel("epoch")
    axes.set_ylabel("perplexity of the validation text")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    figure.savefig(PICTURE)


if __name__ == "__main__":
    main()
