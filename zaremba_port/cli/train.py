"""The command `zaremba train`."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Mapping
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
from .training_bar import training_bar

if TYPE_CHECKING:
    from rich.console import Console

    from ..parallel import Workers
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
        "--from",
        dest="from_",
        choices=("last", "previous"),
        help="with --resume: the save to continue from, the last or the one before; default last",
    )
    parser.add_argument(
        "--save-every",
        "--save_every",
        metavar="N|TIME",
        help="save every N steps, or after a time such as 30s, 5m, 1h; default 5m",
    )
    parser.add_argument(
        "--max-steps", "--max_steps", type=int, metavar="N", help="end after step N"
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=3,
        metavar="N",
        help="complete N sentences after every epoch, for zaremba report; default 3",
    )
    parser.add_argument(
        "--tensorboard", action="store_true", help="write TensorBoard's event files into RUN, too"
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
    if options.samples < 0:
        raise UserError(f"--samples is {options.samples}, it must be at least 0")
    settings: Settings | None = None
    if options.resume is not None:
        _check_resume(options)
    elif options.from_:
        raise UserError("--from is for --resume RUN")
    else:
        settings = preset(options.preset or "small").with_changes(changes)

    from ..parallel import workers_started
    from ..runs import SaveEvery
    from ..train import train

    save_every = SaveEvery.parse(options.save_every or "5m")
    console = _console()

    def log(line: str) -> None:
        console.print(line, markup=False)

    find_cells_here(options)
    with workers_started(options.device) as (workers, device):
        options.device = device
        if not workers.is_first:
            log = _ignore
        folder, corpus = _opened_run(options, changes, settings, workers, log)
        try:
            with (
                training_bar(console, is_hidden=not workers.is_first) as on_step,
                _event_files(options, folder, workers),
            ):
                train(
                    folder, corpus, device=device, max_steps=options.max_steps,
                    resume=bool(options.resume), new_lr=changes.get("lr"), cell=options.cell,
                    engine=options.engine, precision=options.precision, log=log, on_step=on_step,
                    save_every=save_every, samples=options.samples, workers=workers,
                )  # fmt: skip
        except BaseException:
            if workers.count == 1:  # torchrun ends the others soon
                with contextlib.suppress(Exception):  # it must not hide the error
                    if options.resume or folder.has_last():
                        _draw_curves(folder, log)
                    else:  # the training has not begun: leave nothing half-made
                        folder.remove()
            raise
        if workers.is_first:
            _draw_curves(folder, log)


def _console() -> Console:
    """Return the console for log and progress bar; a reader that has gone raises an error there."""
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError("nobody reads it any more")

    return Output(highlight=False, soft_wrap=True)


def _event_files(
    options: argparse.Namespace, folder: RunFolder, workers: Workers
) -> contextlib.AbstractContextManager[None]:
    from ..runs import writing_events

    if options.tensorboard and workers.is_first:
        return writing_events(folder, resume=bool(options.resume))
    return contextlib.nullcontext()


def _ignore(line: str) -> None:
    """Log nothing: the first worker logs for all."""


def _opened_run(
    options: argparse.Namespace,
    changes: Mapping[str, Any],
    settings: Settings | None,
    workers: Workers,
    log: Log,
) -> tuple[RunFolder, Corpus]:
    """Return the run to train and its text; `settings` are those of a new run, else None.

    Of several workers, the first creates or checks the run, and reads a long text into the cache,
    before the others open both. Workers that torchrun has started anew continue what they began.
    """
    if settings is not None and _was_begun_by_this_torchrun(options, settings):
        options.resume, settings = options.run or _default_folder(options), None
    if workers.is_first:
        if settings is None:
            result = _resumed_run(options, changes, log)
        else:
            result = _new_run(options, settings, workers, log)
        workers.wait()
        return result
    workers.wait()
    if settings is not None:
        options.resume = options.run or _default_folder(options)
    result = _resumed_run(options, changes, log)
    if settings is not None:
        options.resume = None
    return result


def _default_folder(options: argparse.Namespace) -> str:
    return f"runs/{options.preset or 'small'}"


def _was_begun_by_this_torchrun(options: argparse.Namespace, settings: Settings) -> bool:
    """Return whether this is a restart by torchrun of workers that had made the run already."""
    from ..parallel import launcher, started_by_torchrun
    from ..runs import RunFolder

    place = started_by_torchrun()
    path = Path(options.run or _default_folder(options))
    if place is None or not place.restarts or not path.is_dir():
        return False
    try:
        run = RunFolder.open(path)
    except UserError:
        return False
    starts = [event for event in run.events() if "launcher" in event]
    if starts:
        return bool(starts[-1]["launcher"] == launcher())
    return not run.has_last() and run.settings == settings


def _check_resume(options: argparse.Namespace) -> None:
    if options.run or options.preset or options.data or options.force:
        raise UserError("--resume RUN takes run, preset and text from RUN: leave the others out")


def _new_run(
    options: argparse.Namespace, settings: Settings, workers: Workers, log: Log
) -> tuple[RunFolder, Corpus]:
    """Check the settings against the text and the workers, then create the run folder."""
    from ..engines import check_columns
    from ..language_model import text_states
    from ..model import cell_of
    from ..runs import RunFolder, check_free, describe_cell
    from ..text import KEYWORDS, load_corpus

    _check_engine(options, settings)
    if settings.has_own_cell:
        describe_cell(settings, cell_of(settings, options.cell))  # raises if it is no cell
    workers.columns(settings.batch_size)  # raises if there are too few
    if workers.count > 1:
        check_columns(settings, options.cell)
    path = Path(options.run or _default_folder(options))
    check_free(path, force=options.force)
    corpus = load_corpus(options.data or "pydoc", vocab_size=settings.vocab_size, log=log)
    text_states(settings, corpus)  # raises before a folder is made, or another overwritten
    source = corpus.name if corpus.name in KEYWORDS else str(Path(corpus.name).resolve())
    folder = RunFolder.create(path, settings, corpus.vocabulary, source, force=options.force)
    return folder, corpus


def _resumed_run(
    options: argparse.Namespace, changes: Mapping[str, Any], log: Log
) -> tuple[RunFolder, Corpus]:
    """Open the run to continue, and change its settings where that is possible."""
    from ..runs import RunFolder, checked_cell
    from ..text import load_corpus

    folder = RunFolder.open(options.resume, from_previous=options.from_ == "previous")
    checked_cell(folder, options.cell)
    changes = {name: value for name, value in changes.items() if name != "cell"}
    for name in FIXED_ON_RESUME:
        saved = getattr(folder.settings, name)
        if name in changes and changes[name] != saved:
            raise UserError(
                f"{name} is {changes[name]!r}, but the run in {folder.path} was trained with "
                f"{saved!r}"
            )
    _check_epochs(folder, changes)
    folder.settings = folder.settings.with_changes(changes)
    _check_engine(options, folder.settings)
    own = folder.vocabulary if folder.fixed_vocabulary else None
    corpus = load_corpus(folder.data, vocabulary=own, log=log)
    if corpus.vocabulary.words != folder.vocabulary.words:
        raise UserError(f"{folder.path}: the words of {folder.data} are no longer those of the run")
    return folder, corpus


def _check_epochs(folder: RunFolder, changes: Mapping[str, Any]) -> None:
    """Raise UserError if a run is to end before the epochs that it has been trained for."""
    epochs = [line["epoch"] for line in folder.metrics() if line.get("split") == "valid"]
    trained, wanted = int(max(epochs, default=0)), changes.get("max_max_epoch")
    if wanted is not None and wanted < trained and not folder.from_previous:
        raise UserError(
            f"max_max_epoch is {wanted}, but the run in {folder.path} has been trained for "
            f"{trained} epochs: set it to {trained} or more"
        )


def _check_engine(options: argparse.Namespace, settings: Settings) -> None:
    from ..engines import check_engine, check_memory, check_precision, pick_device

    check_engine(options.engine, settings)
    device = pick_device(options.device)
    check_memory(settings, device)
    check_precision(options.precision, options.engine, settings, device)


def _draw_curves(folder: RunFolder, log: Log) -> None:
    from ..runs import draw_curves

    if not folder.metrics():
        return
    try:
        paths = draw_curves(folder)
        line = f"The curves are in {paths[0]} and {paths[1].name}."
    except (UserError, OSError) as error:
        line = f"No curves: {error}"
    log(line)
