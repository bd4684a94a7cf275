"""A recurrent network over time against the one-step network called step after step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, given, settings

import pygraph_nn as nngraph
from pygraph_nn import nested, nn
from pygraph_nn.recurrent import make_plan
from pygraph_nn.recurrent.loop_stages import GruStage, LstmStage
from zaremba_port import gru, lstm

SIZE, CLASSES = 3, 5
KINDS = ("single", "table", "nested", "lstm", "gru")  # of states
TOLERANCE = 1e-10


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def by_steps(core: nngraph.gModule, input: list[Any], state: dict[int, int]) -> list[Any]:
    """The outputs of `core` called step after step; the oracle."""
    sequences = [i for i in range(len(input)) if i not in state]
    now = list(input)
    rows: list[list[Any]] = []
    for t in range(len(input[sequences[0]])):
        for i in sequences:
            now[i] = input[i][t]
        made = core(now) if len(now) > 1 else core(now[0])
        made = made if isinstance(made, list) else [made]
        rows.append(made)
        for i, o in state.items():
            now[i] = made[o]
    return [
        made if o in state.values() else torch.stack([row[o] for row in rows])
        for o, made in enumerate(rows[-1])
    ]


def results(core: nngraph.gModule, outputs: list[Any], input: list[Any]) -> list[torch.Tensor]:
    """A loss made of all outputs, the outputs, and the gradients of parameters and inputs."""
    values = [leaf for output in outputs for leaf in nested.leaves(output)]
    # Weights that differ from element to element, so that none can stand for another.
    loss = sum(
        (value * torch.arange(1.0, value.numel() + 1).view(value.shape).cos()).sum()
        for value in values
    )
    leaves = [x for x in nested.leaves(input) if x.requires_grad]
    wanted = [*core.parameters(), *leaves]
    grads = torch.autograd.grad(loss, wanted, allow_unused=True)
    zeros = [torch.zeros_like(x) if g is None else g for x, g in zip(wanted, grads, strict=True)]
    return [torch.as_tensor(loss).detach(), *(v.detach() for v in values), *zeros]


def check(core: nngraph.gModule, input: list[Any], state: dict[int, int]) -> None:
    """Loss, outputs, last states and all gradients agree, by autograd and by a Descent."""
    net = nngraph.recurrent(core, state)
    expected = results(core, by_steps(core, input, state), input)
    made = net(input)
    outputs = made if isinstance(made, list) and len(core.outnode.inputs) > 1 else [made]
    for a, b in zip(expected, results(core, outputs, input), strict=True):
        torch.testing.assert_close(b, a, rtol=TOLERANCE, atol=TOLERANCE)
    check_descent(net, input, expected)


def check_descent(net: nngraph.Recurrent, input: list[Any], expected: list[torch.Tensor]) -> None:
    core = net.core
    descent = nngraph.FlatSGD(net)
    for _ in range(2):  # the second time on used buffers
        made = descent.forward(input)
        outputs = made if isinstance(made, list) and len(core.outnode.inputs) > 1 else [made]
        values = [leaf for output in outputs for leaf in nested.leaves(output)]
        weights = [torch.arange(1.0, v.numel() + 1).view(v.shape).cos() for v in values]
        for a, b in zip(expected[1:], values, strict=False):
            torch.testing.assert_close(b.detach(), a, rtol=TOLERANCE, atol=TOLERANCE)
        pairs = [(v, w) for v, w in zip(values, weights, strict=True) if v.requires_grad]
        descent.backward(*zip(*pairs, strict=True))
    first = 1 + len(values)
    grads = expected[first : first + len(list(core.parameters()))]
    for (name, parameter), grad in zip(core.named_parameters(), grads, strict=True):
        torch.testing.assert_close(
            parameter.grad, grad, rtol=TOLERANCE, atol=TOLERANCE, msg=lambda m, n=name: f"{n}: {m}"
        )
    squares = sum(grad.square().sum() for grad in grads)
    assert descent.norm().item() == pytest.approx(float(squares) ** 0.5, rel=1e-12)
    before = [p.detach().clone() for p in core.parameters()]
    descent.update(0.5)
    for parameter, old, grad in zip(core.parameters(), before, grads, strict=True):
        torch.testing.assert_close(parameter.detach(), old - 0.5 * grad)


# Random graphs


class Builder:
    """A one-step network drawn from `draw`: nodes of (batch, SIZE), all of which end up used."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.pool: list[nngraph.Node] = []
        self.used: set[int] = set()
        self.modules: list[nn.Linear] = []
        self.cells: dict[int, list[nngraph.Node]] = {}

    def choose(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def take(self) -> nngraph.Node:
        node = self.choose(*self.pool)
        self.used.add(id(node))
        return node

    def some(self, count: int) -> list[nngraph.Node]:
        """Several nodes; one that comes again stands behind an Identity."""
        made: list[nngraph.Node] = []
        for node in (self.take() for _ in range(count)):
            made.append(nn.Identity()(node) if node in made else node)
        return made

    def linear(self) -> nn.Linear:
        """A new layer or, at times, one that is there already."""
        if self.modules and self.choose(False, False, True):
            return self.choose(*self.modules)
        self.modules.append(nn.Linear(SIZE, SIZE, self.choose(True, True, False)))
        return self.modules[-1]

    def states(self, kind: str) -> tuple[nngraph.Node, int]:
        """An input that is a state, its parts in the pool; how many parts."""
        node = nn.Identity()()
        if kind == "single":
            self.pool.append(node)
            return node, 1
        if kind == "gru":
            sizes = {"input_size": SIZE, "rnn_size": SIZE}
            self.cells[id(node)] = list(gru(self.take(), node, **sizes))
            self.pool += self.cells[id(node)]
            return node, 1
        if kind in ("table", "lstm"):
            parts = list(node.split(2))
            if kind == "lstm":
                sizes = {"input_size": SIZE, "rnn_size": SIZE}
                self.cells[id(node)] = parts = list(lstm(self.take(), *parts, **sizes))
            self.pool += parts
            return node, 2
        first, rest = node.split(2)
        self.pool += [first, *rest.split(2)]
        return node, 3

    def feed(self, kind: str, state: nngraph.Node) -> nngraph.Node:
        """An output that feeds a state of the same kind."""
        if kind == "gru":
            self.used |= {id(node) for node in self.cells[id(state)]}
            return nn.Identity()(self.cells[id(state)][0])
        if kind == "lstm":
            self.used |= {id(node) for node in self.cells[id(state)]}
            return nngraph.nest(self.cells[id(state)])
        if kind == "single":
            # By way of a module, since a state may not be an input node itself.
            return nn.Identity()(self.take())
        if kind == "table":
            return nngraph.nest(self.some(2))
        return nngraph.nest([self.take(), nngraph.nest(self.some(2))])

    def step(self) -> None:
        """One more operation."""
        kind = self.choose(
            "linear", "tanh", "add", "multiply", "lstm", "gru", "split", "join", "nested",
            "sequential", "dropout", "scale",
        )  # fmt: skip
        sizes = {"input_size": SIZE, "rnn_size": SIZE}
        if kind == "linear":
            made = [self.linear()(self.take())]
        elif kind == "tanh":
            made = [self.choose(nn.Tanh, nn.Sigmoid)()(self.take())]
        elif kind == "add":
            made = [nn.CAddTable()(self.some(3))]
        elif kind == "multiply":
            made = [nn.CMulTable()([self.take(), nn.Sigmoid()(self.take())])]
        elif kind == "lstm":
            made = list(lstm(*self.some(3), **sizes))
        elif kind == "gru":
            made = list(gru(*self.some(2), **sizes))
        elif kind == "split":
            wide = nn.Reshape(2, SIZE)(nn.Linear(SIZE, 2 * SIZE)(self.take()))
            parts = nn.SplitTable(1)(wide)
            made = [nn.SelectTable(-1)(parts), nn.SelectTable(0)(parts)]
        elif kind == "join":
            made = [nn.Linear(2 * SIZE, SIZE)(nn.JoinTable(1)(self.some(2)))]
        elif kind == "nested":
            a, b = nn.Identity()(), nn.Identity()()
            inner = nngraph.gModule([a, b], [nn.CAddTable()([self.linear()(a), b]), nn.Tanh()(b)])
            made = list(inner(self.some(2)).split(2))
        elif kind == "sequential":
            made = [nn.Sequential(self.linear(), nn.Tanh(), nn.MulConstant(0.5))(self.take())]
        elif kind == "dropout":
            made = [nn.Dropout(0)(self.take())]
        else:
            made = [nn.AddConstant(0.1)(nn.MulConstant(-0.7)(self.take()))]
        self.pool += made

    def rest(self) -> nngraph.Node:
        """One node that uses all that is not used yet."""
        unused = [node for node in self.pool if id(node) not in self.used]
        return nn.CAddTable()(unused) if len(unused) > 1 else (unused or [self.take()])[0]


@st.composite
def networks(draw: Any) -> tuple[nngraph.gModule, list[Any], dict[int, int]]:
    """A one-step network, an input of several steps, and which outputs feed which inputs."""
    nngraph.manualSeed(draw(st.integers(0, 1000)))
    builder = Builder(draw)
    steps, batch = draw(st.integers(1, 4)), draw(st.integers(2, 3))
    generator = torch.Generator().manual_seed(1)

    def tensor(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator).requires_grad_()

    def ids(count: int) -> torch.Tensor:
        return torch.randint(count, (steps, batch), generator=generator)

    x, words, y = nn.Identity()(), nn.Identity()(), nn.Identity()()
    builder.pool += [nn.Linear(SIZE, SIZE)(x), nn.LookupTable(CLASSES, SIZE)(words)]
    inputs, values = [x, words, y], [tensor(steps, batch, SIZE), ids(CLASSES), ids(CLASSES)]
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=2))
    for kind in kinds:
        node, _ = builder.states(kind)
        inputs.append(node)
        values.append(
            {
                "single": lambda: tensor(batch, SIZE),
                "gru": lambda: tensor(batch, SIZE),
                "table": lambda: [tensor(batch, SIZE) for _ in range(2)],
                "lstm": lambda: [tensor(batch, SIZE) for _ in range(2)],
                "nested": lambda: [
                    tensor(batch, SIZE), [tensor(batch, SIZE), tensor(batch, SIZE)]
                ],
            }[kind]()
        )  # fmt: skip
    for _ in range(draw(st.integers(1, 7))):
        builder.step()
    feeding = [builder.feed(kind, node) for kind, node in zip(kinds, inputs[3:], strict=True)]
    softmax = nn.LogSoftMax()(nn.Linear(SIZE, CLASSES)(builder.rest()))
    outputs = [nn.ClassNLLCriterion()([softmax, y]), *feeding]
    extra = draw(st.sampled_from(["", "value", "prediction", "loss", "sum"]))
    if extra == "value":
        outputs.append(nn.Identity()(builder.take()))
    elif extra == "prediction":
        outputs.append(softmax)
    elif extra == "loss":
        outputs.append(nn.MSECriterion()(builder.some(2)))
    elif extra == "sum":
        criterion = nn.ClassNLLCriterion(None, False)
        scores = nn.LogSoftMax()(nn.Linear(SIZE, CLASSES)(builder.take()))
        outputs.append(criterion([scores, y]))
    core = nngraph.gModule(inputs, outputs)
    return core, values, {3 + i: 1 + i for i in range(len(kinds))}


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks())
def test_random_networks(drawn: tuple[nngraph.gModule, list[Any], dict[int, int]]) -> None:
    check(*drawn)


