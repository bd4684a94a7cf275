"""Both sides run: losses and norms of the first steps, and what each computes at each node."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import pygraph_nn as nngraph

from ...config import Settings
from ...errors import UserError
from ...language_model import text_states
from ...lua_programs import run_program
from ...text import Corpus, load_corpus
from ...train import setup

SAME = 1e-9  # relative difference up to which two numbers are shown as equal
# The name of a setting in main.lua and here.
_SETTINGS = (
    "batch_size seq_length layers decay rnn_size dropout init_weight lr max_epoch max_max_epoch "
    "max_grad_norm vocab_size"
).split()
_MEMORY = 8192  # MiB


@dataclass(frozen=True)
class Number:
    """A number that both sides computed.

    Attributes:
        name: what it is.
        lua: its value in Lua; None if the program did not come so far.
        python: its value here.
        detail: the place in Lua, or the shapes.
    """

    name: str
    lua: float | None
    python: float | None
    detail: str = ""

    @property
    def agrees(self) -> bool:
        """Return whether both values are equal up to rounding."""
        if self.lua is None or self.python is None:
            return False
        return abs(self.lua - self.python) <= SAME * max(abs(self.lua), abs(self.python), 1e-12)

    @property
    def difference(self) -> str:
        """Return the relative difference as text."""
        if self.lua is None or self.python is None:
            return "only one side"
        largest = max(abs(self.lua), abs(self.python))
        return "0" if not largest else f"{abs(self.lua - self.python) / largest:.1e}"


@dataclass(frozen=True)
class Run:
    """The numbers of both sides.

    Attributes:
        settings: the settings of the Lua program, which both sides used.
        steps: for each step, the loss and the norm of the gradient.
        nodes: the norm of the value at each node in the first forward pass.
        problem: why the program did not come to its end, or "".
    """

    settings: Mapping[str, Any]
    steps: list[tuple[Number, Number]]
    nodes: list[Number]
    problem: str = ""

    @property
    def first_difference(self) -> str:
        """Return where the two sides part first, or ""."""
        for node in self.nodes:
            if not node.agrees:
                return f"the node {node.name}, {node.detail}"
        for i, pair in enumerate(self.steps, 1):
            for number in pair:
                if not number.agrees:
                    return f"the {number.name} of step {i}"
        return ""


def run_both(folder: Path, steps: int) -> Run:
    """Run ``main.lua`` in `folder` and this package for `steps` steps, both in double precision.

    Raises:
        UserError: the folder has no main.lua or no data, or the program failed before it trained.
    """
    program = folder / "main.lua"
    if not program.is_file():
        raise UserError(f"--run needs main.lua in {folder}")
    if not (folder / "data" / "ptb.train.txt").is_file():
        raise UserError(
            f"--run needs the text that main.lua reads: put ptb.train.txt, ptb.valid.txt and "
            f"ptb.test.txt into {folder / 'data'} (zaremba data fetches them)"
        )
    record, status = _lua_side(program, steps)
    if not record["steps"]:
        raise UserError(
            "the Lua program came to no step of training; see its messages above"
            if status
            else "the Lua program has no function bp that uses the variable model, which --run "
            "watches"
        )
    settings = _settings(record["params"])
    corpus = load_corpus(str(folder / "data"), log=lambda line: None)
    losses, nodes = _python_side(settings, corpus, len(record["steps"]))
    pairs = [
        (Number("loss", a["loss"], b[0]), Number("norm", a["norm"], b[1]))
        for a, b in zip(record["steps"], losses, strict=False)
    ]
    problem = "" if len(record["steps"]) >= steps else "The Lua program ended early."
    return Run(record["params"], pairs, _nodes(record["nodes"], nodes), problem)


def _lua_side(program: Path, steps: int) -> tuple[dict[str, Any], int]:
    with tempfile.TemporaryDirectory() as folder:
        watch = os.path.join(folder, "watch.json")
        settings = {
            "dtype": "double",
            "cuda": "double",
            "memory": _MEMORY,
            "watch": watch,
            "steps": steps,
        }
        status = run_program(program, [], settings, None)
        path = Path(watch)
        text = path.read_text(encoding="utf-8") if path.is_file() else "{}"
    return {"steps": [], "nodes": [], "params": {}, **json.loads(text)}, status


def _settings(params: Mapping[str, Any]) -> Settings:
    unknown = {name: value for name, value in params.items() if name not in _SETTINGS}
    if unknown:
        print(f"not in this package, and left out here: {', '.join(sorted(unknown))}")
    whole = {name: params[name] for name in _SETTINGS if name in params}
    floats = {"decay", "dropout", "init_weight", "lr", "max_grad_norm"}
    changes = {n: float(v) if n in floats else int(v) for n, v in whole.items()}
    return Settings(reference=True, dtype="float64").with_changes(changes)


class _Recorder(nngraph.Observer):
    def __init__(self) -> None:
        self.graph: Any = None
        self.nodes: list[dict[str, Any]] = []

    def after(self, graph: Any, node: nngraph.Node, input: Any, output: Any) -> None:
        self.graph = self.graph or graph
        if graph is not self.graph or node.module is None:
            return
        leaves = [x for x in nngraph.nested.leaves(output) if isinstance(x, torch.Tensor)]
        # Word ids count from 0 here, and from 1 in Lua.
        counted = [x.detach() if x.is_floating_point() else x + 1 for x in leaves]
        norm = float(sum(x.double().square().sum() for x in counted)) ** 0.5
        shapes = [list(x.shape) for x in leaves]
        self.nodes.append({"kind": node.kind(), "norm": norm, "shapes": shapes})


def _python_side(
    settings: Settings, corpus: Corpus, steps: int
) -> tuple[list[tuple[float, float]], list[dict[str, Any]]]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        model = setup(settings, torch.device("cpu"), None, "graph", "float32", lambda line: None)
        text = text_states(settings, corpus)["train"]
        recorder, numbers = _Recorder(), []
        with nngraph.reference_mode():
            for step in range(steps):
                if step:
                    loss = model.fp(text)
                else:
                    with nngraph.observing(recorder):
                        loss = model.fp(text)
                model.bp(text, settings.lr)
                numbers.append((loss, model.norm_dw))
    finally:
        torch.set_default_dtype(before)
    return numbers, recorder.nodes


def _nodes(lua: list[dict[str, Any]], python: list[dict[str, Any]]) -> list[Number]:
    """Pair the nodes in their order; further nodes of one side stand alone."""
    rows = []
    for i in range(max(len(lua), len(python))):
        a = lua[i] if i < len(lua) else None
        b = python[i] if i < len(python) else None
        name = (a or b or {})["kind"]
        if a and b and a["kind"] != b["kind"]:
            name = f"{a['kind']} (here {b['kind']})"
        path, _, line = (a or {}).get("place", "").rpartition(":")
        place = f"{os.path.basename(path)}, line {line}" if a else "only in Python"
        shapes = [] if a is None else a["shapes"]
        sizes = ", ".join("×".join(map(str, shape)) for shape in shapes)
        detail = f"{place}: {sizes}" if sizes else place
        rows.append(
            Number(name, None if a is None else a["norm"], None if b is None else b["norm"], detail)
        )
    return rows
