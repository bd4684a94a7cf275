"""A network that is changed under a running engine, against the same network in plain PyTorch."""

from __future__ import annotations

import copy
import io
import itertools
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import pygraph_nn as nngraph
from pygraph_nn import nn, torch7_random
from zaremba_port import Corpus, Settings, create_network
from zaremba_port.engines import make_model
from zaremba_port.engines.device_queue import DeviceQueue
from zaremba_port.language_model import LanguageModel, TextState
from zaremba_port.text import replicate

RATE = 0.5
engines = pytest.mark.parametrize("engine", ["graph", "fast"])
Parameters = dict[str, torch.Tensor]


def settings(tiny: Settings, layers: int = 1) -> Settings:
    return tiny.with_changes({"dtype": "float64", "layers": layers, "max_grad_norm": 1.0})


def model_of(engine: str, tiny: Settings, layers: int = 1) -> LanguageModel:
    torch7_random.manualSeed(3)
    own = settings(tiny, layers)
    return make_model(engine, create_network(own), own)


def oracle_losses(
    parameters: Parameters, words: torch.Tensor, state: list[torch.Tensor], squash: Any
) -> torch.Tensor:
    """The losses of all steps, by plain PyTorch; `squash` stands for the tanh of the cell."""
    c, h = state
    losses = []
    for x, y in itertools.pairwise(words):
        gates = F.linear(
            parameters["embedding.weight"][x],
            parameters["lstm_1_i2h.weight"],
            parameters["lstm_1_i2h.bias"],
        ) + F.linear(h, parameters["lstm_1_h2h.weight"], parameters["lstm_1_h2h.bias"])
        into, transform, forget, out = gates.chunk(4, 1)
        c = forget.sigmoid() * c + into.sigmoid() * squash(transform)
        h = out.sigmoid() * squash(c)
        scores = F.linear(h, parameters["h2y.weight"], parameters["h2y.bias"])
        losses.append(F.cross_entropy(scores, y))
    return torch.stack(losses)


def check_step(model: LanguageModel, text: TextState, squash: Any = torch.tanh) -> None:
    """Loss, gradients, norm and update of the next step are those of plain PyTorch.

    What is tied in the network is one tensor there; what is frozen gets no gradient.
    """
    network = model.core_network
    copies = {id(p): p.detach().clone() for p in network.parameters()}
    for p in network.parameters():
        copies[id(p)].requires_grad_(p.requires_grad)
    named = {name: copies[id(p)] for name, p in network.named_parameters(remove_duplicate=False)}
    words = text.rows(text.pos, model.settings.seq_length)
    start = [s.clone() for s in model.start_s]
    losses = oracle_losses(named, words, start, squash)
    trained = [p for p in copies.values() if p.requires_grad]
    grads = dict(zip(map(id, trained), torch.autograd.grad(losses.sum(), trained), strict=True))
    norm = torch.stack([g.norm() for g in grads.values()]).norm().item()
    loss = model.fp(text)
    model.bp(text, RATE)
    assert loss == pytest.approx(losses.mean().item(), rel=1e-11)
    assert model.norm_dw == pytest.approx(norm, rel=1e-10)
    rate = RATE * min(1.0, model.settings.max_grad_norm / norm)
    for name, p in network.named_parameters():
        old = copies[id_of(copies, named[name])]
        expected = old - rate * grads[id(old)] if old.requires_grad else old
        torch.testing.assert_close(p.detach(), expected.detach(), rtol=1e-10, atol=1e-12)


def train_step(model: LanguageModel, text: TextState) -> None:
    model.fp(text)
    model.bp(text, RATE)


def id_of(copies: dict[int, torch.Tensor], tensor: torch.Tensor) -> int:
    return next(key for key, value in copies.items() if value is tensor)


def tie(network: Any) -> None:
    network.h2y.weight = network.embedding.weight


def tie_the_other_way(network: Any) -> None:
    network.embedding.weight = network.h2y.weight


def tie_by_share(network: Any) -> None:
    network.h2y.share(network.embedding, "weight", "gradWeight")


