"""Attributes, methods and hooks that are set under a running engine, by sums that are known."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pygraph_nn import nn
from zaremba_port import Corpus, Settings, create_network
from zaremba_port.config import ENGINES
from zaremba_port.engines import make_model, start_generators
from zaremba_port.evaluate import run_valid
from zaremba_port.language_model import LanguageModel, TextState
from zaremba_port.text import replicate

STEPS = 3  # training steps before the change, and after it
engines = pytest.mark.parametrize("engine", ENGINES)


class Summed(nn.Module):
    """Passes its input on; adds `amount` to the buffer `total` at every call in training."""

    total: torch.Tensor

    def __init__(self, has_scratch: bool = False) -> None:
        super().__init__()
        self.amount = 1.0
        self.register_buffer("total", torch.zeros(()))
        if has_scratch:
            self.register_buffer("scratch", torch.zeros(()), persistent=False)

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.total = self.total + self.amount
        return input


def summed(x: Any, prev_h: Any, *, input_size: int, rnn_size: int, scratch: bool = False) -> Any:
    i2h = nn.Linear(input_size, rnn_size)(x)
    h2h = nn.Linear(rnn_size, rnn_size)(prev_h)
    return (nn.Tanh()(Summed(scratch)(nn.CAddTable()([i2h, h2h]))),)


def summed_beside_scratch(x: Any, prev_h: Any, *, input_size: int, rnn_size: int) -> Any:
    return summed(x, prev_h, input_size=input_size, rnn_size=rnn_size, scratch=True)


def model_of(engine: str, tiny: Settings, cell: Any = summed) -> LanguageModel:
    start_generators(1)
    settings = tiny.with_changes({"layers": 1})
    return make_model(engine, create_network(settings, cell=cell), settings, cell)


def layer_of(model: LanguageModel) -> Summed:
    return next(m for m in model.core_network.modules() if isinstance(m, Summed))


def train_steps(model: LanguageModel, text: TextState, steps: int = STEPS) -> None:
    for _ in range(steps):
        model.fp(text)
        model.bp(text, 0.1)


def text_of(corpus: Corpus, tiny: Settings) -> TextState:
    return TextState(replicate(corpus.train, tiny.batch_size))


def set_amount(model: LanguageModel) -> None:
    layer_of(model).amount = 10.0


def set_method(model: LanguageModel) -> None:
    layer = layer_of(model)

    def update_output(input: torch.Tensor) -> torch.Tensor:
        layer.total.add_(10.0 * layer.training)
        return input

    layer.updateOutput = update_output  # type: ignore[method-assign]


def set_hook(model: LanguageModel) -> None:
    layer = layer_of(model)

    def add_nine(module: Any, inputs: Any, output: Any) -> None:
        module.total.add_(9.0 * module.training)

    layer.register_forward_hook(add_nine)


@engines
@pytest.mark.parametrize("validates_first", [False, True])
@pytest.mark.parametrize("change", [set_amount, set_method, set_hook])
def test_what_is_set_later_takes_effect(
    tiny: Settings, corpus: Corpus, engine: str, change: Any, validates_first: bool
) -> None:
    model, text = model_of(engine, tiny), text_of(corpus, tiny)
    train_steps(model, text)
    change(model)
    if validates_first:
        run_valid(model, text_of(corpus, tiny))
    train_steps(model, text)
    assert layer_of(model).total.item() == tiny.seq_length * STEPS * (1 + 10)


@engines
def test_a_layer_in_evaluation_mode_stays_in_it(
    tiny: Settings, corpus: Corpus, engine: str
) -> None:
    model, text = model_of(engine, tiny), text_of(corpus, tiny)
    train_steps(model, text)
    layer_of(model).evaluate()
    train_steps(model, text)
    assert layer_of(model).total.item() == tiny.seq_length * STEPS


def tie(model: LanguageModel) -> None:
    first, second = (m for m in model.core_network.modules() if type(m) is nn.Linear
                     and m.weight.shape[0] == m.weight.shape[1])  # fmt: skip
    second.weight = first.weight


def replace(model: LanguageModel) -> None:
    model.core_network.replace(lambda m: nn.Sigmoid() if isinstance(m, nn.Tanh) else m)


@engines
@pytest.mark.parametrize("change", [tie, replace])
@pytest.mark.parametrize("cell", [summed, summed_beside_scratch])
def test_buffers_go_on_after_a_change(
    tiny: Settings, corpus: Corpus, engine: str, change: Any, cell: Any
) -> None:
    model, text = model_of(engine, tiny, cell), text_of(corpus, tiny)
    train_steps(model, text)
    change(model)
    train_steps(model, text)
    assert layer_of(model).total.item() == tiny.seq_length * STEPS * 2


def test_the_network_is_unrolled_anew_after_changes_only(tiny: Settings, corpus: Corpus) -> None:
    model, text = model_of("graph", tiny), text_of(corpus, tiny)
    clones = model.rnns
    train_steps(model, text)
    run_valid(model, text_of(corpus, tiny))
    train_steps(model, text)
    assert model.rnns is clones
    set_amount(model)
    train_steps(model, text)
    assert model.rnns is not clones
