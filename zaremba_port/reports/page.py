"""A report as one HTML page that needs no other file and no network."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..cells import Cell
from .charts import charts, colour
from .network import network_pictures
from .numbers import machines_table, results_note, results_table, settings_table
from .samples import samples_of
from .summary import RunSummary

MARK = "<!-- zaremba report -->"
"""The first line of a report, by which a later one knows that it may take its place."""


def is_report(path: Path) -> bool:
    """Return whether a file is a report, HTML or Markdown."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return any(MARK in line for line in itertools.islice(file, 3))
    except OSError:
        return False


def report_page(runs: Sequence[RunSummary], cell: Cell | str | None = None) -> str:
    """Return the page of one or several runs, side by side and overlaid.

    `cell` is the cell of runs that were trained with one of their own, for the picture.

    Raises:
        UserError: matplotlib is not installed.
    """
    environment = Environment(
        loader=PackageLoader(__package__, "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = environment.loader.get_source(environment, "report.css")[0]  # type: ignore[union-attr]
    return environment.get_template("report.html").render(
        runs=runs,
        mark=Markup(MARK),
        title=runs[0].name if len(runs) == 1 else f"{len(runs)} runs",
        style=Markup(style),
        date=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        colour=colour,
        charts=[(title, Markup(svg)) for title, svg in charts(runs)],
        results=results_table(runs),
        results_note=results_note(runs),
        settings=settings_table(runs),
        machines=machines_table(runs),
        samples=[(run, samples_of(run)) for run in runs if run.samples],
        networks=[
            (n, Markup(s) if s.startswith("<") else s) for n, s in network_pictures(runs, cell)
        ],
    )
