"""The command `zaremba lua`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..lua_programs import run_program
from .parser import Commands

MEMORY = 8192  # MiB


def add(commands: Commands) -> None:
    """Add the command and its options."""
    parser = commands.add("lua", run, "run a Torch7 program in Lua, unmodified")
    parser.usage = "zaremba lua [options] PROGRAM [ARGUMENT ...]"
    parser.add_argument("path", metavar="PROGRAM", help="the Lua file, such as main.lua")
    parser.add_argument(
        "arguments", nargs=argparse.REMAINDER, metavar="ARGUMENT", help="what the program gets"
    )
    parser.add_argument(
        "--dtype", choices=("double", "float"), default="double", help="default type of tensors"
    )
    parser.add_argument(
        "--cuda", choices=("double", "float"), default="float", help="what :cuda() converts to"
    )
    parser.add_argument(
        "--lua", choices=("luajit21", "luajit20", "lua51"), help="default: the first that is there"
    )
    parser.add_argument(
        "--folder", metavar="DIR", help="where relative paths start; default: the program's folder"
    )
    parser.add_argument(
        "--allow-io", action="store_true", help="allow io.open, and writing below the folder"
    )
    parser.add_argument("--out", metavar="DIR", help="a folder below which the program may write")
    parser.add_argument(
        "--memory", type=int, default=MEMORY, metavar="MIB", help="limit; default %(default)s"
    )
    parser.add_argument("--time", type=float, metavar="SECONDS", help="limit; default: none")


def run(options: argparse.Namespace) -> None:
    """Run the program in a process of its own, with the limits.

    Raises:
        UserError: there is no such program, lupa is not installed, or a limit was reached.
        SystemExit: the program failed; it has said why.
    """
    settings = {
        name: getattr(options, name)
        for name in ("dtype", "cuda", "lua", "folder", "allow_io", "out", "memory")
    }
    status = run_program(Path(options.path).expanduser(), options.arguments, settings, options.time)
    if status:
        raise SystemExit(status)
