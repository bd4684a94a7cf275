"""The command `zaremba train`."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import FIXED_ON_RESUME, PRESETS, Settings, preset
from ..errors import UserError
from .options import (
    DATA_HELP,
    add_device,
    add_engine,
    add_precision,
    add_setting,
    changed_settings,
    find_cells_here,
)
from .parser import Commands

if TYPE_CHECKING:
    from rich.console import Console

    from ..runs import RunFolder
    from ..text import Corpus, Log


def add(commands: Commands) -> None:
    """Add the command and its options."""
    parser = commands.add("train", run, "train a network and save it as a run folder")
    parser.add_argument("run", nargs="?", metavar="RUN", help="folder to make; default runs/PRESET")
    parser.add_argument("--preset", help=f"{', '.join(PRESETS)}; default small")
    parser.add_argument("--data", metavar="TEXT", help=DATA_HELP + "; default pydoc")
    parser.add_argument("--resume", metavar="RUN", help="continue the run in this folder")
    parser.add_argument(
        "--max-steps", "--max_steps", type=int, metavar="N", help="end after step N"
    )
    parser.add_argument("--force", action="store_true", help="overwrite the run in the folder")
    add_device(parser)
    add_engine(parser)
    add_precision(parser)
    group = parser.add_argument_group("settings", "each replaces the preset's value")
    for setting in fields(Settings):
        add_setting(group, setting)


def run(options: argparse.Namespace) -> None:
    """Train a new network, or continue a run.

    Raises:
        UserError: the options contradict each other or the run, or the text does not fit.
        RunFailed: the training diverged or was interrupted; the run folder holds a save.
    """
    changes = changed_settings(options)
    if options.max_steps is not None and options.max_steps < 1:
        raise UserError(f"--max-steps is {options.max_steps}, it must be at least 1")
    if options.resume:
        _check_resume(options)
    else:
        settings = preset(options.preset or "small").with_changes(changes)

    from rich.console import Console

    from ..train import train

    console = Console(highlight=False, soft_wrap=True)

    def log(line: str) -> None:
        console.print(line, markup=False)

    find_cells_here(options)
    if options.resume:
        folder, corpus = _resumed_run(options, changes, log)
    else:
        folder, corpus = _new_run(options, settings, log)
    with _progress_bar(console) as on_step:
        try:
            train(
                folder, corpus, device=options.device, max_steps=options.max_steps,
                resume=bool(options.resume), new_lr=changes.get("lr"), cell=options.cell,
                engine=options.engine, precision=options.precision, log=log, on_step=on_step,
            )  # fmt: skip
        finally:
            if folder.metrics():
                _draw_curves(folder, log)


def _check_resume(options: argparse.Namespace) -> None:
    if options.run or options.preset or options.data or options.force:
        raise UserError("--resume RUN takes run, preset and text from RUN: leave the others out")


def _new_run(options: argparse.Namespace, settings: Settings, log: Log) -> tuple[RunFolder, Corpus]:
    """Check the settings against the text, then create the run folder."""
    from ..language_model import text_states
    from ..model import cell_of
    from ..runs import RunFolder, check_free, describe_cell
    from ..text import load_corpus

    _check_engine(options, settings)
    if settings.has_own_cell:
        describe_cell(settings, cell_of(settings, options.cell))  # raises if it is no cell
    path = Path(options.run or f"runs/{options.preset or 'small'}")
    check_free(path, force=options.force)
    corpus = load_corpus(options.data or "pydoc", vocab_size=settings.vocab_size, log=log)
    text_states(settings, corpus)  # raises before a folder is made, or another overwritten
    source = corpus.name if corpus.name in ("ptb", "pydoc") else str(Path(corpus.name).resolve())
    folder = RunFolder.create(path, settings, corpus.vocabulary, source, force=options.force)
    return folder, corpus


def _resumed_run(
    options: argparse.Namespace, changes: Mapping[str, Any], log: Log
) -> tuple[RunFolder, Corpus]:
    """Open the run to continue, and change its settings where that is possible."""
    from ..runs import RunFolder, checked_cell
    from ..text import load_corpus

    folder = RunFolder.open(options.resume)
    checked_cell(folder, options.cell)
    changes = {name: value for name, value in changes.items() if name != "cell"}
    for name in FIXED_ON_RESUME:
        saved = getattr(folder.settings, name)
        if name in changes and changes[name] != saved:
            raise UserError(
                f"{name} is {changes[name]!r}, but the run in {folder.path} was trained with "
                f"{saved!r}"
            )
    folder.settings = folder.settings.with_changes(changes)
    _check_engine(options, folder.settings)
    own = folder.vocabulary if folder.fixed_vocabulary else None
    corpus = load_corpus(folder.data, vocabulary=own, log=log)
    if corpus.vocabulary.words != folder.vocabulary.words:
        raise UserError(f"{folder.path}: the words of {folder.data} are no longer those of the run")
    folder.save_definition()
    return folder, corpus


def _check_engine(options: argparse.Namespace, settings: Settings) -> None:
    from ..engines import check_engine, check_precision, pick_device

    check_engine(options.engine, settings)
    device = pick_device(options.device)
    check_precision(options.precision, options.engine, settings, device)


@contextlib.contextmanager
def _progress_bar(console: Console) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on a terminal; yield the function that takes (step, total)."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("step"),
        MofNCompleteColumn(),
        BarColumn(bar_width=None),
        TimeRemainingColumn(),
    )
    is_hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=is_hidden) as bar:
        task = bar.add_task("training", total=None)
        yield lambda step, total: bar.update(task, completed=step, total=total)


def _draw_curves(folder: RunFolder, log: Log) -> None:
    from ..runs import draw_curves

    try:
        paths = draw_curves(folder)
        log(f"The curves are in {paths[0]} and {paths[1].name}.")
    except (UserError, OSError) as error:
        log(f"No curves: {error}")
