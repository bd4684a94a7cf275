"""The command `zaremba diagram`."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..config import PRESETS, Settings, preset
from ..errors import UserError, check_choice, did_you_mean
from .options import add_setting, changed_settings, check_folder_of, find_cells_here
from .parser import Commands

KINDS = {
    "cell": "one layer at one step, from the graph of the recurrent cell",
    "network": "all layers at one step, from the graph of create_network",
    "unrolled": "clones of the network, one for each step",
    "gru": "the GRU cell",
}
"""The kinds of diagrams and what each shows, repeated here because the diagrams import torch."""

CELL_KINDS = ("cell", "gru")
NOTATIONS = ("paper", "code")
ENDINGS = ("svg", "png", "pdf", "html")
SETTINGS = ("layers", "rnn_size", "embedding_size", "vocab_size", "dropout", "cell")
MOST_STEPS = 1000  # Graphviz draws no more within minutes
NETWORK_SETTINGS = ("layers", "vocab_size", "dropout")
"""Settings that a diagram of a single cell does not show."""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    parser = commands.add("diagram", run, "draw the cell, the network, or it unrolled in time")
    parser.add_argument(
        "kind",
        nargs="?",
        metavar="|".join(KINDS),
        help="; ".join(map(": ".join, KINDS.items())) + "; default cell, or network of a RUN",
    )
    parser.add_argument(
        "from_run",
        nargs="?",
        metavar="RUN",
        help="draw the network of this run; --cell names its cell if that is not built in",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help=f"file to write, ending in {', '.join('.' + e for e in ENDINGS)}; "
        "default diagram-NAME.svg",
    )
    parser.add_argument(
        "--notation",
        metavar="|".join(NOTATIONS),
        help="names as in Zaremba et al. 2014 or as in the code; default code for html, else paper",
    )
    parser.add_argument("--steps", type=int, metavar="N", help="time steps of unrolled; default 3")
    parser.add_argument("--preset", help=f"{', '.join(PRESETS)}; default small, as of train")
    parser.add_argument("--run", metavar="RUN", help="the same as RUN")
    parser.add_argument(
        "--trace",
        nargs="+",
        metavar=("RUN", "TEXT"),
        help="with unrolled: a page on the trained network RUN while it reads TEXT: predictions, "
        "each gate over the words, values and gradients to walk through",
    )
    for setting in fields(Settings):
        if setting.name in SETTINGS:
            add_setting(parser, setting)


def run(options: argparse.Namespace) -> None:
    """Write a diagram.

    Raises:
        UserError: an unknown kind, notation, preset or ending; an option that the kind has no use
            for; the file cannot be written; the program dot is missing.
    """
    if options.trace:
        _trace(options)
        return
    options.kind = options.kind or "cell"
    _find_run(options)
    check_choice("diagram", options.kind, KINDS)
    path = Path(options.output or f"diagram-{options.kind}.svg")
    ending = _checked_ending(path)
    notation = options.notation or ("code" if ending == "html" else "paper")
    check_choice("notation", notation, NOTATIONS)
    changes, steps = _changes(options), _steps(options)
    settings = preset(options.preset or "small").with_changes(changes)
    find_cells_here(options)

    from ..assignment.diagrams import diagram_page, diagram_source, render_diagram
    from ..model import cell_of
    from ..runs import RunFolder, checked_cell

    if options.run:
        folder = RunFolder.open(options.run)
        settings, cell = folder.settings, checked_cell(folder, options.cell)
        if options.kind == "gru" and settings.cell != "gru":
            raise UserError(f"gru is the GRU cell, the cell of {folder.path} is {settings.cell}")
    else:
        cell = cell_of(settings, options.cell)
    drawn = options.kind, settings, steps, notation, cell
    if ending == "html":
        content = diagram_page(*drawn).encode()
    else:
        content = render_diagram(diagram_source(*drawn), ending)
    _write(path, content)


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    print(f"the diagram is {path}")


def _trace(options: argparse.Namespace) -> None:
    """Write the page of `--trace`.

    Raises:
        UserError: another kind than unrolled, an option without meaning here, or no text.
    """
    name, *words = options.trace
    words = [word for text in words for word in text.split()]
    if options.kind not in (None, "unrolled"):
        raise UserError(f"--trace is for unrolled, not for {options.kind}")
    given = {"RUN": options.from_run, "--run": options.run, "--preset": options.preset}
    given |= {"--steps": options.steps, "--notation": options.notation}
    changes = changed_settings(options).keys() - {"cell"}
    given |= {f"--{name.replace('_', '-')}": name for name in changes}
    if others := [option for option, value in given.items() if value is not None]:
        raise UserError(f"--trace shows its own run and text: leave {', '.join(others)} out")
    if not words:
        raise UserError('--trace takes a run and a text: --trace RUN "the company said"')
    path = Path(options.output or "diagram-unrolled.html")
    if (ending := _checked_ending(path)) != "html":
        raise UserError(f"--trace makes a page: -o {path.with_suffix('.html')}, not .{ending}")
    find_cells_here(options)

    from ..assignment.diagrams import trace_sentence, walk_page
    from ..runs import RunFolder

    trace = trace_sentence(RunFolder.open(name), words, options.cell)
    _write(path, walk_page(trace).encode())


def _find_run(options: argparse.Namespace) -> None:
    """Set `options.run` and `options.kind` from the arguments: KIND, RUN or both."""
    if options.from_run is None and options.kind not in KINDS and Path(options.kind).is_dir():
        options.from_run, options.kind = options.kind, "network"
    elif options.kind not in KINDS and Path(options.kind).name != options.kind:
        names = ", ".join(KINDS)
        raise UserError(f"{options.kind} is neither a run folder nor a diagram, which are {names}")
    if options.from_run and options.run:
        raise UserError(f"two runs are given, {options.from_run} and --run {options.run}: take one")
    options.run = options.from_run or options.run


def _checked_ending(path: Path) -> str:
    ending = path.suffix.removeprefix(".").lower()
    if ending not in ENDINGS:
        choices = ", ".join(f".{choice}" for choice in ENDINGS)
        hint = did_you_mean(ending, ENDINGS)
        raise UserError(f"{path}: the ending must be one of {choices}{hint}")
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder")
    check_folder_of(path)
    return ending


def _changes(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that the options change.

    Raises:
        UserError: the run that is drawn has the setting already, or the kind has no use for it.
    """
    changes = changed_settings(options)
    if options.run and (options.preset or changes.keys() - {"cell"}):
        raise UserError("the sizes are those of the run: leave --preset and settings out")
    for name in NETWORK_SETTINGS if options.kind in CELL_KINDS else ():
        if name in changes:
            option = name.replace("_", "-")
            raise UserError(f"--{option} is for network and unrolled, not for {options.kind}")
    if options.kind == "gru" and changes.setdefault("cell", "gru") != "gru":
        raise UserError(f"--cell {changes['cell']} is not for gru, which is the GRU cell")
    return changes


def _steps(options: argparse.Namespace) -> int:
    if options.steps is None:
        return 3
    if options.kind != "unrolled":
        raise UserError(f"--steps is for unrolled, not for {options.kind}")
    if options.steps < 1:
        raise UserError(f"--steps is {options.steps}, it must be at least 1")
    if options.steps > MOST_STEPS:
        raise UserError(f"--steps is {options.steps}, it must be at most {MOST_STEPS}")
    return int(options.steps)