def swap(network: Any) -> None:
    first, second = network.lstm_1_i2h, network.lstm_1_h2h
    first.weight, second.weight = second.weight, first.weight
    first.bias, second.bias = second.bias, first.bias


def swap_table_and_linear(network: Any) -> None:
    table, linear = network.embedding, network.h2y
    table.weight, linear.weight = linear.weight, table.weight


def tie_biases(network: Any) -> None:
    network.lstm_1_h2h.bias = network.lstm_1_i2h.bias


def freeze(*names: str) -> Callable[[Any], None]:
    def change(network: Any) -> None:
        for name in names:
            network.get_parameter(name).requires_grad_(False)

    return change


def assign_data(network: Any) -> None:
    for p in network.parameters():
        p.data = p.data * 1.5


def assign_a_part_of_itself(network: Any) -> None:
    weight = network.lstm_1_h2h.weight
    weight.data = weight.data[:1].expand(32, 8)


def load(network: Any) -> None:
    values = {name: value + 0.1 for name, value in network.state_dict().items()}
    network.load_state_dict(values)


def put_in_another_layer(network: Any) -> None:
    """A new layer with the parameters of the old one."""
    other = nn.Linear(8, 20)
    other.weight, other.bias = network.h2y.weight, network.h2y.bias
    old = network.h2y
    network.replace(lambda m: other if m is old else m)


TAKES_EFFECT = [
    tie,
    tie_the_other_way,
    tie_by_share,
    tie_biases,
    swap,
    swap_table_and_linear,
    freeze("embedding.weight"),
    freeze("h2y.weight"),
    freeze("h2y.bias", "lstm_1_h2h.weight", "lstm_1_i2h.bias"),
    assign_data,
    assign_a_part_of_itself,
    load,
    put_in_another_layer,
]


@engines
@pytest.mark.parametrize("change", TAKES_EFFECT)
def test_a_change_has_its_effect(
    engine: str, change: Callable[[Any], None], tiny: Settings, corpus: Corpus
) -> None:
    model, text = model_of(engine, tiny), TextState(replicate(corpus.train, 4))
    for _ in range(2):
        check_step(model, text)
    change(model.core_network)
    for _ in range(3):
        check_step(model, text)


@engines
def test_changes_one_after_the_other(engine: str, tiny: Settings, corpus: Corpus) -> None:
    model, text = model_of(engine, tiny), TextState(replicate(corpus.train, 4))
    network: Any = model.core_network
    check_step(model, text)
    tie(network)
    check_step(model, text)
    network.embedding.requires_grad_(False)
    check_step(model, text)
    network.embedding.requires_grad_(True)
    assign_data(network)
    check_step(model, text)
    network.replace(lambda m: nn.ReLU() if isinstance(m, nn.Tanh) else m)
    check_step(model, text, torch.relu)


@engines
def test_flat_tensors_of_the_model_stay_those_of_the_network(
    engine: str, tiny: Settings, corpus: Corpus
) -> None:
    model, text = model_of(engine, tiny), TextState(replicate(corpus.train, 4))
    paramx = model.paramx
    check_step(model, text)
    tie(model.core_network)
    assign_data(model.core_network)
    check_step(model, text)
    assert model.paramx is paramx
    paramx.fill_(0.25)
    assert all(p.eq(0.25).all() for p in model.core_network.parameters())


@engines
def test_zero_grad_leaves_training_alive(engine: str, tiny: Settings, corpus: Corpus) -> None:
    model, text = model_of(engine, tiny), TextState(replicate(corpus.train, 4))
    network = model.core_network
    for zero_grad in (
        network.zero_grad,
        torch.optim.SGD(network.parameters(), lr=1.0).zero_grad,
        torch.optim.SGD([model.paramx], lr=1.0).zero_grad,
        lambda: network.zero_grad(set_to_none=False),
    ):
        zero_grad()
        check_step(model, text)
        assert model.paramdx.any()
        zero_grad()
        assert not model.paramdx.any()


