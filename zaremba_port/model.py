"""The network of Zaremba et al. 2014, https://arxiv.org/abs/1409.2329, for one time step.

Read it beside `lstm` and `create_network` of main.lua: the lines are the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

import pygraph_nn as nngraph
from pygraph_nn import nn, torch7_random

from .cells import (
    Cell,
    checked_state,
    import_cell,
    is_reference,
    reference,
    short_name,
    state_names,
)
from .config import Settings
from .errors import UserError, check_choice


def lstm(
    x: nngraph.Node,
    prev_c: nngraph.Node,
    prev_h: nngraph.Node,
    *,
    input_size: int,
    rnn_size: int,
) -> tuple[nngraph.Node, nngraph.Node]:
    """Add one step of long short-term memory to the graph; return the next c and h.

    Section 3.1 of the paper. `x` is (batch, input_size), everything else (batch, rnn_size).
    """
    # All four gates in one go
    i2h = nn.Linear(input_size, 4 * rnn_size)(x)
    h2h = nn.Linear(rnn_size, 4 * rnn_size)(prev_h)
    gates = nn.CAddTable()([i2h, h2h])  # (batch, 4 * rnn_size)

    reshaped_gates = nn.Reshape(4, rnn_size)(gates)  # (batch, 4, rnn_size)
    sliced_gates = nn.SplitTable(1)(reshaped_gates)  # 4 of (batch, rnn_size)

    in_gate = nn.Sigmoid()(nn.SelectTable(0)(sliced_gates))
    in_transform = nn.Tanh()(nn.SelectTable(1)(sliced_gates))
    forget_gate = nn.Sigmoid()(nn.SelectTable(2)(sliced_gates))
    out_gate = nn.Sigmoid()(nn.SelectTable(3)(sliced_gates))

    next_c = nn.CAddTable()([
        nn.CMulTable()([forget_gate, prev_c]),
        nn.CMulTable()([in_gate, in_transform]),
    ])  # fmt: skip
    next_h = nn.CMulTable()([out_gate, nn.Tanh()(next_c)])

    nngraph.annotateNodes()
    return next_c, next_h


def gru(
    x: nngraph.Node, prev_h: nngraph.Node, *, input_size: int, rnn_size: int
) -> tuple[nngraph.Node]:
    """Add one step of a gated recurrent unit to the graph; return the next h.

    Cho et al. 2014, https://arxiv.org/abs/1406.1078. The reset gate acts on `prev_h` before the
    product with its weights; the next h is z * candidate + (1 - z) * prev_h, with z the update
    gate. Shapes are as in `lstm`.
    """
    i2h = nn.Linear(input_size, 3 * rnn_size)(x)
    x_update, x_reset, x_candidate = nn.SplitTable(1)(nn.Reshape(3, rnn_size)(i2h)).split(3)
    h2h = nn.Linear(rnn_size, 2 * rnn_size)(prev_h)
    h_update, h_reset = nn.SplitTable(1)(nn.Reshape(2, rnn_size)(h2h)).split(2)

    update_gate = nn.Sigmoid()(nn.CAddTable()([x_update, h_update]))
    reset_gate = nn.Sigmoid()(nn.CAddTable()([x_reset, h_reset]))
    gated_h = nn.CMulTable()([reset_gate, prev_h])
    h_candidate = nn.Linear(rnn_size, rnn_size)(gated_h)
    candidate = nn.Tanh()(nn.CAddTable()([x_candidate, h_candidate]))

    keep = nn.AddConstant(1)(nn.MulConstant(-1)(update_gate))
    next_h = nn.CAddTable()([
        nn.CMulTable()([update_gate, candidate]),
        nn.CMulTable()([keep, prev_h]),
    ])  # fmt: skip

    nngraph.annotateNodes()
    return (next_h,)


def rnn(
    x: nngraph.Node, prev_h: nngraph.Node, *, input_size: int, rnn_size: int
) -> tuple[nngraph.Node]:
    """Add one step of a plain recurrent layer to the graph; return the next h.

    The next h is tanh(W x + U prev_h + b), as in char-rnn's RNN.lua. Shapes are as in `lstm`.
    """
    i2h = nn.Linear(input_size, rnn_size)(x)
    h2h = nn.Linear(rnn_size, rnn_size)(prev_h)
    next_h = nn.Tanh()(nn.CAddTable()([i2h, h2h]))

    nngraph.annotateNodes()
    return (next_h,)


CELLS: dict[str, Cell] = {"lstm": lstm, "gru": gru, "rnn": rnn}


def cell_name(cell: Cell) -> str:
    """Return the name under which a run records `cell`: "lstm", or "package.module:function"."""
    name = reference(cell)
    built_in = name.removeprefix(f"{__name__}:")
    return built_in if CELLS.get(built_in) is cell else name


def cell_of(settings: Settings, cell: Cell | str | None = None) -> Cell:
    """Return the cell that `cell` is or names; without one, the built-in cell of the settings.

    A name is a built-in one or "package.module:function", which is imported. What the settings name
    is not imported, as settings may come from someone else's run.

    Raises:
        UserError: there is no such cell, its module cannot be imported, or `cell` is None and the
            settings name a cell that is not built in.
    """
    if cell is None:
        if settings.cell not in CELLS:
            raise UserError(f"the cell {settings.cell} is not built in: pass it, cell=...")
        return CELLS[settings.cell]
    if not isinstance(cell, str):
        return cell
    if is_reference(cell):
        return import_cell(cell)
    check_choice("cell", cell, (*CELLS, "package.module:function"))
    return CELLS[cell]


def cell_graph(
    settings: Settings, cell: Cell | str | None = None, *, layer: int = 0
) -> nngraph.gModule:
    """Return the graph of one use of the cell, from x and the previous state to the next state.

    `layer` counts from 0; the first one may have inputs of another size.
    """
    cell = cell_of(settings, cell)
    state = state_names(cell)
    inputs = [nn.Identity()().annotate(name=name) for name in ["x", *map("prev_{}".format, state)]]
    sizes = {
        "input_size": settings.rnn_size if layer else settings.input_size,
        "rnn_size": settings.rnn_size,
    }
    with _default_dtype(getattr(torch, settings.dtype)), _naming(cell):
        outputs = checked_state(cell, cell(*inputs, **sizes), nngraph.Node)
        for name, node in zip(state, outputs, strict=True):
            node.annotate(name=f"next_{name}")
        graph = nngraph.gModule(inputs, list(outputs))
        nngraph.refuse_own_updates(graph)  # training updates the flat parameters
        return graph


def create_network(
    settings: Settings, *, predictions: bool = False, cell: Cell | str | None = None
) -> nngraph.gModule:
    """Create the network for one time step; draw its parameters from Torch7's generator.

    The draws replace the initial values that a cell gives its parameters. Those that it freezes,
    ``requires_grad_(False)``, keep their values.

    Its inputs are x and y, the ids of the words and of the words after them, (batch,); and prev_s,
    the state, a table of (batch, rnn_size): c and h of the first layer, of the second, and so on.
    Its outputs are err, the mean negative log-likelihood in nats, (1,); and next_s, a table like
    prev_s.

    Args:
        settings: sizes, dropout, dtype, and the range of the initial parameters.
        predictions: add an output, the log-probabilities of all words, (batch, vocab_size).
        cell: a recurrent cell of your own instead of ``settings.cell``; see `cell_of`.

    Raises:
        UserError: there is no such cell, it cannot be called as a cell is, or it does not return
            its next state.
    """
    cell = cell_of(settings, cell)
    states, title = len(state_names(cell)), _title(settings, cell)
    with _default_dtype(getattr(torch, settings.dtype)), _naming(cell):
        x = nn.Identity()().annotate(name="x")
        y = nn.Identity()().annotate(name="y")
        prev_s = nn.Identity()().annotate(name="prev_s")
        i = [nn.LookupTable(settings.vocab_size, settings.input_size)(x).annotate(name="embedding")]
        next_s: list[nngraph.Node] = []
        split = parts(prev_s, states * settings.layers)
        for layer in range(settings.layers):
            with nngraph.group(f"{title} {layer + 1}"):
                prev = split[states * layer : states * (layer + 1)]
                dropped = nn.Dropout(settings.dropout)(i[layer]).annotate(name="dropped")
                input_size = settings.rnn_size if layer else settings.input_size
                next = cell(dropped, *prev, input_size=input_size, rnn_size=settings.rnn_size)
                next = checked_state(cell, next, nngraph.Node)
            next_s.extend(next)
            i.append(next[-1])
        h2y = nn.Linear(settings.rnn_size, settings.vocab_size)
        dropped = nn.Dropout(settings.dropout)(i[settings.layers]).annotate(name="dropped")
        pred = nn.LogSoftMax()(h2y(dropped).annotate(name="h2y")).annotate(name="pred")
        err = nn.ClassNLLCriterion()([pred, y]).annotate(name="err")
        outputs = [err, nngraph.nest(next_s).annotate(name="next_s")]
        module = nngraph.gModule([x, y, prev_s], [*outputs, pred] if predictions else outputs)
        parameters, _ = module.getParameters()
        frozen = [(p, p.detach().clone()) for p in module.parameters() if not p.requires_grad]
        torch7_random.uniform_(parameters, -settings.init_weight, settings.init_weight)
        for parameter, value in frozen:
            parameter.data.copy_(value)
    return module


def _title(settings: Settings, cell: Cell) -> str:
    """Return the name of the layers' groups, by which parameters are saved.

    A run keeps the name under which it was trained, even if the cell was moved since.
    """
    if not settings.has_own_cell:
        return short_name(getattr(cell, "__name__", reference(cell)))
    title = short_name(settings.cell)
    return settings.cell if title in CELLS else title


def parts(table: nngraph.Node, n: int) -> list[nngraph.Node]:
    """Return nodes for the `n` elements of the table that `table` outputs; `n` may be 1."""
    return list(table.split(n)) if n > 1 else [table.split(1)]


@contextlib.contextmanager
def _naming(cell: Cell) -> Iterator[None]:
    """Turn a GraphError into a UserError that names the cell whose graph is built in the block."""
    try:
        yield
    except nngraph.GraphError as error:
        raise UserError(f"cell {reference(cell)}: {' '.join(str(error).split())}") from error


@contextlib.contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Create new parameters in `dtype` inside the block."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def fork_generators() -> Iterator[None]:
    """Restore the states of PyTorch's and Torch7's random generators at the end of the block."""
    before = torch7_random.getRNGState()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch7_random.setRNGState(before)


def zero_state(
    settings: Settings, batch: int, like: torch.Tensor, cell: Cell | str | None = None
) -> list[torch.Tensor]:
    """Return the state before the first word: zeros, (batch, rnn_size) each.

    `like` is a tensor of the network's dtype and device.
    """
    n = settings.layers * len(state_names(cell_of(settings, cell)))
    return [like.new_zeros(batch, settings.rnn_size) for _ in range(n)]
