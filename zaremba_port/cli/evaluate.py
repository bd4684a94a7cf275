"""The command `zaremba evaluate`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import UserError
from .options import (
    DATA_HELP,
    add_cell,
    add_device,
    add_engine,
    add_which,
    find_cells_here,
    log_to_stderr,
)
from .parser import Commands

if TYPE_CHECKING:
    import torch

    from ..language_model import TextState
    from ..runs import RunFolder
    from ..text import Batches

SPLIT_NAMES = {"train": "Training", "valid": "Validation", "test": "Test"}


def add(commands: Commands) -> None:
    """Add the command and its options."""
    parser = commands.add("evaluate", run, "measure the perplexity of a saved run on a text")
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument(
        "--data",
        metavar="TEXT",
        help=DATA_HELP + ", which needs only the file of --split; default the run's own text",
    )
    parser.add_argument(
        "--split",
        choices=tuple(SPLIT_NAMES),
        default="test",
        help="part of the text; default test",
    )
    parser.add_argument(
        "--mode",
        choices=("sequential", "batched", "both"),
        default="sequential",
        help="one word at a time, or in batches as in validation; default sequential",
    )
    add_which(parser)
    add_cell(parser)
    parser.add_argument("--map-unknown", action="store_true", help="read unknown words as <unk>")
    add_device(parser)
    add_engine(parser)


def run(options: argparse.Namespace) -> None:
    """Print the perplexity of a run on a text.

    Raises:
        UserError: there is no such run, the text is too short, or one of its words is unknown.
    """
    from ..evaluate import character_note, load_model, report_lines, run_test, run_valid
    from ..runs import RunFolder
    from ..text import CHARACTERS, replicate, sequential

    find_cells_here(options)
    folder = RunFolder.open(options.run)
    model = load_model(
        folder, options.which, device=options.device, cell=options.cell, engine=options.engine
    )
    settings, device = model.settings, model.paramx.device
    words = _words(options, folder)
    ids = folder.vocabulary.encode(words)
    characters = words if folder.unit == CHARACTERS else []

    def report(how: str, loss: float) -> None:
        title = f"{SPLIT_NAMES[options.split]} set perplexity"
        print(*report_lines(title, how, loss, characters), sep="\n")

    if options.mode in ("sequential", "both"):
        how = "character by character" if characters else "word by word"
        report(how, run_test(model, _text_state(sequential(ids), 2, device)))
    if options.mode in ("batched", "both"):
        batches = replicate(ids, settings.batch_size)
        state = _text_state(batches, settings.seq_length + 1, device)
        report("in batches", run_valid(model, state))
    if characters:
        print(character_note(characters))


def _words(options: argparse.Namespace, folder: RunFolder) -> Sequence[str]:
    """Return the words of the text, not its ids, which differ from the ids of the run."""
    from ..text import UNK, load_split

    words = load_split(options.data or folder.data, options.split, log=log_to_stderr)
    if not options.map_unknown:
        return words
    if UNK not in folder.vocabulary:
        raise UserError(f"--map-unknown: {folder.path} has no {UNK} among its {folder.unit}")
    return [word if word in folder.vocabulary else UNK for word in words]


def _text_state(data: Batches, rows: int, device: torch.device) -> TextState:
    """Check that `data`, (rows, batch), has at least `rows` rows, and put it on the device."""
    from ..language_model import TextState

    if len(data) < rows:
        raise UserError(f"the text has {data.numel()} words, it takes {rows * data.shape[1]}")
    return TextState(data.to(device))
