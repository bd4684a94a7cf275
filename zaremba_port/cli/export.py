"""The command `zaremba export`."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import add_cell, add_which, check_folder_of, find_cells_here
from .parser import Commands


def add(commands: Commands) -> None:
    """Add the command and its options."""
    parser = commands.add("export", run, "write the network of a run to a Torch7 file")
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("file", metavar="FILE", help="the .t7 file to write")
    add_which(parser)
    add_cell(parser)
    parser.add_argument(
        "--ascii", action="store_true", help="write Torch7's ascii format; default binary"
    )
    parser.add_argument(
        "--network-only",
        action="store_true",
        help="write the network alone, without vocabulary, settings and state",
    )
    parser.add_argument(
        "--predictions",
        action="store_true",
        help="give the network a third output, the log-probabilities of all words",
    )


def run(options: argparse.Namespace) -> None:
    """Write the file.

    Raises:
        UserError: there is no such run, or the file cannot be written.
    """
    check_folder_of(Path(options.file))

    from ..torch7 import export_run

    find_cells_here(options)
    export_run(
        options.run,
        options.file,
        which=options.which,
        format="ascii" if options.ascii else "binary",
        network_only=options.network_only,
        predictions=options.predictions,
        cell=options.cell,
    )
    path = Path(options.file)
    print(f"{path}: {path.stat().st_size:,} bytes" if path.is_file() else f"written to {path}")
