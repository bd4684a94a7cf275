"""The commands `zaremba ensemble train` and `zaremba ensemble evaluate`."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import PRESETS, Settings, preset
from ..errors import UserError
from .evaluate import SPLIT_NAMES
from .members import add_jobs, check_positive, train_members, training_arguments
from .options import (
    DATA_HELP,
    add_cell,
    add_device,
    add_engine,
    add_precision,
    add_setting,
    add_which,
    changed_settings,
    find_cells_here,
    log_to_stderr,
)
from .parser import Commands

if TYPE_CHECKING:
    from ..experiments import EnsembleRow
    from ..runs import RunFolder
    from ..text import Ids, Log


def add(commands: Commands) -> None:
    """Add the command, its two parts `train` and `evaluate`, and their options."""

    def incomplete(options: argparse.Namespace) -> None:
        parser.error("ensemble takes train or evaluate")

    parser = commands.add(
        "ensemble", incomplete, "train networks from several seeds, and average their predictions"
    )
    parts = Commands(parser)
    train = parts.add("train", run_train, "train the members that are not done yet")
    train.add_argument("folder", metavar="FOLDER", help="holds a run folder for each member")
    train.add_argument(
        "--members", type=int, default=5, metavar="N", help="train from seeds 1 to N; default 5"
    )
    train.add_argument("--preset", default="small", help=f"{', '.join(PRESETS)}; default small")
    train.add_argument(
        "--data", default="pydoc", metavar="TEXT", help=DATA_HELP + "; default pydoc"
    )
    add_jobs(train)
    add_device(train)
    add_engine(train)
    add_precision(train)
    group = train.add_argument_group("settings", "each replaces the preset's value")
    for setting in fields(Settings):
        if setting.name not in ("seed", "cell"):
            add_setting(group, setting)
    evaluate = parts.add(
        "evaluate", run_evaluate, "measure the perplexity of 1, 2, ... members on a text"
    )
    evaluate.add_argument(
        "folders", nargs="+", metavar="FOLDER", help="folders of runs, or runs, in this order"
    )
    evaluate.add_argument(
        "--data", metavar="TEXT", help=DATA_HELP + "; default the first member's own text"
    )
    evaluate.add_argument(
        "--split", choices=tuple(SPLIT_NAMES), default="test", help="default test"
    )
    evaluate.add_argument(
        "-o",
        "--output",
        metavar="FOLDER",
        help="where to write ensemble.md and the plot; default the folder, if there is one",
    )
    add_which(evaluate)
    add_cell(evaluate)
    add_device(evaluate)
    add_engine(evaluate)


def run_train(options: argparse.Namespace) -> None:
    """Train the members that are not done: by `--jobs`, or spread over torchrun's workers.

    Raises:
        UserError: an option is out of range, or the folder holds other trainings.
        RunFailed: a training failed or was interrupted.
    """
    check_positive("--members", options.members)
    settings = preset(options.preset).with_changes(changed_settings(options))

    from ..experiments import Experiment, repetitions
    from ..parallel import workers_started
    from ..text import KEYWORDS, load_corpus

    folder = Path(options.folder)
    if (folder / "settings.json").is_file():
        raise UserError(f"{folder} is a run: an ensemble needs a folder of its own")
    with workers_started(options.device, patience=timedelta(days=60)) as (workers, device):
        options.device = device
        log = print if workers.is_first else log_to_stderr
        corpus = load_corpus(options.data, vocab_size=settings.vocab_size, log=log)
        if corpus.name not in KEYWORDS:
            corpus = replace(corpus, name=str(Path(corpus.name).resolve()))
        members = repetitions(settings, options.members)
        arguments = training_arguments(options)
        experiment = Experiment(
            folder, options.preset, members, ("seed",), corpus, arguments,
            share=(workers.rank, workers.count),
        )  # fmt: skip
        train_members(experiment, options, lambda log: None)
        workers.wait()
        if workers.is_first:
            print(f"Measure it with: zaremba ensemble evaluate {folder}")


def run_evaluate(options: argparse.Namespace) -> None:
    """Print a table for 1, 2, ... members; write it and a plot.

    Raises:
        UserError: a folder holds no runs, they do not fit together, or a word is unknown.
    """
    from ..completing import check_same_words
    from ..experiments import evaluate_ensemble
    from ..runs import RunFolder
    from ..text import sequential

    find_cells_here(options)
    folders = _members(options.folders)
    runs = [RunFolder.open(path) for path in folders]
    check_same_words(runs)
    ids = _ids(options, runs[0], log_to_stderr)
    rows: list[EnsembleRow] = []
    for row in evaluate_ensemble(
        runs, sequential(ids), which=options.which, device=options.device,
        engine=options.engine, cell=options.cell,
    ):  # fmt: skip
        rows.append(row)
        log_to_stderr(f"{row.name}: done ({row.members} of {len(runs)})")
    _write(options, runs, rows)


def _members(names: list[str]) -> list[Path]:
    """Return the run folders that `names` are or hold, each once."""
    from ..completing import member_folders

    folders: dict[Path, Path] = {}
    for name in names:
        path = Path(name)
        inside = member_folders(path)
        if path.is_dir() and not inside and not (path / "settings.json").is_file():
            raise UserError(f"{path} holds no runs: train some, zaremba ensemble train {path}")
        for each in inside or [path]:
            if each.resolve() in folders:
                raise UserError(f"{each} is named twice")
            folders[each.resolve()] = each
    return list(folders.values())


def _ids(options: argparse.Namespace, run: RunFolder, log: Log) -> Ids:
    """Return the ids of the text, in those of the run."""
    from ..text import load_corpus, load_split

    if options.data is None:
        corpus = load_corpus(run.data, log=lambda line: None)
        if corpus.vocabulary.words == run.vocabulary.words:
            ids: Ids = getattr(corpus, options.split)
            return ids
    return run.vocabulary.encode(load_split(options.data or run.data, options.split, log=log))


def _write(options: argparse.Namespace, runs: list[RunFolder], rows: list[EnsembleRow]) -> None:
    """Print the table; write it, and the plot, into a folder."""
    from ..experiments import PAPER_ENSEMBLE, PTB_SIZES, draw_ensemble, ensemble_table
    from ..text import load_corpus

    unit = runs[0].unit
    text = options.data or runs[0].data
    what = f"{options.split} part of {Path(text).name or text}"
    table = ensemble_table(rows, unit)
    note = f"Perplexities of the {what}, read word by word; parameters: {options.which}."
    print(f"{note}\n\n{table}", end="")
    default = Path(options.folders[0]) if len(options.folders) == 1 else None
    folder = Path(options.output) if options.output else default
    if folder is None or (folder / "settings.json").is_file():
        return
    paper = None
    published = {"valid": PAPER_ENSEMBLE[1], "test": PAPER_ENSEMBLE[2]}
    if options.data is None and load_corpus(text, log=lambda line: None).sizes == PTB_SIZES:
        paper = published.get(options.split)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ensemble.md").write_text(f"{note}\n\n{table}", encoding="utf-8")
        draw_ensemble(rows, unit, f"Ensemble, {what}", paper, folder / "ensemble")
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror}") from None
    print(f"{folder} holds ensemble.md, ensemble.png, ensemble.svg.")
