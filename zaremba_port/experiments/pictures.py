"""Pictures of results over epochs and depths, drawn with matplotlib."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from .published import Published
from .results import MEASURES, Curve, Measure, Result, Spread, by_network

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Groups = dict[tuple[int, int], list[Result]]
"""Results that differ only in their seeds, by (layers, embedding)."""


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of that many inches.

    Raises:
        UserError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError("the pictures need matplotlib: pip install 'zaremba-port[plot]'") from None
    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Figure, path: Path) -> list[Path]:
    """Write ``path.png`` and ``path.svg``; return both paths."""
    paths = [path.with_suffix(ending) for ending in (".png", ".svg")]
    for each in paths:
        figure.savefig(each, dpi=150)
    return paths


def draw_grid_curves(title: str, results: Sequence[Result], path: Path) -> list[Path]:
    """Draw the learning curves of a grid: a panel for each depth, a colour for each embedding.

    Finished and unfinished trainings are drawn. Lines are means over the seeds; thin lines are the
    validations of single seeds.
    """
    from matplotlib.lines import Line2D

    measure = MEASURES[results[0].unit][0]
    groups: Groups = {}
    for result in results:
        key = result.settings.layers, result.settings.input_size
        groups.setdefault(key, []).append(result)
    depths = sorted({layers for layers, _ in groups})
    embeddings = sorted({size for _, size in groups})
    figure = new_figure(1.6 + 3.4 * len(depths), 4.6)
    panels = figure.subplots(1, len(depths), sharex=True, sharey=True, squeeze=False)[0]
    for axes, depth in zip(panels, depths, strict=True):
        for rank, size in enumerate(embeddings):
            if (depth, size) in groups:
                color = _color(rank, len(embeddings))
                members = groups[depth, size]
                _draw_mean(axes, [r.valid for r in members], measure, color, "-", f"{size}")
                _draw_mean(axes, [r.train for r in members], measure, color, ":", None)
        axes.set_title(f"{depth} layer{'s' * (depth > 1)}")
        axes.set_xlabel("epoch")
        _finish(axes, [r for r in results if r.settings.layers == depth])
    panels[0].set_ylabel(measure.title)
    handles, labels = _all_handles(panels, embeddings)
    if len(results) > len(groups):
        handles.append(Line2D([], [], color="black", linewidth=0.8, alpha=0.6))
        labels.append("single seeds, validation")
    legend = figure.legend(handles, labels, loc="outside right upper", title="embedding")
    legend.set_alignment("left")
    _limit(panels, results, measure)
    figure.suptitle(title)
    return save_figure(figure, path)


def _color(rank: int, number: int) -> Any:
    """Return the colour of the embedding that is `rank`-th in size of `number`, from 0."""
    import matplotlib

    return matplotlib.colormaps["viridis"](0.85 * rank / max(number - 1, 1))


def finished_groups(results: Sequence[Result]) -> Groups:
    """Return the finished results by network.

    Raises:
        UserError: there are none.
    """
    groups = by_network(results)
    if not groups:
        raise UserError("no training has ended yet")
    return groups


def draw_depths(title: str, results: Sequence[Result], path: Path) -> list[Path]:
    """Draw validation and test over the depth, a line for each embedding.

    Bars are standard deviations over the seeds.

    Raises:
        UserError: no training has ended yet, or matplotlib is not installed.
    """
    groups = finished_groups(results)
    measure = MEASURES[results[0].unit][0]
    embeddings = sorted({size for _, size in groups})
    figure = new_figure(8.6, 4.2)
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, name in zip(panels, ("validation", "test"), strict=True):
        for rank, size in enumerate(embeddings):
            depths = [layers for layers, other in groups if other == size]
            spreads = [
                Spread.of(
                    measure.convert(r.last_test if name == "test" else r.valid[-1][1])
                    for r in groups[depth, size]
                )
                for depth in depths
            ]
            axes.errorbar(
                [depth + 0.03 * (rank - (len(embeddings) - 1) / 2) for depth in depths],
                [spread.mean for spread in spreads],
                [spread.deviation or 0.0 for spread in spreads],
                color=_color(rank, len(embeddings)),
                marker="o",
                capsize=4,
                label=f"{size}",
            )
        axes.set_title(f"{name} after the last epoch", fontsize=10)
        axes.set_xlabel("layers")
        _finish(axes, results)
        axes.set_xticks(sorted({layers for layers, _ in groups}))
        axes.margins(0.1)
    panels[0].set_ylabel(measure.title)
    panels[1].legend(title="embedding")
    figure.suptitle(title)
    return save_figure(figure, path)


def _all_handles(panels: Sequence[Axes], embeddings: Sequence[int]) -> tuple[list[Any], list[str]]:
    """Return the lines of a legend that serves all panels, and their texts."""
    from matplotlib.lines import Line2D

    lines: dict[str, Any] = {}
    for axes in panels:
        for line, label in zip(*axes.get_legend_handles_labels(), strict=True):
            lines.setdefault(label, line)
    handles = [lines[f"{size}"] for size in embeddings]
    labels = [f"{size}" for size in embeddings]
    handles.append(Line2D([], [], color="black", linestyle="-"))
    handles.append(Line2D([], [], color="black", linestyle=":"))
    return handles, [*labels, "validation", "training"]


def _draw_mean(
    axes: Axes, curves: Sequence[Curve], measure: Measure, color: Any, style: str, label: str | None
) -> None:
    """Draw the mean of curves; where it has a label, also each curve as a thin line."""
    values: dict[float, list[float]] = {}
    for curve in curves:
        for epoch, loss in curve:
            values.setdefault(epoch, []).append(measure.convert(loss))
    epochs = sorted(epoch for epoch, each in values.items() if len(each) == len(curves))
    marker = "o" if style == "-" else ""
    means = [statistics.fmean(values[epoch]) for epoch in epochs]
    axes.plot(epochs, means, style, color=color, label=label, marker=marker, markersize=3)
    if label is not None and len(curves) > 1:
        for curve in curves:
            axes.plot(*_points(curve, measure), color=color, linewidth=0.8, alpha=0.6)


def _limit(panels: Sequence[Axes], results: Sequence[Result], measure: Measure) -> None:
    """Cut off what lies far above the first validation, such as the first epoch's training."""
    losses = [loss for r in results for _, loss in (*r.valid, *r.train)]
    top = max(measure.convert(r.valid[0][1]) for r in results)
    panels[0].set_ylim(measure.convert(min(losses)) * 0.95, top * 1.1)


