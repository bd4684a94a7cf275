"""This project's network with the weights of a network that Torch7 trained.

The weights are found by their order and shapes. That they are the right ones is not assumed: both
networks must compute the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch

import pygraph_nn as nngraph
from pygraph_nn import nn

from ..config import Settings
from ..errors import UserError
from ..model import create_network, fork_generators, zero_state
from .contents import Contents

_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}
_TEXTS = 3  # batch of the comparison

# The places of main.lua's gates (in, transform, forget, out) among the rows of the weights.
_GATE_ORDERS = {"main.lua": (0, 1, 2, 3), "char-rnn": (0, 3, 1, 2)}


def settings_of(contents: Contents, place: str) -> dict[str, Any]:
    """Return the settings that the network itself determines.

    Raises:
        UserError: it is not built like the networks of main.lua or char-rnn.
    """
    modules = [m for m in contents.network.node_modules if m is not None]
    layers = [m for m in modules if isinstance(m, nn.Linear)]
    tables = [m for m in modules if isinstance(m, nn.LookupTable)]
    one_hot = [m for m in modules if isinstance(m, nn.OneHot)]
    unknown = [m for m in modules if isinstance(m, nngraph.Placeholder)]
    if unknown:
        raise UserError(f"{place}: the network contains {unknown[0]}, which cannot run")
    if not layers or len(tables) + len(one_hot) != 1:
        raise UserError(
            f"{place}: expecting one LookupTable or OneHot and Linear layers, as in main.lua and "
            f"char-rnn; found {contents.network}"
        )
    vocab_size, rnn_size = layers[-1].weight.shape
    embedding = one_hot[0].outputSize if one_hot else tables[0].weight.shape[1]
    dropouts = {m.p for m in modules if isinstance(m, nn.Dropout)}
    if len(dropouts) > 1:
        raise UserError(f"{place}: dropout probabilities differ: {sorted(dropouts)}")
    cell, count = _cell(contents, layers, rnn_size, place)
    return {
        "layers": count,
        "rnn_size": rnn_size,
        "embedding_size": embedding,
        "cell": cell,
        "vocab_size": vocab_size,
        "dropout": float(next(iter(dropouts), 0.0)),
        "dtype": str(layers[-1].weight.dtype).removeprefix("torch."),
    }


def _cell(
    contents: Contents, layers: list[nn.Linear], rnn_size: int, place: str
) -> tuple[str, int]:
    """Return the cell of the network and the number of its layers."""
    inner = [len(layer.weight) // rnn_size for layer in layers[:-1]]
    if inner and len(inner) % 2 == 0 and set(inner) == {4}:
        return "lstm", len(inner) // 2
    if inner and len(inner) % 3 == 0 and sorted(inner[:3]) == [1, 2, 3]:
        return "gru", len(inner) // 3
    if inner and set(inner) == {1}:
        is_gru = any(isinstance(m, nn.Sigmoid) for m in contents.network.modules())
        if is_gru and len(inner) % 6 == 0:
            return "gru", len(inner) // 6
        if not is_gru and len(inner) % 2 == 0:
            return "rnn", len(inner) // 2
    raise UserError(
        f"{place}: the network is no LSTM, GRU or RNN as in main.lua or char-rnn: "
        f"its Linear layers are {', '.join(map(str, layers))}"
    )


def same_network(contents: Contents, settings: Settings, place: str) -> nngraph.gModule:
    """Return `create_network(settings)` with the weights of the file.

    Raises:
        UserError: no arrangement of the weights makes it compute what the file's network computes.
    """
    with fork_generators():
        network = create_network(settings, predictions=True)
        contents.network.evaluate()
        network.evaluate()
        for tensors in _arrangements(contents, settings):
            parameters = list(network.parameters())
            if [t.shape for t in tensors] != [p.shape for p in parameters]:
                continue
            with torch.no_grad():
                for parameter, tensor in zip(parameters, tensors, strict=True):
                    parameter.copy_(tensor)
            if _agree(contents, network, settings):
                return network
    raise UserError(
        f"{place}: the network has the layers of {settings.layers} {settings.cell_title} layers, "
        "but it computes something else; zaremba import takes networks wired as in main.lua or "
        "char-rnn. nngraph.load_t7 loads and runs it as it is"
    )


def _arrangements(contents: Contents, settings: Settings) -> Iterator[list[torch.Tensor]]:
    """Yield the weights in the order of this project's network, in all ways that may be right."""
    modules = contents.network.node_modules
    # A one-hot layer is a table of unit vectors.
    table = torch.eye(settings.input_size, dtype=getattr(torch, settings.dtype))
    for module in modules:
        table = module.weight.detach() if isinstance(module, nn.LookupTable) else table
    layers = [m for m in modules if isinstance(m, nn.Linear)]
    step = {"lstm": 2, "rnn": 2, "gru": (len(layers) - 1) // settings.layers}[settings.cell]
    cells = [layers[i : i + step] for i in range(0, len(layers) - 1, step)]
    decoder = _weights(layers[-1])
    if settings.cell == "gru":
        for order in itertools.permutations(range(step)):
            try:
                parts = [_gru(cell, order) for cell in cells]
            except RuntimeError:  # layers of x and of h in one block
                continue
            yield [table, *itertools.chain(*parts), *decoder]
        return
    orders = _GATE_ORDERS.values() if settings.cell == "lstm" else [(0,)]
    for order, is_swapped in itertools.product(orders, (False, True)):
        tensors: list[torch.Tensor] = [table]
        for first, second in cells:
            pair = (second, first) if is_swapped else (first, second)
            for layer in pair:
                tensors += [_rows(t, order) for t in _weights(layer)]
        yield [*tensors, *decoder]


def _weights(layer: nn.Linear) -> list[torch.Tensor]:
    """Return weight and bias; without a bias, zeros."""
    weight = layer.weight.detach()
    bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach()
    return [weight, bias]


def _rows(tensor: torch.Tensor, order: tuple[int, ...]) -> torch.Tensor:
    """Return `tensor` with its blocks of rows, one a gate, in `order`."""
    blocks = tensor.chunk(len(order))
    return torch.cat([blocks[i] for i in order])


def _gru(cell: list[nn.Linear], order: tuple[int, ...]) -> list[torch.Tensor]:
    """Return the weights of a GRU's three layers, from layers in this order or one for each gate.

    char-rnn has one for each gate: of x and h for update, reset and candidate.
    """
    if len(cell) == 3:
        return list(itertools.chain(*(_weights(cell[i]) for i in order)))
    x_update, h_update, x_reset, h_reset, x_candidate, h_candidate = (cell[i] for i in order)
    i2h = map(torch.cat, zip(*map(_weights, (x_update, x_reset, x_candidate)), strict=True))
    h2h = map(torch.cat, zip(*map(_weights, (h_update, h_reset)), strict=True))
    return [*i2h, *h2h, *_weights(h_candidate)]


def _agree(contents: Contents, network: nngraph.gModule, settings: Settings) -> bool:
    """Return whether both networks compute the same losses and states, for some inputs."""
    dtype = getattr(torch, settings.dtype)
    generator = torch.Generator().manual_seed(1)
    like = torch.zeros(1, dtype=dtype)
    state = zero_state(settings, _TEXTS, like)
    state = [torch.rand(s.shape, generator=generator, dtype=dtype) - 0.5 for s in state]
    with torch.no_grad():
        for _ in range(2):
            x, y = torch.randint(settings.vocab_size, (2, _TEXTS), generator=generator)
            theirs = _run(contents, x, y, state)
            err, next_s, _ = network.forward([x, y, state])
            ours = [err.reshape(()), *next_s]
            if len(theirs) != len(ours):
                return False
            pairs = zip(theirs, ours, strict=True)
            limit = _TOLERANCE[dtype]
            if not all(a.shape == b.shape and torch.allclose(a, b, limit, limit) for a, b in pairs):
                return False
            state = next_s
    return True


def _run(
    contents: Contents, x: torch.Tensor, y: torch.Tensor, state: list[torch.Tensor]
) -> list[torch.Tensor]:
    """Return the loss and the states that the file's network computes."""
    try:
        if contents.is_char_rnn:
            *states, log_p = contents.network.forward([x.to(state[0].dtype), *state])
            return [-log_p[range(len(y)), y].mean(), *states]
        outputs = contents.network.forward([x, y, state])
        states = outputs[1] if isinstance(outputs[1], list) else [outputs[1]]
        return [outputs[0].reshape(()), *states]
    except (nngraph.GraphError, IndexError, AttributeError, TypeError):
        return []  # it has other inputs or outputs
