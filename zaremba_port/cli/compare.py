"""The command `zaremba compare`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pooch

from ..assignment.lua_comparison import compare, fetch_lua, html_page
from ..errors import UserError

AddCommand = Callable[[str, Callable[[argparse.Namespace], None], str], argparse.ArgumentParser]


def add_compare(command: AddCommand) -> None:
    """Add the command."""
    made = command("compare", compare_command, "show the original Lua program beside this package")
    made.add_argument(
        "folder", nargs="?", metavar="DIR", help="your copy of it: main.lua, base.lua, data.lua"
    )
    made.add_argument(
        "--fetch", action="store_true", help="take the original, which is fetched once"
    )
    made.add_argument(
        "-o", "--output", default="lua_comparison.html", metavar="FILE", help="default %(default)s"
    )


def compare_command(options: argparse.Namespace) -> None:
    if options.fetch == (options.folder is not None):
        raise UserError("give either DIR, the folder of the Lua program, or --fetch")
    output = Path(options.output)
    if not output.parent.is_dir():
        raise UserError(f"cannot write {output}: there is no folder {output.parent}")
    if options.fetch:
        folder = fetch_lua(Path(pooch.os_cache("zaremba_port")))
    else:
        folder = Path(options.folder).expanduser()
    comparison = compare(folder)
    try:
        output.write_text(html_page(comparison), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {output}: {error.strerror}") from error
    for problem in comparison.problems:
        print(problem)
    print(f"{comparison.found} of {comparison.expected} functions found; the page is {output}")