def new_parameter(network: Any) -> None:
    network.h2y.bias = torch.nn.Parameter(torch.ones_like(network.h2y.bias))


def new_layer(network: Any) -> None:
    network.replace(lambda m: nn.Linear(8, 20).double() if m is network.h2y else m)


def loaded_by_assignment(network: Any) -> None:
    values = {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(values, assign=True)


@engines
@pytest.mark.parametrize(
    ("change", "facts"),
    [
        (new_parameter, ["h2y.bias", "a new FlatSGD or model"]),
        (new_layer, ["weight", "a new FlatSGD or model"]),
        (loaded_by_assignment, ["embedding.weight", "a new FlatSGD or model"]),
    ],
)
def test_what_would_have_no_effect_is_refused(
    engine: str, change: Callable[[Any], None], facts: list[str], tiny: Settings, corpus: Corpus
) -> None:
    model, text = model_of(engine, tiny), TextState(replicate(corpus.train, 4))
    check_step(model, text)
    change(model.core_network)
    for _ in range(2):  # at every step, not only at the first
        with pytest.raises(nngraph.GraphError) as raised:
            model.fp(text)
        assert all(fact in str(raised.value) for fact in facts), raised.value


@engines
def test_a_new_model_takes_a_new_parameter(engine: str, tiny: Settings, corpus: Corpus) -> None:
    model, text = model_of(engine, tiny), TextState(replicate(corpus.train, 4))
    new_parameter(model.core_network)
    check_step(make_model(engine, model.core_network, settings(tiny)), text)
    with pytest.raises(nngraph.GraphError, match="moved"):
        train_step(model, text)


def test_a_second_engine_says_that_the_first_has_lost_its_parameters(
    tiny: Settings, corpus: Corpus
) -> None:
    text = TextState(replicate(corpus.train, 4))
    graph = model_of("graph", tiny)
    fast = make_model("fast", graph.core_network, settings(tiny))
    check_step(fast, text)
    graph.fp(text)
    with pytest.raises(nngraph.GraphError, match="no longer holds the parameters"):
        graph.bp(text, RATE)


def by_torch_save(model: Any) -> Any:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@engines
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model)), by_torch_save]
)
def test_a_copy_trains_on_by_itself(
    engine: str, layers: int, copied: Callable[[Any], Any], tiny: Settings, corpus: Corpus
) -> None:
    model = model_of(engine, tiny, layers)
    text = TextState(replicate(corpus.train, 4))
    for _ in range(2):
        model.fp(text)
        model.bp(text, RATE)
    other = copied(model)
    assert other.norm_dw == model.norm_dw
    torch.testing.assert_close(other.err, model.err.detach(), rtol=0, atol=0)
    before = [p.detach().clone() for p in model.core_network.parameters()]
    its_text = TextState(text.data, text.pos)
    losses = []
    for _ in range(3):
        losses.append(other.fp(its_text))
        other.bp(its_text, RATE)
    after = list(model.core_network.parameters())
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))
    for loss in losses:
        assert model.fp(text) == pytest.approx(loss, rel=1e-12)
        model.bp(text, RATE)
    for a, b in zip(model.core_network.parameters(), other.core_network.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


def test_a_queue_captures_a_changed_network_anew(tiny: Settings, corpus: Corpus) -> None:
    # On the CPU every step calls the computation; a step captured before the change would not.
    model = model_of("fast", tiny)
    queue = DeviceQueue(model, model._sgd)  # type: ignore[attr-defined]
    text = TextState(replicate(corpus.train, 4))
    list(queue.run(text, RATE, 1))
    captured = queue._step
    list(queue.run(text, RATE, 1))
    assert queue._step is captured
    tie(model.core_network)
    list(queue.run(text, RATE, 1))
    assert queue._step is not captured


@engines
def test_a_layer_that_updates_itself_is_refused(engine: str, tiny: Settings) -> None:
    network = create_network(tiny)
    network.h2y.updateParameters = lambda rate: None
    with pytest.raises(nngraph.GraphError, match=r"h2y, nn.Linear, has its own updateParameters"):
        make_model(engine, network, tiny)
