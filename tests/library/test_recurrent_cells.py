"""The loops of LSTM, GRU and their near relatives: which run by a kernel; all compute the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from recurrent_oracle import CLASSES, SIZE, by_steps, check, language_model, words

import pygraph_nn as nngraph
from pygraph_nn import nn
from pygraph_nn.recurrent.loop_stages import GruStage, LstmStage
from zaremba_port import gru, lstm

pytestmark = pytest.mark.usefixtures("float64_default")


def other_lstm(
    x: nngraph.Node, prev_c: nngraph.Node, prev_h: nngraph.Node, *, input_size: int, rnn_size: int
) -> tuple[nngraph.Node, nngraph.Node]:
    """The gates in another order, operands swapped, no bias, two terms from outside."""
    h2h = nn.Linear(rnn_size, 4 * rnn_size, False)(prev_h)
    terms = [h2h, nn.Linear(input_size, 4 * rnn_size)(x), nn.Linear(input_size, 4 * rnn_size)(x)]
    split = nn.SplitTable(-2)(nn.Reshape(4, rnn_size, batchMode=True)(nn.CAddTable()(terms)))
    out, forget = nn.Sigmoid()(nn.SelectTable(0)(split)), nn.Sigmoid()(nn.SelectTable(1)(split))
    into, transform = nn.Sigmoid()(nn.SelectTable(2)(split)), nn.Tanh()(nn.SelectTable(-1)(split))
    kept, new = nn.CMulTable()([prev_c, forget]), nn.CMulTable()([transform, into])
    next_c = nn.CAddTable()([new, kept])
    return next_c, nn.CMulTable()([nn.Tanh()(next_c), out])


@pytest.mark.parametrize("cell", [lstm, other_lstm])
@pytest.mark.parametrize("layers", [1, 3])
def test_lstm_loops_are_recognised(cell: Any, layers: int) -> None:
    core = language_model(cell, layers, 2)
    net = nngraph.recurrent(core, {"prev_s": "next_s"})
    assert sum(type(r) in (LstmStage, GruStage) for r in net.runners) == layers
    state = [torch.randn(2, SIZE, requires_grad=True) for _ in range(2 * layers)]
    check(core, [words(), words() - 1 + (words() == 0), state], {2: 1})


def other_gru(
    x: nngraph.Node, prev_h: nngraph.Node, *, input_size: int, rnn_size: int
) -> tuple[nngraph.Node]:
    """The gates in another order, operands swapped."""
    x_parts = [nn.Linear(input_size, rnn_size)(x) for _ in range(3)]
    split = nn.SplitTable(1)(nn.Reshape(2, rnn_size)(nn.Linear(rnn_size, 2 * rnn_size)(prev_h)))
    r = nn.Sigmoid()(nn.CAddTable()([nn.SelectTable(0)(split), x_parts[0]]))
    z = nn.Sigmoid()(nn.CAddTable()([nn.SelectTable(-1)(split), x_parts[1]]))
    gated = nn.Linear(rnn_size, rnn_size, False)(nn.CMulTable()([prev_h, r]))
    candidate = nn.Tanh()(nn.CAddTable()([gated, x_parts[2]]))
    keep = nn.AddConstant(1)(nn.MulConstant(-1)(z))
    kept, new = nn.CMulTable()([prev_h, keep]), nn.CMulTable()([candidate, z])
    return (nn.CAddTable()([kept, new]),)


@pytest.mark.parametrize("cell", [gru, other_gru])
@pytest.mark.parametrize("layers", [1, 2])
def test_gru_loops_are_recognised(cell: Any, layers: int) -> None:
    core = language_model(cell, layers, 1)
    net = nngraph.recurrent(core, {"prev_s": "next_s"})
    assert sum(type(r) in (LstmStage, GruStage) for r in net.runners) == layers
    state = [torch.randn(2, SIZE, requires_grad=True) for _ in range(layers)]
    check(core, [words(), words(), state], {2: 1})


def peephole(
    x: nngraph.Node, prev_c: nngraph.Node, prev_h: nngraph.Node, *, input_size: int, rnn_size: int
) -> tuple[nngraph.Node, nngraph.Node]:
    """Nearly the LSTM: the sum of the gates takes c, too."""
    sums = [nn.Linear(n, 4 * rnn_size)(value) for n, value in (
        (input_size, x), (rnn_size, prev_h), (rnn_size, prev_c))]  # fmt: skip
    split = nn.SplitTable(1)(nn.Reshape(4, rnn_size)(nn.CAddTable()(sums)))
    i, f, o, g = (nn.SelectTable(k)(split) for k in range(4))
    new = nn.CMulTable()([nn.Sigmoid()(i), nn.Tanh()(g)])
    next_c = nn.CAddTable()([nn.CMulTable()([nn.Sigmoid()(f), prev_c]), new])
    return next_c, nn.CMulTable()([nn.Sigmoid()(o), nn.Tanh()(next_c)])


def other_candidate(
    x: nngraph.Node, prev_h: nngraph.Node, *, input_size: int, rnn_size: int
) -> tuple[nngraph.Node]:
    """Nearly the GRU: what is kept is 2 - z."""
    x_parts = [nn.Linear(input_size, rnn_size)(x) for _ in range(3)]
    split = nn.SplitTable(1)(nn.Reshape(2, rnn_size)(nn.Linear(rnn_size, 2 * rnn_size)(prev_h)))
    z, r = (nn.Sigmoid()(nn.CAddTable()([nn.SelectTable(k)(split), x_parts[k]])) for k in (0, 1))
    gated = nn.Linear(rnn_size, rnn_size)(nn.CMulTable()([r, prev_h]))
    candidate = nn.Tanh()(nn.CAddTable()([gated, x_parts[2]]))
    keep = nn.AddConstant(2)(nn.MulConstant(-1)(z))
    kept, new = nn.CMulTable()([prev_h, keep]), nn.CMulTable()([candidate, z])
    return (nn.CAddTable()([kept, new]),)


@pytest.mark.parametrize(("cell", "states"), [(peephole, 2), (other_candidate, 1)])
def test_other_loops_run_step_by_step(cell: Any, states: int) -> None:
    core = language_model(cell, 2, states)
    net = nngraph.recurrent(core, {"prev_s": "next_s"})
    assert not any(type(r) in (LstmStage, GruStage) for r in net.runners)
    state = [torch.randn(2, SIZE, requires_grad=True) for _ in range(2 * states)]
    check(core, [words(), words(), state], {2: 1})


def one_gru(change: str) -> nngraph.gModule:
    """A GRU whose 1 - z is computed in another way."""
    x, prev = nn.Identity()(), nn.Identity()()
    x_parts = [nn.Linear(SIZE, SIZE)(x) for _ in range(3)]
    split = nn.SplitTable(1)(nn.Reshape(2, SIZE)(nn.Linear(SIZE, 2 * SIZE)(prev)))
    z, r = (nn.Sigmoid()(nn.CAddTable()([nn.SelectTable(k)(split), x_parts[k]])) for k in (0, 1))
    gated = nn.Linear(SIZE, SIZE)(nn.CMulTable()([r, prev]))
    candidate = nn.Tanh()(nn.CAddTable()([gated, x_parts[2]]))
    one = torch.ones(SIZE) if change == "a tensor" else 1
    negated = nn.MulConstant(-1, change == "in place")(z)
    keep = nn.AddConstant(one)(negated)
    next_h = nn.CAddTable()([nn.CMulTable()([prev, keep]), nn.CMulTable()([candidate, z])])
    return nngraph.gModule([x, prev], [next_h])


@pytest.mark.parametrize("change", ["", "in place", "a tensor"])
def test_one_minus_z_computed_otherwise(change: str) -> None:
    """In place, z itself is overwritten before the candidate is multiplied with it."""
    core = one_gru(change)
    net = nngraph.recurrent(core, {1: 0})
    assert [type(r) is GruStage for r in net.runners][-1] == (not change)
    with torch.no_grad():
        input = [torch.randn(4, 2, SIZE), torch.randn(2, SIZE)]
        torch.testing.assert_close(net(input), by_steps(core, input, {1: 0})[0])


def test_a_sum_in_place_that_nothing_else_reads_is_still_an_lstm() -> None:
    x, prev = nn.Identity()(), nn.Identity()()
    c, h = prev.split(2)
    sums = [nn.Linear(SIZE, 4 * SIZE)(x), nn.Linear(SIZE, 4 * SIZE)(h)]
    split = nn.SplitTable(1)(nn.Reshape(4, SIZE)(nn.CAddTable(True)(sums)))
    i, f, o, g = (nn.SelectTable(k)(split) for k in range(4))
    new = nn.CMulTable()([nn.Sigmoid()(i), nn.Tanh()(g)])
    next_c = nn.CAddTable(True)([nn.CMulTable()([nn.Sigmoid()(f), c]), new])
    next_h = nn.CMulTable()([nn.Sigmoid()(o), nn.Tanh()(next_c)])
    outputs = [nngraph.nest([next_c, next_h]), nn.MulConstant(2)(next_h)]
    core = nngraph.gModule([x, prev], outputs)
    net = nngraph.recurrent(core, {1: 0})
    assert LstmStage in map(type, net.runners)
    state = [torch.randn(2, SIZE, requires_grad=True) for _ in range(2)]
    check(core, [torch.randn(4, 2, SIZE, requires_grad=True), state], {1: 0})


def test_a_cell_whose_gate_is_an_output_runs_step_by_step() -> None:
    x, prev = nn.Identity()(), nn.Identity()()
    c, h = prev.split(2)
    next_c, next_h = lstm(x, c, h, input_size=SIZE, rnn_size=SIZE)
    gate = next(n for n in next_h.inputs if isinstance(n.module, nn.Sigmoid))
    core = nngraph.gModule([x, prev], [nngraph.nest([next_c, next_h]), nn.MulConstant(2)(gate)])
    net = nngraph.recurrent(core, {1: 0})
    assert LstmStage not in map(type, net.runners)
    state = [torch.randn(2, SIZE, requires_grad=True) for _ in range(2)]
    check(core, [torch.randn(4, 2, SIZE, requires_grad=True), state], {1: 0})


def test_a_hooked_layer_of_a_cell_is_called() -> None:
    core = language_model(lstm, 1, 2)
    net = nngraph.recurrent(core, {"prev_s": "next_s"})
    h2h = next(m for m in core.modules() if isinstance(m, nn.Linear) and "h2h" in name_of(core, m))
    calls: list[None] = []
    h2h.register_forward_hook(lambda *_: calls.append(None))
    state = [torch.randn(2, SIZE, requires_grad=True) for _ in range(2)]
    check(core, [words(), words(), state], {2: 1})
    calls.clear()
    net([words(), words(), state])
    assert len(calls) == len(words())


def name_of(core: nngraph.gModule, module: nn.Module) -> str:
    return next(name for name, other in core.named_modules() if other is module)


def test_a_tied_weight_is_left_to_autograd() -> None:
    x, y, prev = nn.Identity()(), nn.Identity()(), nn.Identity()()
    table, linear = nn.LookupTable(CLASSES, SIZE), nn.Linear(SIZE, CLASSES, False)
    linear.weight = table.weight
    h = nn.Tanh()(nn.CAddTable()([table(x), nn.Linear(SIZE, SIZE)(prev)]))
    err = nn.ClassNLLCriterion()([nn.LogSoftMax()(linear(h)), y])
    core = nngraph.gModule([x, y, prev], [err, nn.Identity()(h)])
    check(core, [words(), words(), torch.randn(2, SIZE, requires_grad=True)], {2: 1})


def test_dropout_drops_as_often_as_asked_and_scales() -> None:
    x = nn.Identity()()
    core = nngraph.gModule([x], [nn.Dropout(0.3)(x)])
    net = nngraph.recurrent(core, {})
    ones = torch.ones(50, 20, 10)
    for made in (net(ones), with_flat_sgd(net, ones)):
        assert set(made.unique().tolist()) == {0.0, 1 / 0.7}
        assert 0.28 < (made == 0).double().mean() < 0.32
    core.evaluate()
    assert torch.equal(net(ones), ones)


def with_flat_sgd(net: nngraph.Recurrent, input: torch.Tensor) -> torch.Tensor:
    net.core.add_module("unused", nn.Linear(1, 1))  # a FlatSGD takes parameters
    return nngraph.FlatSGD(net).forward(input)