def _finish(axes: Axes, results: Sequence[Result]) -> None:
    """Add a grid, and scale perplexities logarithmically, labelled with plain numbers."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    if MEASURES[results[0].unit][0].title == "perplexity":
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 2.5, 3, 4, 5, 6, 8)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)


def draw_reproduction(
    published: Published, title: str, results: Sequence[Result], path: Path
) -> list[Path]:
    """Draw the curves of all seeds, and the published perplexities as lines."""
    measure = MEASURES[results[0].unit][0]
    figure = new_figure(8, 5)
    axes = figure.subplots()
    last = Spread.of(measure.convert(result.valid[-1][1]) for result in results)
    for result in results:
        first = result is results[0]
        x, y = _points(result.train, measure)
        axes.plot(x, y, ":", color="tab:blue", alpha=0.8, label="training" if first else None)
        x, y = _points(result.valid, measure)
        name = f"validation: {last.text(measure.digits)} after the last epoch"
        label = name if first else None
        axes.plot(x, y, "o-", color="tab:orange", alpha=0.9, markersize=3.5, label=label)
    done = [(r.epochs, r.test) for r in results if r.test is not None]
    if done:
        x, y = _points(done, measure)
        spread = Spread.of(y).text(measure.digits)
        axes.plot(x, y, "D", color="tab:green", label=f"test: {spread}", zorder=3)
    for name, value, color in (
        ("validation", published.valid, "tab:orange"),
        ("test", published.test, "tab:green"),
    ):
        if value is not None:
            label = f"{name} in the paper: {value:.1f}"
            axes.axhline(value, color=color, linestyle="--", linewidth=1.3, label=label)
    axes.set_xlabel("epoch")
    axes.set_ylabel(measure.title)
    _finish(axes, results)
    _limit([axes], results, measure)
    axes.legend()
    axes.set_title(title)
    return save_figure(figure, path)


def _points(curve: Sequence[tuple[float, float]], measure: Measure) -> tuple[list[float], ...]:
    """Return the epochs of a curve, and its losses in `measure`."""
    return [epoch for epoch, _ in curve], [measure.convert(loss) for _, loss in curve]
