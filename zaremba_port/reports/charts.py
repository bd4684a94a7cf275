"""The curves of runs as SVG, in colours that the page chooses for light and dark."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from ..experiments import PUBLISHED
from .numbers import text_of
from .summary import Line, RunSummary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = 8
"""Number of colours in the page's style sheet, for as many runs."""

Draw = Callable[["Axes", RunSummary, str, int], None]
"""``draw(axes, run, colour, number)`` adds one of `number` runs to a chart."""

# matplotlib takes colours, not CSS variables: these stand for variables until the SVG is written.
_INK, _GRID = "#000101", "#000102"


def colour(index: int) -> str:
    """Return the CSS variable of the colour of the run `index`, from 0."""
    return f"var(--run-{index % COLOURS})"


def _stand_in(index: int) -> str:
    return f"#0002{index % COLOURS:02x}"


def charts(runs: Sequence[RunSummary]) -> list[tuple[str, str]]:
    """Return the charts of one or more runs: (title, SVG); those without data are left out.

    Raises:
        UserError: matplotlib is not installed.
    """
    drawings = (
        ("Perplexity", _draw_perplexity),
        ("Gradient norm", _draw_norm),
        ("Learning rate", _draw_rate),
        ("Words per second since the start", _draw_speed),
    )
    return [(title, svg) for title, draw in drawings if (svg := _chart(title, runs, draw))]


def _chart(title: str, runs: Sequence[RunSummary], draw: Draw) -> str:
    """Return one chart; an empty text if no run has data for it."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError("the report needs matplotlib: pip install 'zaremba-port[plot]'") from None
    is_large = title == "Perplexity"
    style: dict[Any, Any] = {
        "svg.fonttype": "none", "svg.hashsalt": title, "font.family": "sans-serif",
        "font.sans-serif": ["system-ui", "DejaVu Sans"], "font.size": 10,
        "text.color": _INK, "axes.labelcolor": _INK, "xtick.color": _INK, "ytick.color": _INK,
        "axes.edgecolor": _GRID, "grid.color": _GRID, "axes.spines.top": False,
        "axes.spines.right": False, "legend.frameon": False,
    }  # fmt: skip
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(9, 4.2) if is_large else (3.9, 2.5), layout="constrained")
        axes = figure.subplots()
        for index, run in enumerate(runs):
            draw(axes, run, _stand_in(index), len(runs))
        if not axes.lines:
            return ""
        axes.set_xlabel("epoch")
        axes.grid(linewidth=0.8)
        axes.margins(x=0.02)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=8.5)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _with_variables(buffer.getvalue(), title)


def _with_variables(svg: str, title: str) -> str:
    """Return the ``svg`` element, its stand-ins replaced by CSS variables, with a title."""
    svg = svg[svg.index("<svg") :]
    for stand_in, name in ((_INK, "ink"), (_GRID, "grid")):
        svg = svg.replace(stand_in, f"var(--{name})")
    for index in range(COLOURS):
        svg = svg.replace(_stand_in(index), colour(index))
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r'\1 role="img"', svg, count=1)
    end = svg.index(">") + 1
    return f"{svg[:end]}<title>{title} over the epochs</title>{svg[end:]}"


def framed(svg: str) -> str:
    """Return a chart that needs no page: with the colours of the page's light scheme."""
    css = (Path(__file__).parent / "assets" / "report.css").read_text(encoding="utf-8")
    light = css[: css.index("@media")]
    for name, value in re.findall(r"(--[\w-]+): (#\w+);", light):
        svg = svg.replace(f"var({name})", value)
    return svg.replace("<svg ", '<svg style="background: white" ', 1)


def _points(lines: Sequence[Line], key: str) -> tuple[list[float], list[float]]:
    """Return the epochs and the finite values of `key`."""
    pairs = [(line["epoch"], line[key]) for line in lines if math.isfinite(line.get(key, math.nan))]
    return [x for x, _ in pairs], [y for _, y in pairs]


def _draw_perplexity(axes: Axes, run: RunSummary, own: str, number: int) -> None:
    x, y = _points(run.lines, "train_perplexity")
    if number == 1:
        axes.plot(x, y, color=_stand_in(1), linewidth=1.2, label="training, mean of an epoch")
    else:
        axes.plot(x, y, color=own, linewidth=1, linestyle=":")
    x, y = _points([line for line in run.lines if line.get("split") == "valid"], "perplexity")
    name = "validation" if number == 1 else f"{run.name}: validation"
    if y:
        axes.plot(x, y, "o-", color=own, markersize=3.5, label=f"{name}, {y[-1]:.1f}")
    if run.test is not None:
        name = "test" if number == 1 else f"{run.name}: test"
        test = f"{name}, {run.test:.1f}"
        axes.plot([run.epoch], [run.test], "D", color=own, markersize=6, label=test)
    if number == 1 and run.published and text_of(run).is_treebank:
        row = PUBLISHED[run.published]
        for what, value in (("validation", row.valid), ("test", row.test)):
            if value is None:
                continue
            style = "--" if what == "validation" else "-."
            text = f"{what} in the paper, {value}"
            axes.axhline(value, color=_INK, linestyle=style, linewidth=0.9, label=text)
    _use_log_scale(axes)


def _draw_norm(axes: Axes, run: RunSummary, own: str, number: int) -> None:
    x, y = _points(run.lines, "grad_norm")
    if y:
        axes.plot(x, y, color=own, linewidth=1)
        axes.axhline(run.settings.max_grad_norm, color=own, linestyle="--", linewidth=0.9)
        if number == 1:
            axes.lines[-1].set_label(f"limit, {run.settings.max_grad_norm:g}")
        _use_log_scale(axes)


def _draw_rate(axes: Axes, run: RunSummary, own: str, number: int) -> None:
    x, y = _points(run.lines, "lr")
    if y:
        axes.step(x, y, where="post", color=own)
        axes.set_ylim(bottom=0)


def _draw_speed(axes: Axes, run: RunSummary, own: str, number: int) -> None:
    x, y = _points(run.lines, "wps")
    if y:
        axes.plot(x, y, color=own)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter("{x:,.0f}")


def _use_log_scale(axes: Axes) -> None:
    """Scale y logarithmically, labelled with plain numbers."""
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")
