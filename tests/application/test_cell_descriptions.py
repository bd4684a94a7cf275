"""Cells whose graph depends on the layer, that keep a state of their own, or freeze parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import pygraph_nn as nngraph
from pygraph_nn import nn
from zaremba_port import Corpus, RunFolder, Settings, UserError, load_model, train
from zaremba_port.config import ENGINES

NewRun = Callable[..., RunFolder]


def quiet(line: str) -> None:
    pass


def residual(scale: float) -> Any:
    """An Elman cell that adds its input where the sizes allow it: `scale` times."""

    def cell(x: Any, prev_h: Any, *, input_size: int, rnn_size: int) -> Any:
        i2h = nn.Linear(input_size, rnn_size)(x)
        next_h = nn.Tanh()(nn.CAddTable()([i2h, nn.Linear(rnn_size, rnn_size)(prev_h)]))
        if input_size == rnn_size:
            add = nngraph.function(lambda a, b: a + scale * b, name="add")
            next_h = add([next_h, x])
        return (next_h,)

    return cell


@pytest.mark.parametrize("embedding_size", [5, 8])
def test_what_a_cell_computes_in_later_layers_counts(
    new_run: NewRun, corpus: Corpus, embedding_size: int
) -> None:
    run = new_run("run", layers=2, embedding_size=embedding_size)
    train(run, corpus, cell=residual(1.0), max_steps=2, log=quiet)
    load_model(run, cell=residual(1.0), which="last")
    with pytest.raises(UserError, match="it has changed: its graph is the same, but its functions"):
        load_model(run, cell=residual(0.0), which="last")


class Counter(nn.Module):
    """Multiplies by the number of its calls, kept in an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0.0

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.calls += 1.0
        return input * self.calls


class Memory(torch.nn.Module):
    """Adds its last output, kept in a plain attribute or in a buffer that is not saved."""

    last: torch.Tensor

    def __init__(self, how: str) -> None:
        super().__init__()
        if how == "attribute":
            self.last = torch.zeros(())
        else:
            self.register_buffer("last", torch.zeros(()), persistent=how == "saved")

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        output = input + self.last
        self.last = output.detach().mean()
        return output


def generator_of_its_own() -> Any:
    generator = torch.Generator()
    return nngraph.function(lambda a: a + torch.rand(a.shape, generator=generator, dtype=a.dtype))


def cell_with(make: Callable[[], Any]) -> Any:
    def cell(x: Any, prev_h: Any, *, input_size: int, rnn_size: int) -> Any:
        sum = nn.CAddTable()([nn.Linear(input_size, rnn_size)(x), prev_h])
        return (nn.Tanh()(make()(sum)),)

    return cell


@pytest.mark.parametrize(
    "make",
    [
        Counter,
        lambda: nngraph.module(Memory("attribute")),
        lambda: nngraph.module(Memory("scratch")),
        generator_of_its_own,
    ],
)
def test_a_state_that_would_not_be_saved_is_refused(
    new_run: NewRun, corpus: Corpus, make: Callable[[], Any]
) -> None:
    run = new_run("run")
    with pytest.raises(UserError, match="it keeps a state that runs do not save") as refusal:
        train(run, corpus, cell=cell_with(make), max_steps=2, log=quiet)
    assert "\n" not in str(refusal.value)
    run.check_untrained()


def drawing() -> Any:
    return nngraph.function(lambda a: a + torch.rand_like(a))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("make", [lambda: nngraph.module(Memory("saved")), drawing])
def test_a_state_in_buffers_or_in_pytorch_s_generator_resumes_exactly(
    new_run: NewRun, corpus: Corpus, make: Callable[[], Any], engine: str
) -> None:
    cell = cell_with(make)
    whole, parts = new_run("whole"), new_run("parts")
    train(whole, corpus, cell=cell, max_steps=8, log=quiet, engine=engine)
    train(parts, corpus, cell=cell, max_steps=3, log=quiet, engine=engine)
    train(parts, corpus, cell=cell, max_steps=8, log=quiet, engine=engine, resume=True)
    expected, got = whole.load_last().network, parts.load_last().network
    assert expected.keys() == got.keys()
    assert all(torch.equal(got[name], value) for name, value in expected.items())


def identity_rnn(x: Any, prev_h: Any, *, input_size: int, rnn_size: int) -> Any:
    """A cell whose recurrent weight is the identity, frozen (Le et al. 2015 start from it)."""
    h2h = nn.Linear(rnn_size, rnn_size)
    h2h.weight.data.copy_(torch.eye(rnn_size))
    h2h.weight.requires_grad_(False)
    i2h = nn.Linear(input_size, rnn_size)(x)
    next_h = nn.ReLU()(nn.CAddTable()([i2h, h2h(prev_h).annotate(name="h2h")]))
    return (next_h,)


@pytest.mark.parametrize("engine", ENGINES)
def test_frozen_parameters_keep_the_values_of_the_cell(
    new_run: NewRun, corpus: Corpus, tiny: Settings, engine: str
) -> None:
    run = new_run("run")
    train(run, corpus, cell=identity_rnn, max_steps=3, log=quiet, engine=engine)
    parameters = run.load_last().parameters
    weights = [p for name, p in parameters.items() if name.endswith("h2h.weight")]
    assert len(weights) == tiny.layers
    assert all(torch.equal(w, torch.eye(tiny.rnn_size)) for w in weights)
