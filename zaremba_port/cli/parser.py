"""The parser of command lines: one-line errors that name the nearest option."""

from __future__ import annotations

import argparse
import sys
from typing import Any, NoReturn

from ..config import nearest
from ..errors import UserError


class Parser(argparse.ArgumentParser):
    """A parser that names the option nearest to an unknown one."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see {self.prog} --help)")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        args = sys.argv[1:] if args is None else list(args)
        program: list[str] = []
        if args[:1] == ["grade"] and "--" in args:  # what follows is another program's
            program = args[args.index("--") + 1 :]
            args = args[: args.index("--")]
        options, unknown = self.parse_known_args(args, namespace)
        if program:
            options.program = program
        if unknown:
            known = [name for parser in _parsers(self) for name in parser._option_string_actions]
            word = unknown[0].split("=")[0]
            if not word.startswith("-"):
                self.error(f"unexpected argument {word!r}")
            self.error(f"no option is called {word}{nearest(word, known)}")
        return options


def _parsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    found = [parser]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found += action.choices.values()
    return found
