"""The command `zaremba completion`: what makes the shell complete commands, options and files."""

from __future__ import annotations

import argparse
import functools

from ..errors import UserError
from .parser import Commands, Parser, with_commands

SHELLS = ("bash", "zsh", "tcsh")

TEXT = "_zaremba_text"
"""The function of the bash script that completes a TEXT: a keyword or a folder."""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    run_here = functools.partial(run, commands.parser)
    parser = commands.add(
        "completion", run_here, "print a script by which the shell completes commands"
    )
    parser.add_argument("shell", metavar="|".join(SHELLS), choices=SHELLS, help="name of the shell")


def run(parser: Parser, options: argparse.Namespace) -> None:
    """Print the script for a shell; ``eval "$(zaremba completion bash)"`` turns it on.

    Raises:
        UserError: the package shtab is not installed.
    """
    try:
        import shtab
    except ImportError:
        raise UserError(
            "zaremba completion needs the package shtab: pip install 'zaremba-port[completion]'"
        ) from None

    from ..text import KEYWORDS

    folder = shtab.DIRECTORY
    completed = {
        "FILE": shtab.FILE,
        "RUN": folder,
        "FOLDER": folder,
        "TEXT": {**folder, "bash": TEXT},
    }
    text = f"{TEXT}() {{ compgen -W '{' '.join(KEYWORDS)}' -- $1; compgen -d -- $1; }}"
    for command in with_commands(parser):
        for action in command._actions:
            if action.metavar in completed:
                action.complete = completed[action.metavar]  # type: ignore[attr-defined]
    print(shtab.complete(parser, options.shell, preamble=text if options.shell == "bash" else ""))
