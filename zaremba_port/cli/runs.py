"""The commands `zaremba runs` and `zaremba runs show`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from .parser import Commands

if TYPE_CHECKING:
    from ..reports import Damaged, RunSummary

_COLOURS = {"done": "green", "running": "blue", "interrupted": "yellow", "new": "dim"}


def add(commands: Commands) -> None:
    """Add the command and its options."""
    parser = commands.add("runs", run, "list the runs in a folder; show one of them")
    parser.add_argument(
        "words",
        nargs="*",
        metavar="[FOLDER | show RUN]",
        help="list the runs in FOLDER, default runs; or show all that is known of RUN",
    )
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def run(options: argparse.Namespace) -> None:
    """List the runs in a folder, or show one run.

    Raises:
        UserError: there is no such folder or run.
    """
    words = list(options.words)
    if words[:1] == ["show"] and len(words) == 2:
        _show(words[1], options.json)
    elif len(words) <= 1 and words != ["show"]:
        _list(words[0] if words else "runs", options.json)
    else:
        raise UserError("runs takes one folder, or show and one run: zaremba runs show RUN")


def _list(folder: str, as_json: bool) -> None:
    from ..reports import find_runs

    runs = find_runs(folder)
    if as_json:
        print(json.dumps([_without_details(each.as_dict()) for each in runs], indent=2))
    elif runs:
        _print_table(folder, runs)
    else:
        print(f"no runs in {folder}")


def _without_details(values: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if name not in ("settings", "starts")}


def _print_table(folder: str, runs: list[RunSummary | Damaged]) -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from ..reports import Damaged, number
    from ..text import visible

    table = Table(box=box.SIMPLE)
    for heading in ("run", "state", "epochs", "best valid", "test", "changed, UTC", "text"):
        is_number = heading in ("epochs", "best valid", "test")
        table.add_column(
            heading, justify="right" if is_number else "left", overflow="fold", no_wrap=is_number
        )
    damaged = []
    for each in runs:
        path = Path(each.path)
        name = str(path.relative_to(folder)) if path != Path(folder) else str(path)
        name = escape(visible(name))
        if isinstance(each, Damaged):
            damaged.append(each)
            table.add_row(name, "[red]damaged[/]", "", "", "", "", "")
            continue
        state = f"[{_COLOURS.get(each.state, 'red')}]{each.state}[/]"
        table.add_row(
            name,
            state,
            f"{each.epoch:.4g} of {each.settings.max_max_epoch}",
            number(each.best and each.best[0]),
            number(each.test),
            each.date[:16].replace("T", "\u00a0"),
            escape(visible(Path(each.data).name or each.data)),
        )
    console = Console(highlight=False)
    if not console.is_terminal:  # the lines of a file may be long
        console.width = 250
    console.print(table)
    for each in damaged:
        console.print(f"{each.path}: {each.reason}", markup=False, soft_wrap=True)


def _show(folder: str, as_json: bool) -> None:
    from rich.console import Console

    from ..reports import machines_table, results_table, samples_of, settings_table, summarize
    from ..text import visible

    summary = summarize(folder)
    if as_json:
        print(json.dumps(summary.as_dict(), indent=2))
        return
    console = Console(highlight=False, soft_wrap=True)
    headings, row = results_table([summary])[:2]
    rows = [[heading or "run", cell] for heading, cell in zip(headings, row, strict=True)]
    rows += [["last change", summary.date], ["step", str(summary.step)]]
    rows += [*machines_table([summary])[1:], *settings_table([summary])[1:]]
    width = max(len(row[0]) for row in rows)
    for name, value in rows:
        console.print(f"{name:<{width}}  {visible(value)}", markup=False)
    for _, samples in samples_of(summary):
        last = samples[-1]
        text = f"{last.prompt or '#'} | {last.text}"
        console.print(f"epoch {last.epoch:g}: {visible(text)}", markup=False)
