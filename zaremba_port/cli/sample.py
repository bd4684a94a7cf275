"""The command `zaremba sample`."""

from __future__ import annotations

import argparse
import sys

from ..errors import UserError
from .options import add_run, find_cells_here
from .parser import Commands


def add(commands: Commands) -> None:
    """Add the command and its options."""
    parser = commands.add(
        "sample", run, "write a text character by character, as char-rnn's sample.lua does"
    )
    add_run(parser)
    parser.add_argument(
        "--seed", type=int, default=123, metavar="N", help="Torch7's seed; default 123"
    )
    parser.add_argument(
        "--length", type=int, default=2000, metavar="N", help="characters to draw; default 2000"
    )
    parser.add_argument(
        "--temperature", type=float, default=1.0, metavar="X", help="below 1: likelier; default 1"
    )
    parser.add_argument("--primetext", default="", metavar="TEXT", help="the text's beginning")
    parser.add_argument("--argmax", action="store_true", help="always take the likeliest character")


def run(options: argparse.Namespace) -> None:
    """Write the text to standard output.

    Raises:
        UserError: there is no such run, or an option is out of range.
    """
    for name in ("seed", "length"):
        if getattr(options, name) < 0:
            raise UserError(f"--{name} is {getattr(options, name)}, it must be at least 0")

    from ..completing import Predictor
    from ..torch7 import sample

    find_cells_here(options)
    predictor = Predictor(options.run, options.which, options.device, options.cell)
    characters = sample(
        predictor,
        seed=options.seed,
        length=options.length,
        temperature=options.temperature,
        primetext=options.primetext,
        argmax=options.argmax,
    )
    out = sys.stdout.buffer
    for character in characters:
        out.write(character)
    out.write(b"\n")
    out.flush()
