"""The command `zaremba`: its commands, and the exit code that an error becomes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Protocol

from ..errors import UserError
from . import (
    answers,
    compare,
    complete,
    completion,
    data,
    diagram,
    ensemble,
    evaluate,
    experiments,
    export,
    grade,
    import_,
    lua,
    predict_chars,
    presets,
    report,
    reproduce,
    runs,
    sample,
    t7,
    train,
)
from .parser import Commands, Parser
from .version import ShowVersion


class Command(Protocol):
    """The module of a command."""

    def add(self, commands: Commands) -> None:
        """Add the command and its options."""


COMMANDS: tuple[Command, ...] = (
    train,
    evaluate,
    reproduce,
    experiments,
    ensemble,
    runs,
    report,
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
    completion,
)
"""The commands in the order in which `zaremba --help` lists them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` name, by default those of the process.

    Returns:
        The exit code: 0, 2 for bad input, 1 for a run that failed or was interrupted.
    """
    with contextlib.ExitStack() as stack:
        for stream, redirect in (
            (sys.stdout, contextlib.redirect_stdout),
            (sys.stderr, contextlib.redirect_stderr),
        ):
            if stream is None:  # the process was started without it
                null = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
                stack.enter_context(redirect(null))
            elif hasattr(stream, "reconfigure"):  # a path that is not UTF-8 gets escapes
                stream.reconfigure(errors="backslashreplace")
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    """Run the command, and return the exit code; see `main`."""
    try:
        options = make_parser().parse_args(arguments)
        options.command(options)
        sys.stdout.flush()
    except BrokenPipeError:
        return _end_output()  # nobody reads the output any more
    except (UserError, KeyboardInterrupt, OSError, MemoryError, RuntimeError) as error:
        message, code = _explain(error)
        if message is None:
            raise
        with contextlib.suppress(OSError):  # standard error may be closed as well
            print(f"zaremba{_worker()}: {message}", file=sys.stderr)
        _end_output()
        return code
    return 0


def _explain(error: BaseException) -> tuple[str | None, int]:
    """Return the line that reports `error`, None if it is a fault of the program; the exit code."""
    if isinstance(error, UserError):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", 1
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        if error.filename is None:
            return f"the output cannot be written: {reason}", 1
        return f"{os.fsdecode(error.filename)}: {reason}", 2
    if _is_out_of_memory(error):
        return f"out of memory: {(str(error) or 'no memory left').splitlines()[0]}", 1
    return None, 1


def _end_output() -> int:
    """Flush standard output, or give it up, so that Python does not report that at its end."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, sys.stdout.fileno())
            os.close(null)
    return 1


def make_parser() -> Parser:
    """Return the parser of the command line, with all commands."""
    parser = Parser(
        prog="zaremba",
        description="The LSTM language model of Zaremba et al. 2014.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=ShowVersion, help="show the versions and exit")
    commands = Commands(parser)
    parser.set_defaults(command=lambda options: parser.print_help())
    for command in COMMANDS:
        command.add(commands)
    return parser


def _worker() -> str:
    """Return which worker of several this process is, for messages."""
    rank = os.environ.get("RANK", "") if "WORLD_SIZE" in os.environ else ""
    return f" (worker {rank})" if rank not in ("", "0") else ""


def _is_out_of_memory(error: BaseException) -> bool:
    """Recognise torch's errors without importing torch, which need not be loaded."""
    if isinstance(error, MemoryError):
        return True
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    text = str(error)
    return isinstance(error, torch.OutOfMemoryError) or any(
        phrase in text
        for phrase in ("can't allocate memory", "not enough memory", "Storage size calculation")
    )
