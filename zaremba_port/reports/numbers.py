"""The tables of a report: settings, machines and final numbers of runs, as rows of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from ..config import Settings
from ..experiments import PAPER, PTB_SIZES, PUBLISHED
from .summary import Line, RunSummary

Rows = list[list[str]]
"""Rows of a table; the first one holds the headings."""

_MACHINE = {
    "host": "host",
    "machine": "machine",
    "cpu": "processor",
    "gpu": "GPU",
    "device": "device",
    "engine": "engine",
    "threads": "threads",
    "workers": "workers",
    "python": "Python",
    "torch": "torch",
    "zaremba": "zaremba-port",
}


@dataclass(frozen=True)
class Text:
    """The text that a number was measured on."""

    name: str
    is_treebank: bool


def text_of(run: RunSummary) -> Text:
    """Return the text that a run was trained on; the Penn Treebank is known by its size."""
    sizes = next((start["text"] for start in run.starts if "text" in start), None)
    if sizes == PTB_SIZES:
        return Text("Penn Treebank", True)
    size = f" ({sizes['train']:,} {run.unit} in train)" if sizes else ""
    return Text(f"{Path(run.data).name or run.data}{size}", False)


def number(value: float | None, digits: int = 2) -> str:
    """Return a number as tables show it; a dash for None.

    >>> number(114.456), number(None), number(1234567.0)
    ('114.46', '–', '1.23e+06')
    """
    if value is None:
        return "–"
    return f"{value:.{digits}f}" if abs(value) < 1e5 else f"{value:.3g}"


def results_table(runs: Sequence[RunSummary]) -> Rows:
    """Return the final numbers of the runs, beside those of the paper."""
    rows = [["", "text", "state", "epochs", "validation", "test"]]
    for run in runs:
        validation = number(run.valid)
        if run.best and run.valid is not None and run.best[0] < run.valid:
            validation += f" (best {number(run.best[0])}, epoch {run.best[1]:g})"
        test = number(run.test) + (f" ({number(run.bits, 3)} bits)" if run.bits else "")
        epochs = f"{run.epoch:.4g} of {run.settings.max_max_epoch}"
        rows.append([run.name, text_of(run).name, run.state, epochs, validation, test])
    for name in dict.fromkeys(run.published for run in runs):
        if name is not None:
            row = PUBLISHED[name]
            epochs = str(next(r for r in runs if r.published == name).settings.max_max_epoch)
            rows.append([
                f"paper: {row.title}", "Penn Treebank", "published", epochs,
                number(row.valid, 1), number(row.test, 1),
            ])  # fmt: skip
    return rows


def results_note(runs: Sequence[RunSummary]) -> str:
    """Return the sentences that say what the numbers are, and which may be compared."""
    note = "Perplexities after the last epoch"
    if any(run.unit != "words" for run in runs):
        note += "; those of characters are exp(5.6 · nats)"
    note += "."
    if any(run.published for run in runs):
        note += f" Rows “paper” are from {PAPER}."
        others = [run.name for run in runs if run.published and not text_of(run).is_treebank]
        if others:
            note += (
                f" They were measured on the Penn Treebank, {', '.join(others)} on another text: "
                "these numbers cannot be compared."
            )
    if any(run.state != "done" for run in runs):
        note += " Runs that are not done have no test yet."
    return note


def settings_table(runs: Sequence[RunSummary]) -> Rows:
    """Return the settings, one a row, a column for each run; those that differ are first."""
    names = [setting.name for setting in fields(Settings)]
    values = {name: [str(getattr(run.settings, name)) for run in runs] for name in names}
    values["embedding_size"] = [str(run.settings.input_size) for run in runs]
    values["preset"] = [run.preset or "–" for run in runs]
    values["text"] = [run.data for run in runs]
    values["words"] = [f"{run.vocabulary:,} different" for run in runs]
    order = sorted(["preset", "text", "words", *names], key=lambda name: len(set(values[name])) < 2)
    return [["", *(run.name for run in runs)], *([name, *values[name]] for name in order)]


def machines_table(runs: Sequence[RunSummary]) -> Rows:
    """Return where and with which versions the runs were trained; empty if none says so."""
    rows: Rows = [["", *(run.name for run in runs)]]
    for key, title in _MACHINE.items():
        cells = [_all_values(run.starts, key) for run in runs]
        if any(cells):
            rows.append([title, *(cell or "–" for cell in cells)])
    rows.append(["minutes of training", *(number(run.minutes, 1) for run in runs)])
    sessions = [str(len(run.starts) or "–") for run in runs]
    return [*rows, ["started or resumed, times", *sessions]]


def _all_values(starts: Sequence[Line], key: str) -> str:
    values = dict.fromkeys(str(start[key]) for start in starts if start.get(key) not in (None, ""))
    return ", then ".join(values)
