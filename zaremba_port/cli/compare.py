"""The command `zaremba compare`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from .options import check_folder_of
from .parser import Commands

if TYPE_CHECKING:
    from ..assignment.lua_comparison import Run


def add(commands: Commands) -> None:
    """Add the command and its options."""
    parser = commands.add("compare", run, "show the original Lua program beside this package")
    parser.add_argument(
        "folder", nargs="?", metavar="FOLDER", help="your copy of it: main.lua, base.lua, data.lua"
    )
    parser.add_argument("--fetch", action="store_true", help="take the original, fetched once")
    parser.add_argument(
        "--run",
        action="store_true",
        help="run both sides, and show the numbers that each computes (needs lupa)",
    )
    parser.add_argument(
        "--steps", type=int, default=3, metavar="N", help="steps of --run; default %(default)s"
    )
    parser.add_argument(
        "-o", "--output", default="lua_comparison.html", metavar="FILE", help="default %(default)s"
    )


def run(options: argparse.Namespace) -> None:
    """Write the page that shows each Lua function beside the Python that does the same.

    Raises:
        UserError: neither or both of FOLDER and `--fetch` are given, the program cannot be read, or
            the page cannot be written.
    """
    if options.fetch == (options.folder is not None):
        raise UserError("give either FOLDER, the folder of the Lua program, or --fetch")
    output = Path(options.output)
    check_folder_of(output)

    from ..assignment.lua_comparison import compare, fetch_lua, html_page
    from ..text import cache_folder

    folder = fetch_lua(cache_folder()) if options.fetch else Path(options.folder).expanduser()
    comparison = compare(folder)
    numbers = _run(folder, options.steps) if options.run else None
    try:
        output.write_text(html_page(comparison, numbers), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {output}: {error.strerror}") from error
    for problem in comparison.problems:
        print(problem)
    print(f"{comparison.found} of {comparison.expected} functions found; the page is {output}")


def _run(folder: Path, steps: int) -> Run:
    if steps < 1:
        raise UserError("--steps: at least 1")
    from ..assignment.lua_comparison import run_both

    numbers = run_both(folder, steps)
    for i, pair in enumerate(numbers.steps, 1):
        for number in pair:
            print(
                f"step {i}: {number.name:5} {number.lua!r:20} in Lua, {number.python!r:20} here, "
                f"{number.difference} apart"
            )
    parted = numbers.first_difference
    agreeing = sum(node.agrees for node in numbers.nodes)
    print(f"{agreeing} of {len(numbers.nodes)} nodes agree in the first forward pass")
    print(f"The two part at {parted}" if parted else "The two sides agree everywhere.")
    return numbers