# Known cells


def language_model(cell: Any, layers: int, states: int) -> nngraph.gModule:
    x = nn.Identity()().annotate(name="x")
    y = nn.Identity()().annotate(name="y")
    prev_s = nn.Identity()().annotate(name="prev_s")
    parts = list(prev_s.split(states * layers)) if states * layers > 1 else [prev_s.split(1)]
    value, next_s = nn.LookupTable(CLASSES, SIZE)(x), []
    for layer in range(layers):
        prev = parts[states * layer : states * (layer + 1)]
        next = cell(nn.Dropout(0)(value), *prev, input_size=SIZE, rnn_size=SIZE)
        next_s += next
        value = next[-1]
    pred = nn.LogSoftMax()(nn.Linear(SIZE, CLASSES)(value))
    err = nn.ClassNLLCriterion()([pred, y]).annotate(name="err")
    return nngraph.gModule([x, y, prev_s], [err, nngraph.nest(next_s).annotate(name="next_s")])


def words(steps: int = 4, batch: int = 2) -> torch.Tensor:
    return torch.randint(CLASSES, (steps, batch), generator=torch.Generator().manual_seed(2))


def test_the_plan_of_two_layers() -> None:
    plan = make_plan(language_model(lstm, 2, 2), {"prev_s": "next_s"})
    assert [stage.loop for stage in plan.stages] == [False, True, False, True, False]
    kinds = [[type(plan.ops[i].module) for i in stage.ops] for stage in plan.stages]
    assert nn.LookupTable in kinds[0]
    assert nn.Linear in kinds[0]
    assert nn.Linear in kinds[2]
    assert kinds[4][-3:] == [nn.Linear, nn.LogSoftMax, nn.ModuleFromCriterion]
    text = str(plan)
    assert text.count("loop over time") == 2
    assert "prev_s: state 0 needs its own value of the step before" in text
    assert all(stage.reason for stage in plan.stages)


