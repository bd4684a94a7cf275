"""Pictures of a training: perplexity, gradient norm and learning rate over the epochs."""

from __future__ import annotations

from pathlib import Path

from ..errors import UserError
from ..text import CHARACTERS
from .folder import RunFolder


def draw_curves(run: RunFolder) -> list[Path]:
    """Write ``curves.png`` and ``curves.svg`` into the run folder; gives their paths.

    Raises:
        UserError: matplotlib is not installed, or nothing has been measured yet.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import LogLocator, NullLocator
    except ImportError:
        raise UserError("the curves need matplotlib: pip install 'zaremba-port[plot]'") from None
    lines = run.metrics()
    steps = [line for line in lines if "grad_norm" in line]
    reports = [line for line in steps if "train_perplexity" in line]
    valid = [line for line in lines if line.get("split") == "valid"]
    test = [line for line in lines if line.get("split") == "test"]
    if not steps:
        raise UserError(f"{run.path} has no metrics to draw yet: train longer")
    settings = run.settings
    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    if reports:
        x, y = _points(reports, "train_perplexity")
        above.plot(x, y, color="tab:blue", label="training (mean of the last epoch)")
    if valid:
        x, y = _points(valid, "perplexity")
        above.plot(x, y, "o-", color="tab:orange", label=f"validation: {y[-1]:.1f}")
    if test:
        level = test[-1]["perplexity"]
        above.axhline(level, color="tab:green", linestyle="--", label=f"test: {level:.1f}")
    above.set_yscale("log")
    above.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    above.yaxis.set_minor_locator(NullLocator())
    above.yaxis.set_major_formatter("{x:g}")
    above.set_ylabel("perplexity" if run.unit == CHARACTERS else "perplexity per word")
    above.grid(alpha=0.25)
    if reports or valid or test:
        above.legend()
    above.set_title(
        f"{settings.cell.upper()} {settings.layers} × {settings.rnn_size}, "
        f"dropout {settings.dropout:g}, trained on {Path(run.data).name}"
    )
    below.plot(*_points(steps, "grad_norm"), color="tab:gray", label="gradient norm")
    below.axhline(settings.max_grad_norm, color="tab:red", linewidth=1.2, label="its limit")
    below.set_ylabel("gradient norm")
    below.set_xlabel("epoch")
    below.set_yscale("log")
    below.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    below.yaxis.set_minor_locator(NullLocator())
    below.yaxis.set_major_formatter("{x:g}")
    below.grid(alpha=0.25)
    below.legend(loc="upper right", fontsize=8)
    rate = below.twinx()
    rate.step(*_points(steps, "lr"), where="post", color="tab:purple")
    rate.set_ylabel("learning rate", color="tab:purple")
    rate.set_ylim(bottom=0)
    paths = [run.path / "curves.png", run.path / "curves.svg"]
    for path in paths:
        figure.savefig(path, dpi=150)
    return paths


def _points(lines: list[dict[str, float]], key: str) -> tuple[list[float], list[float]]:
    return [line["epoch"] for line in lines], [line[key] for line in lines]
