"""The command `zaremba import`."""

from __future__ import annotations

import argparse
from dataclasses import fields

from ..config import Settings
from .options import DATA_HELP, add_setting, changed_settings
from .parser import Commands

# What the network in the file determines.
_FIXED = ("layers", "rnn_size", "embedding_size", "cell", "vocab_size", "dropout", "dtype")


def add(commands: Commands) -> None:
    """Add the command and its options."""
    parser = commands.add("import", run, "make a run of a language model in a Torch7 file")
    parser.add_argument("file", metavar="FILE", help="a .t7 file of main.lua or of char-rnn")
    parser.add_argument("run", metavar="RUN", help="run folder to make")
    parser.add_argument(
        "--data",
        metavar="TEXT",
        help=DATA_HELP + "; needed to go on training. Default, without a vocabulary: ptb",
    )
    parser.add_argument(
        "--vocabulary",
        metavar="FILE",
        help="the words by their ids: a .t7 file with a table, or one word a line; default the "
        "vocabulary in the file, or the words of the text in the order of their appearance",
    )
    parser.add_argument("--force", action="store_true", help="overwrite a run in the folder")
    group = parser.add_argument_group("settings of further training")
    for setting in fields(Settings):
        if setting.name not in _FIXED:
            add_setting(group, setting)


def run(options: argparse.Namespace) -> None:
    """Make the run folder.

    Raises:
        UserError: the file contains no such network, or vocabulary and text do not fit it.
    """
    from ..torch7 import import_run

    import_run(
        options.file,
        options.run,
        data=options.data,
        vocabulary=options.vocabulary,
        changes=changed_settings(options),
        force=options.force,
    )