def test_the_picture_of_a_plan() -> None:
    plan = make_plan(language_model(lstm, 2, 2), {"prev_s": "next_s"})
    source = plan.dot("two layers").source
    assert source.count("subgraph cluster_") == 5
    assert source.count("step after step") == 2
    assert source.count("style=dashed") == 4  # the delays of two c and two h
    assert 'label="two layers"' in source


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


def test_a_tied_weight_is_left_to_autograd() -> None:
    x, y, prev = nn.Identity()(), nn.Identity()(), nn.Identity()()
    table, linear = nn.LookupTable(CLASSES, SIZE), nn.Linear(SIZE, CLASSES, False)
    linear.weight = table.weight
    h = nn.Tanh()(nn.CAddTable()([table(x), nn.Linear(SIZE, SIZE)(prev)]))
    err = nn.ClassNLLCriterion()([nn.LogSoftMax()(linear(h)), y])
    core = nngraph.gModule([x, y, prev], [err, nn.Identity()(h)])
    check(core, [words(), words(), torch.randn(2, SIZE, requires_grad=True)], {2: 1})


def test_a_loss_too_large_for_a_probability() -> None:
    x, y = nn.Identity()(), nn.Identity()()
    scores = nn.Linear(SIZE, CLASSES)(nn.MulConstant(1e4)(x))
    core = nngraph.gModule([x, y], [nn.ClassNLLCriterion()([nn.LogSoftMax()(scores), y])])
    values = torch.randn(4, 2, SIZE, generator=torch.Generator().manual_seed(3))
    expected = by_steps(core, [values, words()], {})[0]
    assert expected.max() > 1000
    made = nngraph.FlatSGD(nngraph.recurrent(core, {})).forward([values, words()])
    torch.testing.assert_close(made, expected)


