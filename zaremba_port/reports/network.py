"""The picture of a run's network for a report."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..assignment.diagrams import diagram_source, render_diagram
from ..cells import Cell
from ..errors import UserError
from ..model import cell_of
from ..runs import RunFolder, checked_cell
from .summary import RunSummary

SHAPE = ("layers", "rnn_size", "embedding_size", "vocab_size", "dropout", "cell")
"""The settings that the picture shows."""


def network_pictures(
    runs: Sequence[RunSummary], cell: Cell | str | None = None
) -> list[tuple[str, str]]:
    """Return the different networks of runs as (names of the runs, SVG).

    Where a picture cannot be drawn, because Graphviz is missing or the run has a cell of its own
    that `cell` is not, the SVG is a sentence that says so.
    """
    groups: dict[tuple[object, ...], list[RunSummary]] = {}
    for run in runs:
        shape = tuple(getattr(run.settings, name) for name in SHAPE)
        groups.setdefault(shape, []).append(run)
    return [
        (", ".join(run.name for run in same), _picture(same[0], cell)) for same in groups.values()
    ]


def _picture(run: RunSummary, cell: Cell | str | None) -> str:
    try:
        own = checked_cell(RunFolder.open(run.path), cell if run.settings.has_own_cell else None)
        drawn = "network", run.settings, 3, "paper", own or cell_of(run.settings)
        svg = render_diagram(diagram_source(*drawn), "svg").decode()
    except UserError as error:
        return f"No picture: {error}"
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    return re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r'\1 role="img"', svg, count=1)
