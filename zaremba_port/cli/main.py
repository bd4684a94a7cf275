"""The command line: `zaremba train|evaluate|presets`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ..assignment.diagrams import add_diagram
from ..config import DESCRIPTIONS, FIXED, PRESETS, Settings, preset
from ..engines import (
    ENGINES,
    PRECISIONS,
    check_engine,
    check_precision,
    make_model,
    pick_device,
)
from ..errors import UserError
from ..evaluate import character_note, report_lines, run_test, run_valid
from ..language_model import TextState, text_states
from ..model import create_network
from ..runs import (
    RunFolder,
    check_free,
    draw_curves,
)
from ..text import (
    CHARACTERS,
    load_corpus,
    replicate,
    sequential,
)
from ..train import train
from . import characters as assignment_commands
from .answers import add_answers
from .compare import add_compare
from .parser import Parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit code: 0, 2 for bad input, 1 for a run that failed."""
    parser = make_parser()
    try:
        options = parser.parse_args(arguments)
        options.command(options)
    except UserError as error:
        print(f"zaremba: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("zaremba: interrupted", file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output is gone
        return 1
    except torch.OutOfMemoryError as error:
        print(f"zaremba: out of memory: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    return 0


def make_parser() -> Parser:
    parser = Parser(
        prog="zaremba",
        description="The LSTM language model of Zaremba et al. 2014.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    parser.set_defaults(command=lambda options: parser.print_help())

    def command(name: str, run: Callable[[argparse.Namespace], None], help: str) -> Parser:
        made: Parser = commands.add_parser(name, help=help, description=help, allow_abbrev=False)
        made.set_defaults(command=run)
        return made

    made = command("train", train_command, "train a network and save it as a run folder")
    made.add_argument("run", nargs="?", metavar="RUN", help="folder to make; default runs/PRESET")
    made.add_argument("--preset", default=None, help=f"{', '.join(PRESETS)}; default small")
    made.add_argument("--data", default=None, metavar="TEXT", help=DATA_HELP + "; default pydoc")
    made.add_argument("--resume", metavar="RUN", help="go on with the run in this folder")
    made.add_argument("--max-steps", "--max_steps", type=int, metavar="N", help="end after step N")
    made.add_argument("--force", action="store_true", help="overwrite the run in the folder")
    add_device(made)
    add_engine(made)
    add_precision(made)
    add_settings(made)

    made = command("evaluate", evaluate_command, "measure the perplexity of a saved run on a text")
    made.add_argument("run", metavar="RUN", help="the run folder")
    made.add_argument("--data", metavar="TEXT", help=DATA_HELP + "; default what it was trained on")
    made.add_argument("--split", choices=("train", "valid", "test"), default="test")
    made.add_argument(
        "--mode",
        choices=("sequential", "batched", "both"),
        default="sequential",
        help="one word at a time, or in batches as the training validates; default sequential",
    )
    made.add_argument("--which", choices=("best", "last"), default="best", help="which parameters")
    made.add_argument("--map-unknown", action="store_true", help="read unknown words as <unk>")
    add_device(made)
    add_engine(made)

    command("presets", presets_command, "list the presets and their settings")
    assignment_commands.add_commands(command)
    add_answers(command)
    add_compare(command)
    add_diagram(command)
    return parser


DATA_HELP = "ptb (fetched once), pydoc (Python's own documentation), or a folder of texts"


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto (CUDA when present), cpu, cuda, ...")


def add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        help="fast: all time steps at once where the graph allows it, the default; graph: one step "
        "after the other, the default of a run with --reference, which needs it",
    )


def add_precision(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="of the fast engine's products; tf32 on CUDA devices; default float32",
    )


def add_settings(parser: argparse.ArgumentParser) -> None:
    """One option for every setting, spelled with _ as in Lua or with -."""
    group = parser.add_argument_group("settings", "what a preset sets, each on its own")
    for setting in fields(Settings):
        names = [f"--{setting.name}"]
        if "_" in setting.name:
            names.append(f"--{setting.name.replace('_', '-')}")
        arguments: dict[str, Any] = {
            "dest": setting.name,
            "default": None,
            "help": setting.metadata["help"],
        }
        if setting.type == "bool":
            arguments["action"] = argparse.BooleanOptionalAction
        elif setting.type == "str":
            arguments["metavar"] = "|".join(setting.metadata["choices"])
        else:
            integer = str(setting.type).startswith("int")
            arguments |= {"type": int if integer else float, "metavar": "N" if integer else "X"}
        group.add_argument(*names, **arguments)


def train_command(options: argparse.Namespace) -> None:
    changes = {
        setting.name: getattr(options, setting.name)
        for setting in fields(Settings)
        if getattr(options, setting.name) is not None
    }
    if options.max_steps is not None and options.max_steps < 1:
        raise UserError(f"--max-steps is {options.max_steps}, it must be at least 1")
    console = Console(highlight=False, soft_wrap=True)

    def log(line: str) -> None:
        console.print(line, markup=False)

    if options.resume:
        run = resumed(options, changes)
        check_engine(options.engine, run.settings)
        where = pick_device(options.device)
        check_precision(options.precision, options.engine, run.settings, where)
        corpus = load_corpus(run.data, log=log)
        if corpus.vocabulary.words != run.vocabulary.words:
            raise UserError(f"{run.path}: the words of {run.data} are no longer those of the run")
        run.save_definition()
    else:
        name = options.preset or "small"
        settings = preset(name).with_changes(changes)
        check_engine(options.engine, settings)
        where = pick_device(options.device)
        check_precision(options.precision, options.engine, settings, where)
        path = Path(options.run or f"runs/{name}")
        check_free(path, force=options.force)
        corpus = load_corpus(options.data or "pydoc", vocab_size=settings.vocab_size, log=log)
        text_states(settings, corpus)  # before a folder is made, or another overwritten
        source = (
            corpus.name if corpus.name in ("ptb", "pydoc") else str(Path(corpus.name).resolve())
        )
        run = RunFolder.create(path, settings, corpus.vocabulary, source, force=options.force)
    bar = Progress(
        TextColumn("step"),
        MofNCompleteColumn(),
        BarColumn(bar_width=None),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("training", total=None)
        try:
            train(
                run,
                corpus,
                device=options.device,
                max_steps=options.max_steps,
                resume=bool(options.resume),
                new_lr=changes.get("lr"),
                engine=options.engine,
                precision=options.precision,
                log=log,
                on_step=lambda step, total: bar.update(task, completed=step, total=total),
            )
        finally:
            if run.metrics():
                finish_curves(run, log)


def finish_curves(run: RunFolder, log: Callable[[str], None]) -> None:
    try:
        paths = draw_curves(run)
        log(f"The curves are in {paths[0]} and {paths[1].name}.")
    except (UserError, OSError) as error:
        log(f"No curves: {error}")


def resumed(options: argparse.Namespace, changes: dict[str, Any]) -> RunFolder:
    """The run to go on with, its settings changed where that is possible.

    Raises:
        UserError: an option contradicts what the run was trained with.
    """
    if options.run or options.preset or options.data or options.force:
        raise UserError("--resume RUN takes run, preset and text from RUN: leave the others out")
    run = RunFolder.open(options.resume)
    for name in FIXED:
        saved = getattr(run.settings, name)
        if name in changes and changes[name] != saved:
            raise UserError(
                f"{name} is {changes[name]!r}, but the run in {run.path} was trained with {saved!r}"
            )
    run.settings = run.settings.with_changes(changes)
    return run


def evaluate_command(options: argparse.Namespace) -> None:
    run = RunFolder.open(options.run)
    device = pick_device(options.device)
    # Nothing is dropped here, so the order in which a run draws masks does not matter.
    settings = run.settings.with_changes({"reference": False})
    network = create_network(settings)
    run.load_parameters(network, options.which)
    model = make_model(options.engine, network.to(device), settings)
    corpus = load_corpus(options.data or run.data, log=lambda line: print(line, file=sys.stderr))
    text = getattr(corpus, options.split)
    # The ids of another text are its own; the run's vocabulary gives the words theirs.
    words = corpus.vocabulary.decode(text)
    if options.map_unknown:
        if "<unk>" not in run.vocabulary:
            raise UserError(f"--map-unknown: {run.path} has no <unk> among its {run.unit}")
        words = [word if word in run.vocabulary else "<unk>" for word in words]
    ids = run.vocabulary.encode(words)
    characters = words if run.unit == CHARACTERS else []

    def report(how: str, loss: float) -> None:
        title = f"{SPLIT_NAMES[options.split]} set perplexity"
        print(*report_lines(title, how, loss, characters), sep="\n")

    if options.mode in ("sequential", "both"):
        how = "character by character" if characters else "word by word"
        report(how, run_test(model, text_state(sequential(ids), 2, device)))
    if options.mode in ("batched", "both"):
        data = replicate(ids, run.settings.batch_size)
        state = text_state(data, run.settings.seq_length + 1, device)
        report("in batches", run_valid(model, state))
    if characters:
        print(character_note(characters))


def text_state(data: torch.Tensor, rows: int, device: torch.device) -> TextState:
    if len(data) < rows:
        raise UserError(f"the text has {data.numel()} words, it takes {rows * data.shape[1]}")
    return TextState(data.to(device))


SPLIT_NAMES = {"train": "Training", "valid": "Validation", "test": "Test"}


def presets_command(options: argparse.Namespace) -> None:
    console = Console()
    characters = [name for name in PRESETS if name.startswith("char-")]
    for names in ([name for name in PRESETS if name not in characters], characters):
        title = "presets for characters" if names is characters else "presets"
        table = Table(title=title, caption="every setting is an option of zaremba train")
        table.add_column("setting")
        for name in names:
            table.add_column(name, justify="right", no_wrap=True)
        for setting in fields(Settings):
            values = [getattr(PRESETS[name], setting.name) for name in names]
            if setting.name not in ("reference", "dtype", "seed"):
                table.add_row(setting.name, *("" if v is None else f"{v}" for v in values))
        console.print(table)
    for name, text in DESCRIPTIONS.items():
        console.print(f"{name}: {text}", highlight=False)
