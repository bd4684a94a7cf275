"""Heat maps of a grid: values over layers and embedding, drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .pictures import finished_groups, new_figure, save_figure
from .results import MEASURES, Result, Spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_heat_maps(title: str, results: Sequence[Result], path: Path) -> list[Path]:
    """Draw four values over layers and embedding: validation, test, gap and clipped steps.

    Raises:
        UserError: no training has ended yet, or matplotlib is not installed.
    """
    groups = finished_groups(results)
    measure = MEASURES[results[0].unit][0]
    depths = sorted({layers for layers, _ in groups})
    embeddings = sorted({size for _, size in groups})

    def last(loss: float) -> float:
        return measure.convert(loss)

    panels: list[tuple[str, Callable[[Result], float], int]] = [
        (f"validation, {measure.title}", lambda r: last(r.valid[-1][1]), measure.digits),
        (f"test, {measure.title}", lambda r: last(r.last_test), measure.digits),
        (
            f"gap: validation less training, {measure.title}",
            lambda r: last(r.valid[-1][1]) - last(r.train[-1][1]),
            measure.digits,
        ),
        ("clipped steps, %", lambda r: 100 * r.clipped, 1),
    ]
    width, height = 1.9 + 1.1 * len(embeddings), 1.0 + 0.6 * len(depths)
    figure = new_figure(max(2 * width, 7.4), max(2 * height, 4.4) + 0.4)
    for axes, (name, value, digits) in zip(figure.subplots(2, 2).flat, panels, strict=True):
        spreads = {key: Spread.of(map(value, members)) for key, members in groups.items()}
        limits = (0.0, 100.0) if name.endswith("%") else None
        _draw_heat_map(axes, spreads, depths, embeddings, digits, limits)
        if name.startswith(("validation", "test")):
            _frame_lowest(axes, spreads, depths, embeddings)
        axes.set_title(name, fontsize=10)
    figure.suptitle(title)
    return save_figure(figure, path)


def _draw_heat_map(
    axes: Axes,
    spreads: dict[tuple[int, int], Spread],
    depths: Sequence[int],
    embeddings: Sequence[int],
    digits: int,
    limits: tuple[float, float] | None,
) -> None:
    """Draw a cell for each network, its value written inside.

    Colours reach from the lowest value to the highest, or between `limits`.
    """
    means = [
        [spreads[d, e].mean if (d, e) in spreads else float("nan") for e in embeddings]
        for d in depths
    ]
    image = axes.imshow(means, cmap="YlOrRd", aspect="auto", origin="lower", clim=limits)
    axes.set_xticks(range(len(embeddings)), [f"{size}" for size in embeddings])
    axes.set_yticks(range(len(depths)), [f"{depth}" for depth in depths])
    axes.set_xlabel("embedding")
    axes.set_ylabel("layers")
    # Thin white lines between the cells.
    axes.set_xticks([x - 0.5 for x in range(1, len(embeddings))], minor=True)
    axes.set_yticks([y - 0.5 for y in range(1, len(depths))], minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="both", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for (depth, size), spread in spreads.items():
        x, y = embeddings.index(size), depths.index(depth)
        low, high = image.get_clim()
        is_dark = spread.mean - low > 0.6 * (high - low)
        text = spread.text(digits).replace(" ± ", "\n± ")
        color = "white" if is_dark else "black"
        axes.text(x, y, text, ha="center", va="center", color=color, fontsize=9)


def _frame_lowest(
    axes: Axes,
    spreads: dict[tuple[int, int], Spread],
    depths: Sequence[int],
    embeddings: Sequence[int],
) -> None:
    """Frame the cell with the lowest value."""
    from matplotlib.patches import Rectangle

    depth, size = min(spreads, key=lambda key: spreads[key].mean)
    corner = embeddings.index(size) - 0.46, depths.index(depth) - 0.45
    axes.add_patch(Rectangle(corner, 0.92, 0.9, fill=False, edgecolor="black", linewidth=2))
