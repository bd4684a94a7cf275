"""The option `--version`: the versions of the project, of torch and of Python, without torch."""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any


class ShowVersion(argparse.Action):
    """Print `versions` and end the process, as argparse's own action for versions does."""

    def __init__(self, option_strings: Any, dest: str, **options: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *rest: Any) -> None:
        print(versions(parser.prog))
        parser.exit()


def versions(prog: str) -> str:
    """Return the line that `--version` prints: ``zaremba 0.1.0 (torch 2.13.0, Python 3.11.7)``."""
    own, torch = _version("zaremba-port"), _version("torch")
    return f"{prog} {own} (torch {torch}, Python {platform.python_version()})"


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"
