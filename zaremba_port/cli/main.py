"""The command `zaremba`: its commands, and the exit code that an error becomes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Protocol

from ..errors import UserError
from . import (
    answers,
    compare,
    complete,
    data,
    diagram,
    evaluate,
    experiments,
    export,
    grade,
    import_,
    lua,
    predict_chars,
    presets,
    reproduce,
    sample,
    t7,
    train,
)
from .parser import Commands, Parser


class Command(Protocol):
    """The module of a command."""

    def add(self, commands: Commands) -> None:
        """Add the command and its options."""


COMMANDS: tuple[Command, ...] = (
    train,
    evaluate,
    reproduce,
    experiments,
    presets,
    complete,
    predict_chars,
    grade,
    data,
    import_,
    export,
    sample,
    t7,
    answers,
    compare,
    lua,
    diagram,
)
"""The commands in the order in which `zaremba --help` lists them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` name, by default those of the process.

    Returns:
        The exit code: 0, 2 for bad input, 1 for a run that failed or was interrupted.
    """
    try:
        options = make_parser().parse_args(arguments)
        options.command(options)
    except UserError as error:
        print(f"zaremba: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("zaremba: interrupted", file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # nobody reads the output any more
        return 1
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
        print(f"zaremba: out of memory: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    return 0


def make_parser() -> Parser:
    """Return the parser of the command line, with all commands."""
    parser = Parser(
        prog="zaremba",
        description="The LSTM language model of Zaremba et al. 2014.",
        allow_abbrev=False,
    )
    commands = Commands(parser)
    parser.set_defaults(command=lambda options: parser.print_help())
    for command in COMMANDS:
        command.add(commands)
    return parser


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Recognise torch's error without importing torch, which need not be loaded."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, torch.cuda.OutOfMemoryError)
