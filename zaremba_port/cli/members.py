"""What `zaremba reproduce` and `zaremba experiments` share: options, and training the members."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import UserError

if TYPE_CHECKING:
    from ..experiments import Experiment
    from ..text import Log


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Add `--jobs`."""
    parser.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="train N networks at once, each with its share of the threads; default 1",
    )


def check_positive(name: str, value: int) -> None:
    """Raise UserError if the value of the option `name` is not at least 1."""
    if value < 1:
        raise UserError(f"{name} is {value}, it must be at least 1")


def training_arguments(options: argparse.Namespace) -> list[str]:
    """Return the arguments of `zaremba train` for engine, device and precision."""
    engine = ["--engine", options.engine] if options.engine else []
    return ["--device", options.device, "--precision", options.precision, *engine]


def train_members(
    experiment: Experiment, options: argparse.Namespace, write: Callable[[Log], None]
) -> None:
    """Check the members, train what is left of them, and write the results.

    The results are also written when a training fails or is interrupted.

    Raises:
        UserError: a setting or option is refused before any training begins.
        RunFailed: a training failed or was interrupted.
    """
    check_positive("--jobs", options.jobs)

    from rich.console import Console

    from ..engines import check_engine, check_memory, check_precision, pick_device
    from ..errors import RunFailed
    from ..language_model import text_states

    device = pick_device(options.device)
    for member in experiment.members:
        check_engine(options.engine, member.settings)
        check_precision(options.precision, options.engine, member.settings, device)
        check_memory(member.settings, device)
    text_states(experiment.members[0].settings, experiment.corpus)  # raises if it is too short
    console = Console(highlight=False, soft_wrap=True)

    def log(text: str) -> None:
        console.print(text, markup=False)

    try:
        experiment.train(options.jobs, console)
    except RunFailed:
        write(log)
        raise
    write(log)
