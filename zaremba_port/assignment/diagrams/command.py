"""The command `zaremba diagram`: pictures for slides, drawn from the graphs that are trained."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection
from dataclasses import fields
from pathlib import Path

import graphviz

import pygraph_nn as nngraph
from pygraph_nn import nn

from ... import model
from ...config import PRESETS, Settings, nearest, preset
from ...errors import UserError
from .cell import cell_source
from .scene import merge_chains, only_leading_to, stacked
from .stack import stack_source
from .symbols import NOTATIONS, Symbol, symbol

AddCommand = Callable[[str, Callable[[argparse.Namespace], None], str], argparse.ArgumentParser]

KINDS = {
    "cell": "one layer at one step, from the graph of `lstm`",
    "network": "what create_network returns: all layers at one step",
    "unrolled": "clones of it, one for each step",
    "gru": "the GRU cell",
}
ENDINGS = ("svg", "png", "pdf", "html")
SETTINGS = ("layers", "rnn_size", "embedding_size", "vocab_size", "dropout", "cell")
# What says nothing about a single cell.
OF_NETWORKS = ("layers", "vocab_size", "dropout")

NO_DOT = (
    "Graphviz's program dot, which draws diagrams, is not on the PATH: apt-get install graphviz, "
    "brew install graphviz, winget install graphviz or conda install graphviz; "
    "-o FILE.html does without"
)


def add_diagram(command: AddCommand) -> None:
    """Add the command, `command` being how a command is added."""
    made = command("diagram", diagram_command, "draw the cell, the network, or it unrolled in time")
    made.add_argument(
        "kind", metavar="|".join(KINDS), help="; ".join(map(": ".join, KINDS.items()))
    )
    made.add_argument(
        "-o", "--output", metavar="FILE",
        help=f"ending in {', '.join('.' + e for e in ENDINGS)}; default diagram-NAME.svg",
    )  # fmt: skip
    made.add_argument(
        "--notation", metavar="|".join(NOTATIONS),
        help="names as in Zaremba et al. 2014 or as in the code; default paper, in a page code",
    )  # fmt: skip
    made.add_argument("--steps", type=int, metavar="N", help="of unrolled; default 3")
    made.add_argument("--preset", help=f"{', '.join(PRESETS)}; default medium")
    for setting in fields(Settings):
        if setting.name in SETTINGS:
            kind = {"str": str, "float": float}.get(str(setting.type), int)
            names = dict.fromkeys([f"--{setting.name}", f"--{setting.name.replace('_', '-')}"])
            made.add_argument(
                *names,
                dest=setting.name,
                type=kind,
                metavar={int: "N", float: "X"}.get(kind, "|".join(model.CELLS)),
                help=setting.metadata["help"],
            )


def diagram_command(options: argparse.Namespace) -> None:
    """Write the diagram that `options` ask for.

    Raises:
        UserError: an unknown kind, notation, preset or ending; an option that the kind has no use
            for; the file cannot be written; the program dot is missing.
    """
    _check_known("diagram", options.kind, KINDS)
    path = Path(options.output or f"diagram-{options.kind}.svg")
    ending = path.suffix.removeprefix(".").lower()
    if ending not in ENDINGS:
        known = ", ".join(f".{known}" for known in ENDINGS)
        raise UserError(f"{path}: the ending must be one of {known}{nearest(ending, ENDINGS)}")
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder")
    if not path.parent.is_dir():
        raise UserError(f"cannot write {path}: there is no folder {path.parent}")
    notation = options.notation or ("code" if ending == "html" else "paper")
    _check_known("notation", notation, NOTATIONS)
    settings, steps = _settings(options), _steps(options)
    if ending == "html":
        content = page(options.kind, settings, steps, notation).encode()
    else:
        content = rendered(source(options.kind, settings, steps, notation), ending)
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    print(f"the diagram is {path}")


def _check_known(what: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        near = nearest(name, known)
        raise UserError(f"no {what} is called {name!r}{near} (there are {', '.join(known)})")


def _settings(options: argparse.Namespace) -> Settings:
    changes = {name: getattr(options, name) for name in SETTINGS}
    changes = {name: value for name, value in changes.items() if value is not None}
    is_cell = options.kind in ("cell", "gru")
    for name in OF_NETWORKS if is_cell else ():
        if name in changes:
            option = name.replace("_", "-")
            raise UserError(f"--{option} is for network and unrolled, not for {options.kind}")
    if options.kind == "gru" and changes.setdefault("cell", "gru") != "gru":
        raise UserError(f"--cell {changes['cell']} is not for gru, which is the GRU cell")
    return preset(options.preset or "medium").with_changes(changes)


def _steps(options: argparse.Namespace) -> int:
    if options.steps is None:
        return 3
    if options.kind != "unrolled":
        raise UserError(f"--steps is for unrolled, not for {options.kind}")
    if options.steps < 1:
        raise UserError(f"--steps is {options.steps}, it must be at least 1")
    return int(options.steps)


def source(kind: str, settings: Settings, steps: int = 3, notation: str = "paper") -> str:
    """The diagram in Graphviz's language.

    The paper counts `steps` from the middle one, t, the code from 0.
    """
    graphs = graphs_of(kind, settings, steps)
    if kind in ("cell", "gru"):
        return cell_source(graphs[0], notation, settings.rnn_size)
    first = -(steps // 2) if kind == "unrolled" and notation == "paper" else 0
    scene = stacked(graphs, first)
    if kind == "unrolled":
        only_leading_to(scene, "pred")
    merge_chains(scene)
    return stack_source(scene, notation)


def graphs_of(kind: str, settings: Settings, steps: int) -> list[nngraph.gModule]:
    """The gModules that a diagram shows: one, or of "unrolled" one for each step."""
    if kind in ("cell", "gru"):
        return [cell_graph(model.CELLS[settings.cell], settings)]
    if kind == "network":
        return [model.create_network(settings)]
    return nngraph.clone_many_times(model.create_network(settings, predictions=True), steps)


def cell_graph(cell: model.Cell, settings: Settings) -> nngraph.gModule:
    """The gModule of one use of `cell`: from x and its state to its next state."""
    names = ["x", *(f"prev_{name}" for name in model.state_names(cell))]
    inputs = [nn.Identity()().annotate(name=name) for name in names]
    sizes = {"input_size": settings.input_size, "rnn_size": settings.rnn_size}
    outputs = cell(*inputs, **sizes)
    for name, node in zip(model.state_names(cell), outputs, strict=True):
        node.annotate(name=f"next_{name}")
    return nngraph.gModule(inputs, list(outputs))


def page(kind: str, settings: Settings, steps: int = 3, notation: str = "code") -> str:
    """The diagram as one HTML page: to zoom, unfold and walk through."""
    graphs = graphs_of(kind, settings, steps)
    if notation == "paper":
        for graph in graphs:
            _rename(graph, is_cell=kind in ("cell", "gru"))
    what = settings.cell.upper()
    titles = {"network": f"{what} network", "unrolled": f"{what} network, {steps} steps"}
    title = titles.get(kind, f"{what} cell")
    return nngraph.html_page(graphs if kind == "unrolled" else graphs[0], title=title)


def _rename(graph: nngraph.gModule, is_cell: bool) -> None:
    """Give the graph's nodes the paper's names. The tables prev_s and next_s keep theirs."""
    for node in graph.forwardnodes:
        if not node.name:
            continue
        group = node.group or next((n.group for n in graph.fg.children(node) if n.group), ())
        if is_cell:
            named = Symbol("h", "t", "l−1") if node.name == "x" else symbol(node.name, "paper")
            node.annotate(name=str(named), is_state=node.name.startswith(("prev_", "next_")))
        elif group:
            node.annotate(name=str(symbol(node.name, "paper", group[0].split()[-1])))


def rendered(source: str, ending: str) -> bytes:
    """What Graphviz draws, on a page of the size of a slide: 13.3 inches, 1920 pixels wide.

    Raises:
        UserError: its program dot is not installed, or fails.
    """
    if ending == "png":
        source = source.replace("{", "{\n  dpi=144;", 1)
    try:
        drawn: bytes = graphviz.Source(source).pipe(format=ending, quiet=True)
    except graphviz.ExecutableNotFound as error:
        raise UserError(NO_DOT) from error
    except graphviz.CalledProcessError as error:
        said = (error.stderr or b"").decode(errors="replace").strip().splitlines()
        raise UserError(f"Graphviz's dot failed: {said[0] if said else error}") from error
    return drawn
