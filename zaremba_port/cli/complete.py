"""The command `zaremba complete`."""

from __future__ import annotations

import argparse
import sys

from ..errors import UserError
from .options import add_run, as_utf8, find_cells_here
from .parser import Commands


def add(commands: Commands) -> None:
    """Add the command and its options."""
    parser = commands.add("complete", run, "complete sentences with a saved run")
    add_run(parser)
    parser.add_argument(
        "--file", metavar="FILE", help="answer the queries of a file, one line for each"
    )
    parser.add_argument(
        "--total-length", action="store_true", help="the number includes the words of the query"
    )
    parser.add_argument("--map-unknown", action="store_true", help="read unknown words as <unk>")
    parser.add_argument("--argmax", action="store_true", help="always take the likeliest word")
    parser.add_argument(
        "--temperature",
        type=float,
        default=None,
        metavar="X",
        help="below 1: likelier, safer words; above 1: more varied; default 1",
    )
    parser.add_argument("--top-k", type=int, metavar="K", help="draw among the K likeliest words")
    parser.add_argument(
        "--seed", type=int, metavar="N", help="seed of the draws; default a random one"
    )
    parser.add_argument("--no-unk", action="store_true", help="never generate <unk>")
    parser.add_argument(
        "--beam", type=int, metavar="N", help="search for the likeliest completion with a beam of N"
    )
    parser.add_argument(
        "--show",
        action="store_true",
        help="print the five likeliest words at each step; with --file on standard error",
    )


def run(options: argparse.Namespace) -> None:
    """Answer queries from standard input, or from a file.

    Raises:
        UserError: the options contradict each other, there is no such run, or a query of a file
            failed.
    """
    if options.beam is not None:
        _refuse_draws_with_beam(options)
    if options.seed is not None and options.seed < 0:
        raise UserError(f"--seed is {options.seed}, it must be at least 0")

    from ..completing import Queries, Sampling, load_predictor

    find_cells_here(options)
    temperature = 1.0 if options.temperature is None else options.temperature
    sampling = Sampling(options.argmax, temperature, options.top_k, options.no_unk)
    queries = Queries(
        load_predictor(options.run, options.which, options.device, options.cell),
        sampling,
        options.beam,
        options.seed,
        options.total_length,
        options.map_unknown,
        options.show,
    )
    out = as_utf8(sys.stdout)
    if options.file is None:
        queries.converse(as_utf8(sys.stdin), out)
        return
    try:
        with open(options.file, encoding="utf-8", errors="replace") as lines:
            failures = queries.answer_all(options.file, lines, out, sys.stderr)
    except OSError as error:
        raise UserError(f"cannot read {options.file}: {error.strerror}") from None
    if failures:
        raise UserError(f"{options.file}: {failures} of its queries failed")


def _refuse_draws_with_beam(options: argparse.Namespace) -> None:
    draws = {
        "--argmax": options.argmax,
        "--temperature": options.temperature is not None,
        "--top-k": options.top_k is not None,
        "--seed": options.seed is not None,
    }
    for name, is_set in draws.items():
        if is_set:
            raise UserError(f"--beam draws nothing: leave {name} out")
