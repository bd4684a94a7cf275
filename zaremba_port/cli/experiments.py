"""The command `zaremba experiments`."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from ..config import PRESETS, Settings
from ..errors import UserError
from .members import add_jobs, check_positive, train_members, training_arguments
from .options import (
    DATA_HELP,
    add_device,
    add_engine,
    add_precision,
    add_setting,
    changed_settings,
)
from .parser import Commands

RECIPES = {
    ("ward", "words"): "ward",
    ("ward", "chars"): "char-ward",
    ("small", "words"): "small",
    ("small", "chars"): "char-small",
}
"""The preset of a recipe and a unit."""

EMBEDDINGS = {"words": (100, 200, 400), "chars": (20, 50, 200)}
"""Default sizes of the embedding: words try larger ones than small, characters smaller ones."""

OWN = ("layers", "embedding_size", "seed", "max_max_epoch", "vocab_size")
"""Settings that have options of their own here, or follow from the text."""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    parser = commands.add(
        "experiments", run, "train a grid of depths and embeddings; draw and tabulate the results"
    )
    parser.add_argument(
        "folder", nargs="?", metavar="FOLDER", help="where; default runs/experiments/RECIPE-UNITS"
    )
    parser.add_argument(
        "--recipe",
        choices=("ward", "small"),
        default="ward",
        help="ward, the course report's, or small, the paper's without dropout; default ward",
    )
    parser.add_argument(
        "--units", choices=("words", "chars"), default="words", help="default words"
    )
    parser.add_argument(
        "--layers", type=_number, nargs="+", default=[1, 2, 3], metavar="N", help="default 1 2 3"
    )
    parser.add_argument(
        "--embedding",
        type=_number,
        nargs="+",
        metavar="N",
        help="sizes of the embedding; default 100 200 400 for words, 20 50 200 for chars",
    )
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="default: the recipe's; more continue a grid"
    )
    parser.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="train from seeds 1 to N; default 1"
    )
    parser.add_argument("--data", default="ptb", metavar="TEXT", help=DATA_HELP + "; default ptb")
    parser.add_argument(
        "--max-words",
        type=int,
        metavar="N",
        help="cut the training and validation text to N words, the test text to a tenth",
    )
    add_jobs(parser)
    add_device(parser)
    add_engine(parser)
    add_precision(parser)
    group = parser.add_argument_group("settings", "each replaces the recipe's value in all members")
    for setting in fields(Settings):
        if setting.name not in OWN:
            add_setting(group, setting)


def run(options: argparse.Namespace) -> None:
    """Train what is left of a grid, and write its tables and pictures.

    Raises:
        UserError: an option is out of range, or the folder holds other trainings.
        RunFailed: a training failed or was interrupted; the tables show the others.
    """
    _take_folder(options)
    check_positive("--seeds", options.seeds)
    if options.max_words is not None:
        check_positive("--max-words", options.max_words)
    preset = RECIPES[options.recipe, options.units]
    changes = {name: value for name, value in _changes(options).items() if value is not None}
    settings = PRESETS[preset].with_changes(changes)
    for depth in options.layers:  # refuses what is out of range before the text is read
        settings.with_changes({"layers": depth})
    embeddings = options.embedding or EMBEDDINGS[options.units]
    for size in embeddings:
        settings.with_changes({"embedding_size": size})

    from ..experiments import AXES, Experiment, grid, prepare_text, write_grid_pages
    from ..text import CHARACTERS, WORDS

    folder = Path(options.folder or f"runs/experiments/{options.recipe}-{options.units}")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file: an experiment needs a folder")
    unit = WORDS if options.units == "words" else CHARACTERS
    corpus = prepare_text(options.data, unit, folder, settings, options.max_words, print)
    settings = settings.with_changes({"vocab_size": max(len(corpus.vocabulary), 2)})
    members = grid(settings, options.layers, embeddings, options.seeds)
    free = (*AXES, "max_max_epoch")
    experiment = Experiment(folder, preset, members, free, corpus, training_arguments(options))
    train_members(experiment, options, lambda log: write_grid_pages(experiment, log))


def _number(text: str) -> int | str:
    """Convert an option's value to a number; leave other text for `_take_folder`."""
    try:
        return int(text)
    except ValueError:
        return text


def _take_folder(options: argparse.Namespace) -> None:
    """Take a FOLDER after ``--layers 1 2`` for the folder: argparse takes it for another number.

    Raises:
        UserError: a value is no number, and no folder either.
    """
    for name in ("layers", "embedding"):
        values = getattr(options, name) or []
        if len(values) > 1 and isinstance(values[-1], str) and options.folder is None:
            options.folder = values.pop()
        for value in values:
            if isinstance(value, str):
                raise UserError(f"--{name} takes numbers, not {value!r}")


def _changes(options: argparse.Namespace) -> dict[str, object]:
    """Return the settings that the options replace, None for those that were not given."""
    changes = changed_settings(options)
    for name in ("layers", "embedding_size", "seed"):
        changes.pop(name, None)  # `layers` is a list here
    return {**changes, "max_max_epoch": options.epochs}