def test_dropout_drops_as_often_as_asked_and_scales() -> None:
    x = nn.Identity()()
    core = nngraph.gModule([x], [nn.Dropout(0.3)(x)])
    net = nngraph.recurrent(core, {})
    ones = torch.ones(50, 20, 10)
    for made in (net(ones), _by_descent(net, ones)):
        assert set(made.unique().tolist()) == {0.0, 1 / 0.7}
        assert 0.28 < (made == 0).double().mean() < 0.32
    core.evaluate()
    assert torch.equal(net(ones), ones)


def _by_descent(net: nngraph.Recurrent, input: torch.Tensor) -> torch.Tensor:
    net.core.add_module("unused", nn.Linear(1, 1))  # a Descent takes parameters
    return nngraph.FlatSGD(net).forward(input)


# Refusals


def small() -> nngraph.gModule:
    x, prev = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="prev")
    return nngraph.gModule([x, prev], [nn.CAddTable()([x, prev]).annotate(name="next")])


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"prev": "nxt"}, r"output 'nxt' is not one of the 1 outputs \('next'\)"),
        ({"prv": "next"}, r"input 'prv' is not one of the 2 inputs \('x', 'prev'\)"),
        ({5: 0}, "input 5 is not one of the 2 inputs"),
    ],
)
def test_unknown_names(state: Any, message: str) -> None:
    with pytest.raises(nngraph.GraphError, match=message):
        nngraph.recurrent(small(), state)


def test_a_state_given_back_in_another_structure() -> None:
    x, prev = nn.Identity()(), nn.Identity()()
    a, b = prev.split(2)
    core = nngraph.gModule([x, prev], [nn.CAddTable()([x, a, b])])
    net = nngraph.recurrent(core, {1: 0})
    with pytest.raises(nngraph.GraphError, match="expecting a table, to take element"):
        net([torch.ones(2, 1, 1), [torch.ones(1, 1), torch.ones(1, 1)]])


def test_sequences_of_different_lengths() -> None:
    x, y = nn.Identity()(), nn.Identity()()
    net = nngraph.recurrent(nngraph.gModule([x, y], [nn.CAddTable()([x, y])]), {})
    with pytest.raises(nngraph.GraphError, match=r"lengths \[2, 3\]"):
        net([torch.ones(2, 1, 1), torch.ones(3, 1, 1)])


def test_a_core_that_runs_its_nodes_in_its_own_way() -> None:
    core = small()
    core.run_node = lambda step, input: input
    with pytest.raises(nngraph.GraphError, match="run_node of its own"):
        nngraph.recurrent(core, {"prev": "next"})


def test_an_error_names_the_node() -> None:
    core = language_model(lstm, 1, 2)
    net = nngraph.recurrent(core, {"prev_s": "next_s"})
    state = [torch.zeros(2, SIZE)] * 2
    with pytest.raises(nngraph.GraphError, match=r"out of range(?s:.)*LookupTable"):
        net([words() + 100, words(), state])
    with pytest.raises(nngraph.GraphError, match=r"out of range(?s:.)*err"):
        net([words(), words() + 100, state])
    descent = nngraph.FlatSGD(net)
    with pytest.raises(nngraph.GraphError, match=r"out of range(?s:.)*err"):
        descent.forward([words(), words() + 100, state])


def test_a_descent_whose_parameters_moved_says_so() -> None:
    core = language_model(lstm, 1, 2)
    descent = nngraph.FlatSGD(nngraph.recurrent(core, {"prev_s": "next_s"}))
    core.getParameters()
    with pytest.raises(nngraph.GraphError, match="moved elsewhere"):
        descent.forward([words(), words(), [torch.zeros(2, SIZE)] * 2])
