"""A report as Markdown, with its charts as SVG files beside it."""

from __future__ import annotations

from collections.abc import Sequence

from ..cells import Cell
from .charts import charts, framed
from .network import network_pictures
from .numbers import Rows, machines_table, results_note, results_table, settings_table
from .page import MARK
from .samples import samples_of
from .summary import RunSummary


def report_markdown(
    runs: Sequence[RunSummary], name: str, cell: Cell | str | None = None
) -> tuple[str, dict[str, str]]:
    """Return the report of one or several runs, and its pictures: SVG by path.

    The pictures belong into the folder `name`_pictures beside the report. `cell` is the cell of
    runs that were trained with one of their own.

    Raises:
        UserError: matplotlib is not installed.
    """
    drawings = {title: framed(svg) for title, svg in charts(runs)}
    for names, svg in network_pictures(runs, cell):
        drawings |= {f"Network of {names}": svg} if svg.startswith("<svg") else {}
    pictures = {
        f"{name}_pictures/{number}.svg": svg for number, svg in enumerate(drawings.values(), 1)
    }
    paths = dict(zip(drawings, pictures, strict=True))
    title = runs[0].name if len(runs) == 1 else f"{len(runs)} runs"
    parts = [
        MARK,
        f"# Training report: {_escaped(title)}",
        "## Results",
        _table(results_table(runs)),
    ]
    parts += [results_note(runs)]
    parts += ["## Curves"] * bool(drawings)
    parts += [f"![{_escaped(title)}]({path})" for title, path in paths.items()]
    sampled = [run for run in runs if run.samples]
    if sampled:
        parts += [
            "## Completed sentences",
            "At the end of every epoch the network completes the same beginnings, with the same "
            "random numbers. \\# stands for the beginning of a sentence.",
        ]
    for run in sampled:
        parts += [f"### {_escaped(run.name)}"] * (len(runs) > 1)
        for _, samples in samples_of(run):
            rows = [["epoch", "sentence"]]
            for sample in samples:
                prompt = f"**{_escaped(sample.prompt or '#')}**"
                rows.append([f"{sample.epoch:g}", f"{prompt} {_escaped(sample.text)}"])
            parts.append(_table(rows, is_escaped=True))
    parts += ["## Settings", _table(settings_table(runs))]
    parts += ["## Machines and versions", _table(machines_table(runs))]
    return "\n\n".join(parts) + "\n", pictures


def _table(rows: Rows, is_escaped: bool = False) -> str:
    cells = rows if is_escaped else [[_escaped(cell) for cell in row] for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """Return `text` so that Markdown shows it as it is, also inside a table.

    >>> print(_escaped("a|b <unk> *c*"))
    a\\|b \\<unk> \\*c\\*
    """
    for character in "\\`*_[]<#|":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
