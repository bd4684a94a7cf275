"""The parser of the command line: errors in one line, which name the nearest option."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from ..errors import UserError, did_you_mean

Run = Callable[[argparse.Namespace], None]


class Parser(argparse.ArgumentParser):
    """Parse a command line; raise `UserError` with the nearest option for an unknown one.

    Attributes:
        takes_program: the commands that are followed by ``--`` and the command line of another
            program, which becomes the option `program`.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.takes_program: set[str] = set()

    def error(self, message: str) -> NoReturn:
        """Raise `UserError` instead of ending the process."""
        raise UserError(f"{message} (see {self.prog} --help)")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Name the nearest choice where argparse only lists all of them."""
        if action.choices is None or value in action.choices:
            return
        choices = list(map(str, action.choices))
        hint, listed = did_you_mean(str(value), choices), ", ".join(choices)
        if isinstance(action, argparse._SubParsersAction):
            self.error(f"no command is called {value!r}{hint} (there are {listed})")
        message = f"invalid choice: {value!r}{hint} (choose from {listed})"
        raise argparse.ArgumentError(action, message)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse `args`, by default those of the process.

        Raises:
            UserError: an argument is unknown, missing or malformed.
        """
        args, program = self._without_program(sys.argv[1:] if args is None else list(args))
        self._check_texts(args)
        options, unknown = self.parse_known_args(args, namespace)
        if program:
            options.program = program
        if unknown:
            word = unknown[0].split("=")[0]
            if not word.startswith("-"):
                self.error(f"unexpected argument {word!r}")
            others = {n for parser in with_commands(self) for n in parser._option_string_actions}
            names = list(_command_of(self, args)._option_string_actions)
            if word in others:
                self.error(f"{word} is an option of other commands, or follows --: not taken here")
            self.error(f"no option is called {word}{did_you_mean(word, names)}")
        return options

    def _check_texts(self, args: Sequence[str]) -> None:
        """Refuse what no argument may be: nothing, or a text with a NUL, which no path may hold."""
        for before, word in zip(["", *args], args, strict=False):
            option, _, value = word.partition("=")
            is_assigned = option.startswith("--") and "=" in word
            if not (value if is_assigned else word):
                name = option if is_assigned else before if before.startswith("-") else ""
                self.error(f"{name} has an empty value" if name else "an argument is empty")
            if "\0" in word:
                self.error(f"the argument {word!r} holds a NUL character")

    def _without_program(self, args: Sequence[str]) -> tuple[list[str], list[str]]:
        """Split off the command line of another program."""
        args = list(args)
        if args and args[0] in self.takes_program and "--" in args:
            separator = args.index("--")
            return args[:separator], args[separator + 1 :]
        return args, []


class Commands:
    """Add commands to a parser.

    Attributes:
        parser: the parser of the whole command line.
    """

    def __init__(self, parser: Parser) -> None:
        self.parser = parser
        self._subparsers = parser.add_subparsers(
            title="commands", metavar="COMMAND", parser_class=Parser
        )

    def add(self, name: str, run: Run, help: str, *, takes_program: bool = False) -> Parser:
        """Add a command, and return its parser, to which its options are added.

        `run` is called with the parsed options. `takes_program` is for a command that is followed
        by ``--`` and the command line of another program; see `Parser`.
        """
        parser: Parser = self._subparsers.add_parser(
            name, help=help, description=help, allow_abbrev=False
        )
        parser.set_defaults(command=run)
        if takes_program:
            self.parser.takes_program.add(name)
            parser.usage = "%(prog)s [options] -- COMMAND [ARGUMENT ...]"
            parser.set_defaults(program=[])
        return parser


def _command_of(parser: argparse.ArgumentParser, args: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser of the command in `args`, such as that of ``data chars``."""
    for word in args:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction) and word in action.choices:
                parser = action.choices[word]
                break
    return parser


def with_commands(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Return `parser` and the parsers of its commands, and of theirs."""
    parsers = [parser]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                parsers += with_commands(command)
    return parsers
