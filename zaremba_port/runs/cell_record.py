"""The record of a run's cell: its name, its graph, and what it computes, to know it again.

A run folder holds no code. The record tells whether a cell that the user passes is the one that the
run was trained with; nothing is imported because a run folder names it.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch

import pygraph_nn as nngraph
from pygraph_nn import nested, torch7_random

from ..cells import Cell, is_reference
from ..config import Settings
from ..errors import UserError
from ..model import CELLS, cell_graph, cell_name, cell_of, fork_generators
from .folder import RunFolder

Record = dict[str, Any]
"""The contents of ``cell.json``.

"name" is the cell's name, all that there is for a built-in one. "graph" describes the nodes of its
graph, one a line, "digest" is the SHA-256 of these lines, and "values" are numbers that the cell
computes from fixed inputs and parameters, or null where they are random.
"""

_TOLERANCE = 1e-4  # of values in single precision, on whatever machine
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def checked_cell(run: RunFolder, cell: Cell | str | None) -> Cell | None:
    """Return the cell to load `run` with, to be passed to `create_network`.

    It is None for a built-in cell, and else the cell that `cell` is or names, if it is the one that
    the run was trained with. What a run folder names is never imported.

    Raises:
        UserError: the run has a cell of its own and `cell` is None, or `cell` is another one.
    """
    name = run.settings.cell
    if cell is None:
        if run.settings.has_own_cell:
            raise UserError(
                f"{run.path} was trained with a cell of its own, {name}, and holds no code: pass "
                "the cell, cell=... or --cell package.module:function"
            )
        return None
    cell = cell_of(run.settings, cell)
    if run.settings.has_own_cell:
        if differs := difference(run.load_cell(), describe_cell(run.settings, cell)):
            given = "it has changed" if cell_name(cell) == name else f"{cell_name(cell)} is another"
            raise UserError(f"{run.path} was trained with the cell {name}; {given}: {differs}")
        return cell
    if cell is CELLS[name]:
        return None
    names = run.saved_names()
    if names and not any(saved.startswith(f"{name}_1_") for saved in names):
        return cell  # version 0.1.0 recorded the settings' cell, whatever cell it trained
    raise UserError(f"{run.path} was trained with {name}, not with {cell_name(cell)}")


def record_cell(run: RunFolder, cell: Cell | str | None) -> None:
    """Record in `run` that it is trained with `cell`, by default the cell of its settings.

    Raises:
        UserError: the cell cannot be called as a cell is; or the settings name one that is not
            built in, and `cell` is None.
    """
    function = cell_of(run.settings, cell)
    name = cell_name(function)
    if is_reference(name):
        # The name that the user wrote can be imported, which not every function's own can.
        name = cell if isinstance(cell, str) else name
        run.save_cell({"name": name, **describe_cell(run.settings, function)})
    elif name != run.settings.cell:
        run.save_cell({"name": name})


def describe_cell(settings: Settings, cell: Cell) -> Record:
    """Return the record of a cell without its name, at the sizes that the settings have.

    Random generators are left as they are.

    Raises:
        UserError: the cell cannot be called as a cell is, or does not return its next state.
    """
    with fork_generators():
        nngraph.manualSeed(0)
        torch.manual_seed(0)
        graph = cell_graph(settings, _copy_of(cell))
        lines = list(_graph_lines(graph))
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        return {
            "digest": digest,
            "graph": lines,
            "values": _values(graph, settings, cell_name(cell)),
        }


def difference(record: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """Return how the cell of `other` differs from the cell of `record`; None if it is the same."""
    if record["digest"] != other["digest"]:
        pairs = zip(record["graph"], other["graph"], strict=False)
        for before, after in pairs:
            if before != after:
                return f"its graph had ({before.strip()}), it has ({after.strip()})"
        return f"its graph had {len(record['graph'])} nodes, it has {len(other['graph'])}"
    before, after = record["values"], other["values"]
    if before is None or after is None:
        return None
    if len(before) == len(after) and all(map(_is_close, before, after)):
        return None
    return "its graph is the same, but its functions compute other values"


def _copy_of(cell: Cell) -> Cell:
    """Return a copy of an object with a state of its own; an extra call leaves `cell` as it was."""
    try:
        return copy.deepcopy(cell)
    except Exception:  # it holds something that cannot be copied
        return cell


def _graph_lines(graph: nngraph.gModule) -> Iterator[str]:
    """Describe every node of `graph`: module, inputs, names and shapes of parameters.

    Initial values of parameters, the order of declaration, and names of other nodes do not count.
    """
    names = {id(p): name for name, p in (*graph.named_parameters(), *graph.named_buffers())}
    yield from _node_lines(graph, names, "")


def _node_lines(graph: nngraph.gModule, names: Mapping[int, str], indent: str) -> Iterator[str]:
    numbers: dict[nngraph.Node, int] = {graph.innode: 0}
    modules = dict(zip(graph.forwardnodes, graph.node_modules, strict=True))
    shared: dict[int, int] = {}
    # An order that depends on the wiring alone: depth first from the outputs.
    stack = [graph.outnode]
    while stack:
        node = stack[-1]
        waiting = [source for source in node.inputs if source not in numbers]
        if waiting:
            stack.append(waiting[0])
            continue
        stack.pop()
        if node in numbers:
            continue
        numbers[node] = len(numbers)
        module = modules[node]
        what = "the table" if node.selectindex is None else f"element {node.selectindex}"
        if module is not None:
            first = shared.setdefault(id(module), numbers[node])
            shares = first != numbers[node]
            what = f"the module of node {first}" if shares else _module_line(module, names)
        inputs = ", ".join(str(numbers[source]) for source in node.inputs)
        yield f"{indent}node {numbers[node]}: {what}, of {inputs}"
        if isinstance(module, nngraph.gModule):
            yield from _node_lines(module, names, indent + "  ")


def _module_line(module: torch.nn.Module, names: Mapping[int, str]) -> str:
    """Describe a module in one line, down to the modules inside."""
    if isinstance(module, nngraph.gModule):
        return "graph"
    parts = [" ".join(_ADDRESS.sub("", repr(module)).split())]
    for name, inner in module.named_modules():
        plain = {key: value for key, value in vars(inner).items() if _is_plain(key, value)}
        if plain:
            listed = ", ".join(f"{key}={value!r}" for key, value in sorted(plain.items()))
            parts.append(f"{name}[{listed}]")
    tensors = [*module.parameters(), *module.buffers()]
    parts += [f"{names.get(id(t), '?')} {tuple(t.shape)}" for t in tensors]
    return " ".join(parts)


def _is_plain(name: str, value: object) -> bool:
    """Return whether an attribute of a module is an argument of its, not part of its state."""
    if name.startswith("_") or name in ("training", "declared_at"):
        return False
    if isinstance(value, (tuple, list)):
        return all(_is_plain(name, element) for element in value)
    return value is None or isinstance(value, (bool, int, float, str))


def _values(graph: nngraph.gModule, settings: Settings, name: str) -> list[float] | None:
    """Return numbers that `graph` computes in evaluation; None if it fails or draws at random."""
    graph.evaluate()
    dtype = getattr(torch, settings.dtype)
    with torch.no_grad():
        for i, parameter in enumerate(graph.parameters()):
            parameter.copy_(_wave(i, parameter.shape) / max(1, *parameter.shape[-1:]) ** 0.5)
    sizes = [settings.input_size] + [settings.rnn_size] * (graph.nInputs - 1)
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        torch7_random.manualSeed(seed)
        inputs = [_wave(i, (2, size)).to(dtype) for i, size in enumerate(sizes)]
        try:
            with torch.no_grad():
                outputs = nested.leaves(graph.forward(inputs))
        except Exception:  # training will raise it again, and more clearly
            return None
        if shapes := {tuple(output.shape) for output in outputs} - {(2, settings.rnn_size)}:
            raise UserError(
                f"cell {name} returns a state of shape {shapes.pop()} for a batch of 2 and rnn_size "
                f"{settings.rnn_size}: every part must be (batch, rnn_size)"
            )
        results.append([
            float((output.double() * _wave(k, output.shape)).sum())
            for output in outputs for k in (0, 1)
        ])  # fmt: skip
    return results[0] if all(map(_is_close, *results)) else None


def _wave(phase: int, shape: torch.Size | tuple[int, ...]) -> torch.Tensor:
    """Return numbers of a fixed wave between -1 and 1, without a generator: the same everywhere."""
    size = torch.Size(shape)
    wave = torch.arange(size.numel(), dtype=torch.float64).mul_(0.7).add_(1 + phase).sin_()
    return wave.reshape(size)


def _is_close(a: float, b: float) -> bool:
    return a == b or (a != a and b != b) or abs(a - b) <= _TOLERANCE * max(1, abs(a), abs(b))
