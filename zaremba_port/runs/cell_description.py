"""The description of a cell, to know it again: the graph that it builds, and what that computes.

It is the same in every process and on every machine, whatever the initial parameters are.
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

from ..cells import Cell
from ..config import Settings
from ..errors import UserError
from ..model import cell_graph, cell_name, fork_generators
from .checkpoint import buffers_of

Description = dict[str, Any]
"""The contents of ``cell.json``, beside the name of the cell.

"graph" describes the nodes of its graph in every layer, one a line, "digest" is the SHA-256 of
these lines, and "values" are numbers that the cell computes from fixed inputs and parameters, or
null where it draws at random or fails.
"""

_TOLERANCE = 1e-4  # of values in single precision, on whatever machine
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def describe_cell(settings: Settings, cell: Cell) -> Description:
    """Return the description of a cell at the sizes that the settings have.

    Random generators are left as they are.

    Raises:
        UserError: the cell cannot be called as a cell is, or does not return its next state.
    """
    with fork_generators():
        nngraph.manualSeed(0)
        torch.manual_seed(0)
        lines: list[str] = []
        values: list[float] | None = []
        copied, name = _copy_of(cell), cell_name(cell)
        for layer in range(settings.layers):  # a cell may ask for the size of its input
            graph = cell_graph(settings, copied, layer=layer)
            lines += [f"layer {layer + 1}", *_graph_lines(graph)]
            # Copies: the cell may use modules that its user made elsewhere.
            more = _values(copy.deepcopy(graph), settings, layer, name)
            _check_state(copy.deepcopy(graph), settings, layer, name)
            values = None if values is None or more is None else values + more
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        return {"digest": digest, "graph": lines, "values": values}


def difference(description: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """Return how a cell described by `other` differs from the one of `description`, or None."""
    if description["digest"] != other["digest"]:
        pairs = zip(description["graph"], other["graph"], strict=False)
        for before, after in pairs:
            if before != after:
                return f"its graph had ({before.strip()}), it has ({after.strip()})"
        before, after = (sum("node" in n for n in d["graph"]) for d in (description, other))
        return f"its graph had {before} nodes, it has {after}"
    before, after = description["values"], other["values"]
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
    """Return whether an attribute of a module is an argument that it was made with."""
    if name.startswith("_") or name in ("training", "declared_at", "output", "gradInput"):
        return False
    if isinstance(value, (tuple, list)):
        return all(_is_plain(name, element) for element in value)
    return value is None or isinstance(value, (bool, int, float, str))


def _run(
    graph: nngraph.gModule, settings: Settings, layer: int, seed: int
) -> list[torch.Tensor] | None:
    """Return the outputs of `graph` for fixed inputs and parameters; None if it fails."""
    dtype = getattr(torch, settings.dtype)
    input_size = settings.rnn_size if layer else settings.input_size
    sizes = [input_size] + [settings.rnn_size] * (graph.nInputs - 1)
    inputs = [_wave(i, (2, size)).to(dtype) for i, size in enumerate(sizes)]
    torch.manual_seed(seed)
    torch7_random.manualSeed(seed)
    try:
        with torch.no_grad():
            for i, parameter in enumerate(graph.parameters()):
                parameter.copy_(_wave(i, parameter.shape) / max(1, *parameter.shape[-1:]) ** 0.5)
            return [output.clone() for output in nested.leaves(graph.forward(inputs))]
    except Exception:  # training will raise it again, and more clearly
        return None


def _check_state(graph: nngraph.gModule, settings: Settings, layer: int, name: str) -> None:
    """Raise `UserError` if `graph` keeps a state between its calls that no run could save."""
    buffers = {key: buffer.clone() for key, buffer in buffers_of(graph).items()}
    before = _run(graph, settings, layer, 1)
    for key, buffer in buffers.items():
        graph.get_buffer(key).copy_(buffer)
    after = _run(graph, settings, layer, 1)
    if before is None or after is None or all(map(_are_close, before, after)):
        return
    raise UserError(
        f"cell {name} computes other values when it runs again from the same inputs, parameters, "
        "buffers and seed, so it keeps a state that runs do not save: keep it in a buffer, such as "
        "self.register_buffer('n', torch.zeros(1)), and draw from PyTorch's generator"
    )


def _values(
    graph: nngraph.gModule, settings: Settings, layer: int, name: str
) -> list[float] | None:
    """Return numbers that `graph` computes in evaluation; None if it fails or draws at random."""
    graph.evaluate()
    results = []
    for seed in (1, 2):
        outputs = _run(graph, settings, layer, seed)
        if outputs is None:
            return None
        if shapes := {tuple(output.shape) for output in outputs} - {(2, settings.rnn_size)}:
            raise UserError(
                f"cell {name} returns a state of shape {shapes.pop()} for a batch of 2: every part "
                f"must be (batch, rnn_size), and rnn_size is {settings.rnn_size}"
            )
        results.append([
            float((output.double() * _wave(k, output.shape)).sum())
            for output in outputs for k in (0, 1)
        ])  # fmt: skip
    return results[0] if all(map(_is_close, *results)) else None


def _are_close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(
        a.double(), b.double(), rtol=1e-6, atol=1e-9, equal_nan=True
    )


def _wave(phase: int, shape: torch.Size | tuple[int, ...]) -> torch.Tensor:
    """Return numbers of a fixed wave between -1 and 1, without a generator: the same everywhere."""
    size = torch.Size(shape)
    wave = torch.arange(size.numel(), dtype=torch.float64).mul_(0.7).add_(1 + phase).sin_()
    return wave.reshape(size)


def _is_close(a: float, b: float) -> bool:
    return a == b or (a != a and b != b) or abs(a - b) <= _TOLERANCE * max(1, abs(a), abs(b))
