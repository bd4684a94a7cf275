"""Options and checks that several commands share."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, TextIO

from ..cells import is_reference
from ..config import ENGINES, PRECISIONS, Settings
from ..errors import UserError

DATA_HELP = (
    "ptb (fetched once), pydoc (Python's documentation, the same everywhere), pydoc-live (that of "
    "the Python that runs), or a folder of texts"
)


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add `--device` for a command that trains or evaluates in batches."""
    parser.add_argument("--device", default="auto", help="auto (CUDA if available), cpu, cuda, ...")


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add `--engine`."""
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        help="fast: all time steps at once where the graph allows it, the default; graph: one step "
        "after the other, the default of a run with --reference, which needs it",
    )


def add_precision(parser: argparse.ArgumentParser) -> None:
    """Add `--precision`."""
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="precision of matrix products in the fast engine; bfloat16 is for CUDA and CPUs with "
        "AVX512-BF16, tf32 for CUDA; default float32",
    )


def add_cell(parser: argparse.ArgumentParser) -> None:
    """Add `--cell` for a command that reads a run."""
    parser.add_argument(
        "--cell",
        metavar="package.module:function",
        help="the cell of a run that was trained with one of its own; it is imported, also from "
        "the current folder",
    )


def find_cells_here(options: argparse.Namespace) -> None:
    """Let modules in the current folder be imported, if `--cell` names one, as `python -m` does."""
    if is_reference(options.cell) and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the run folder and what a command that reads one word at a time needs to load it."""
    help = "run folder, or a folder of runs, whose predictions are averaged"
    parser.add_argument("run", metavar="RUN", help=help)
    add_which(parser)
    add_cell(parser)
    # A single step of batch size 1 takes longer on a GPU.
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ...; default cpu")


def add_which(parser: argparse.ArgumentParser) -> None:
    """Add `--which`."""
    parser.add_argument(
        "--which",
        choices=("best", "last"),
        default="best",
        help="parameters of the best epoch so far, or the last ones; default best",
    )


def add_setting(parser: argparse._ActionsContainer, setting: Field[Any]) -> None:
    """Add the option of a setting, spelled with _ as in Lua or with -; None if not given."""
    names = dict.fromkeys([f"--{setting.name}", f"--{setting.name.replace('_', '-')}"])
    arguments: dict[str, Any] = {}
    if setting.type == "bool":
        arguments["action"] = argparse.BooleanOptionalAction
    elif setting.type == "str":
        choices = (*setting.metadata["choices"], setting.metadata.get("or_reference"))
        arguments["metavar"] = "|".join(filter(None, choices))
    elif str(setting.type).startswith("int"):
        arguments |= {"type": int, "metavar": "N"}
    else:
        arguments |= {"type": float, "metavar": "X"}
    parser.add_argument(
        *names, dest=setting.name, default=None, help=setting.metadata["help"], **arguments
    )


def changed_settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that were given as options, by name."""
    values = {s.name: getattr(options, s.name, None) for s in fields(Settings)}
    return {name: value for name, value in values.items() if value is not None}


def check_folder_of(path: Path) -> None:
    """Check that the file `path` has a folder to be written in.

    Raises:
        UserError: there is no such folder.
    """
    if not path.parent.is_dir():
        raise UserError(f"cannot write {path}: there is no folder {path.parent}")


def as_utf8(stream: TextIO) -> TextIO:
    """Make a console stream read and write UTF-8, with a mark for what cannot be decoded."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(encoding="utf-8", errors="replace")
    return stream


def log_to_stderr(line: str) -> None:
    """Print a line of a log on standard error, apart from the command's output."""
    print(line, file=sys.stderr)
