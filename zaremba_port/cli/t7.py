"""The command `zaremba t7 show`."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import UserError
from .options import as_utf8
from .parser import Commands

if TYPE_CHECKING:
    import pygraph_nn as nngraph


def add(commands: Commands) -> None:
    """Add the command, its part `show`, and its options."""

    def incomplete(options: argparse.Namespace) -> None:
        parser.error("t7 takes show")

    parser = commands.add("t7", incomplete, "look inside a file of Torch7")
    parts = Commands(parser)
    show = parts.add("show", run, "print the tree of what a .t7 file contains")
    show.add_argument("file", metavar="FILE", help="a .t7 file")
    show.add_argument("--depth", type=int, metavar="N", help="levels to print; default 3")
    show.add_argument(
        "--entries",
        type=int,
        metavar="N",
        help="entries of each table to print; default 20, with --json all",
    )
    show.add_argument(
        "--json", action="store_true", help="print a JSON array with one object for each value"
    )
    show.add_argument(
        "--long-size", type=int, choices=(4, 8), help="bytes of a long, if looking tells it wrong"
    )


def run(options: argparse.Namespace) -> None:
    """Print the tree of a file, cut to the width of the terminal.

    Keys count from 1, as in the file. The values of large tensors are not read.

    Raises:
        UserError: the file cannot be read, or an option is negative.
    """
    for name in ("depth", "entries"):
        if (getattr(options, name) or 0) < 0:
            raise UserError(f"--{name} is {getattr(options, name)}, it must be at least 0")

    from pygraph_nn import t7

    try:
        file = t7.read(options.file, long_size=options.long_size)
    except OSError as error:
        raise UserError(f"cannot read {options.file}: {error.strerror}") from None
    except t7.T7Error as error:
        raise UserError(" ".join(str(error).split())) from None
    out = as_utf8(sys.stdout)
    if options.json:
        rows = t7.rows(file.value, options.depth, options.entries)
        out.write("[\n")
        for i, row in enumerate(rows):
            out.write(",\n" * bool(i) + json.dumps({"path": row.path, **row.facts}))
        out.write("\n]\n")
        return
    width = _width()
    print(_cut(f"{options.file}: {_format(file)}", width), file=out)
    depth = 3 if options.depth is None else options.depth
    entries = 20 if options.entries is None else options.entries
    for line in _lines(t7.rows(file.value, depth, entries)):
        print(_cut(line, width), file=out)
    if file.rest:
        print(f"{file.rest:,} bytes follow, which torch.load does not read", file=out)


def _format(file: nngraph.t7.T7File) -> str:
    longs = "" if file.long_size is None else f", {file.byte_order}-endian, longs of "
    return f"{file.format}{longs}{file.long_size or ''}, {file.size:,} bytes"


def _lines(rows: Iterator[nngraph.t7.Row]) -> Iterator[str]:
    """Yield a line for each row, with the lines of a tree before it."""
    from pygraph_nn import t7

    bars: list[str] = []
    for row in rows:
        del bars[max(row.depth - 1, 0) :]
        indent = "".join(bars)
        if row.depth:
            indent += "└─ " if row.is_last else "├─ "
            bars.append("   " if row.is_last else "│  ")
        key = "" if row.key is None else f"{t7.key_text(row.key).lstrip('.')}: "
        yield f"{indent}{key}{row.text}"


def _width() -> int | None:
    """Return the width of the terminal; None where the output goes elsewhere."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS"):
        return shutil.get_terminal_size().columns
    return None


def _cut(line: str, width: int | None) -> str:
    return line if width is None or len(line) <= width else f"{line[: max(width - 1, 0)]}…"
