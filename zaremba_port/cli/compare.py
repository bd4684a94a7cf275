"""The command `zaremba compare`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import UserError
from .options import check_folder_of
from .parser import Commands


def add(commands: Commands) -> None:
    """Add the command and its options."""
    parser = commands.add("compare", run, "show the original Lua program beside this package")
    parser.add_argument(
        "folder", nargs="?", metavar="FOLDER", help="your copy of it: main.lua, base.lua, data.lua"
    )
    parser.add_argument("--fetch", action="store_true", help="take the original, fetched once")
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
    try:
        output.write_text(html_page(comparison), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {output}: {error.strerror}") from error
    for problem in comparison.problems:
        print(problem)
    print(f"{comparison.found} of {comparison.expected} functions found; the page is {output}")
