"""The curves of a training: perplexity, gradient norm and learning rate over the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from ..text import CHARACTERS, perplexity
from .folder import RunFolder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Line = dict[str, Any]
"""A line of ``metrics.jsonl``."""


def draw_curves(run: RunFolder) -> list[Path]:
    """Draw ``curves.png`` and ``curves.svg`` into the run folder; return their paths.

    Above: perplexity in training, validation and test; below: gradient norm and learning rate.

    Raises:
        UserError: matplotlib is not installed, or nothing has been measured yet.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError("the curves need matplotlib: pip install 'zaremba-port[plot]'") from None
    lines = run.metrics()
    if not any("grad_norm" in line for line in lines):
        raise UserError(f"{run.path} has no metrics to draw yet: train longer")
    settings = run.settings
    figure = Figure(figsize=(10.5, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    _draw_perplexity(above, lines, run.unit)
    above.set_ylabel("perplexity" if run.unit == CHARACTERS else "perplexity per word")
    above.set_title(
        f"{settings.cell_title} {settings.layers} × {settings.rnn_size}, "
        f"dropout {settings.dropout:g}, trained on {Path(run.data).name}"
    )
    _draw_steps(below, lines, settings.max_grad_norm)
    below.set_xlabel("epoch")
    paths = [run.path / "curves.png", run.path / "curves.svg"]
    for path in paths:
        figure.savefig(path, dpi=150)
    return paths


SMOOTHED = (
    "train perp., as the original\nsmooths it: the mean of an\n"
    "epoch, at first filled with\nthe loss of the first step"
)


def _draw_perplexity(axes: Axes, lines: Sequence[Line], unit: str) -> None:
    """Draw the perplexities that the metrics hold: steps, reports, validations, the test's level.

    The original smooths its "train perp." over an epoch. It fills the losses of the first epoch
    with that of the first step, so the curve begins high and falls more slowly than the steps.
    """
    steps = [line for line in lines if "grad_norm" in line and "loss" in line]
    if steps:
        epochs, losses = _points(steps, "loss")
        dots = [perplexity(loss, unit) for loss in losses]
        axes.plot(
            epochs, dots, ".", color="tab:blue", alpha=0.35, markersize=5, label="single steps"
        )
    reports = [line for line in lines if "train_perplexity" in line]
    valid = [line for line in lines if line.get("split") == "valid"]
    test = [line for line in lines if line.get("split") == "test"]
    if reports:
        x, y = _points(reports, "train_perplexity")
        axes.plot(x, y, color="tab:blue", label=SMOOTHED)
    if valid:
        x, y = _points(valid, "perplexity")
        axes.plot(x, y, "o-", color="tab:orange", label=f"validation: {y[-1]:.1f}")
    if test:
        level = test[-1]["perplexity"]
        axes.axhline(level, color="tab:green", linestyle="--", label=f"test: {level:.1f}")
    _use_log_scale(axes)
    if steps or reports or valid or test:
        _beside(axes)


def _draw_steps(axes: Axes, lines: Sequence[Line], max_grad_norm: float) -> None:
    """Draw the gradient norm with its limit, and the learning rate on an axis of its own."""
    steps = [line for line in lines if "grad_norm" in line]
    axes.plot(*_points(steps, "grad_norm"), color="tab:gray", label="gradient norm")
    axes.axhline(max_grad_norm, color="tab:red", linewidth=1.2, label="its limit")
    axes.set_ylabel("gradient norm")
    _use_log_scale(axes)
    rate = axes.twinx()
    rate.step(*_points(steps, "lr"), where="post", color="tab:purple")
    rate.set_ylabel("learning rate", color="tab:purple")
    rate.set_ylim(bottom=0)
    _beside(axes, 1.07)


def _beside(axes: Axes, x: float = 1.01) -> None:
    """Put the legend beside the plot, where it covers no line."""
    axes.legend(loc="upper left", bbox_to_anchor=(x, 1), fontsize=9, frameon=False)


def _use_log_scale(axes: Axes) -> None:
    """Scale y logarithmically, labelled with plain numbers at 1, 2 and 5 times powers of ten."""
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.25)


def _points(lines: Sequence[Line], key: str) -> tuple[list[float], list[float]]:
    """Return the epochs of `lines`, and the values of `key`."""
    return [line["epoch"] for line in lines], [line[key] for line in lines]
