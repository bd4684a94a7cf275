"""The command `zaremba reproduce`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..config import PRESETS
from ..errors import UserError
from .members import add_jobs, check_positive, train_members, training_arguments
from .options import DATA_HELP, add_device, add_engine, add_precision
from .parser import Commands

NAMES = ("small", "medium", "large", "ward", "char")
"""What can be reproduced; `experiments.PUBLISHED` says what is published about each."""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    parser = commands.add(
        "reproduce", run, "train a network of the paper or report and compare with its numbers"
    )
    parser.add_argument("what", choices=NAMES, metavar="|".join(NAMES), help="what to reproduce")
    parser.add_argument(
        "folder", nargs="?", metavar="FOLDER", help="where; default runs/reproduce/NAME"
    )
    parser.add_argument(
        "--data", default="ptb", metavar="TEXT", help=DATA_HELP + "; default ptb, as published"
    )
    parser.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="train from seeds 1 to N; default 1"
    )
    add_jobs(parser)
    add_device(parser)
    add_engine(parser)
    add_precision(parser)


def run(options: argparse.Namespace) -> None:
    """Train what is left of a reproduction, and write its tables and its picture.

    Raises:
        UserError: an option is out of range, or the folder holds other trainings.
        RunFailed: a training failed or was interrupted; the tables show the others.
    """
    check_positive("--seeds", options.seeds)

    from ..experiments import (
        PUBLISHED,
        Experiment,
        prepare_text,
        repetitions,
        write_reproduction_pages,
    )
    from ..text import CHARACTERS, WORDS

    published = PUBLISHED[options.what]
    settings = PRESETS[published.preset]
    folder = Path(options.folder or f"runs/reproduce/{options.what}")
    unit = CHARACTERS if options.what == "char" else WORDS
    corpus = prepare_text(options.data, unit, folder, settings, None, print)
    if len(corpus.vocabulary) > settings.vocab_size:
        raise UserError(
            f"{options.data} has {len(corpus.vocabulary)} different {unit}, more than the "
            f"{settings.vocab_size} of the preset {published.preset}"
        )
    members = repetitions(settings, options.seeds)
    experiment = Experiment(
        folder, published.preset, members, ("seed",), corpus, training_arguments(options)
    )
    train_members(
        experiment, options, lambda log: write_reproduction_pages(experiment, published, log)
    )
