"""The command `zaremba predict-chars`."""

from __future__ import annotations

import argparse
import sys

from .options import add_run, as_utf8, find_cells_here
from .parser import Commands


def add(commands: Commands) -> None:
    """Add the command and its options."""
    add_run(commands.add("predict-chars", run, "answer each character with log-probabilities"))


def run(options: argparse.Namespace) -> None:
    """Speak the grader's protocol on the standard streams.

    Raises:
        UserError: there is no such run, or it was trained on words.
    """
    from ..assignment.characters import serve
    from ..completing import load_predictor

    find_cells_here(options)
    predictor = load_predictor(options.run, options.which, options.device, options.cell)
    serve(predictor, as_utf8(sys.stdin), as_utf8(sys.stdout), as_utf8(sys.stderr))
