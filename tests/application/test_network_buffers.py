"""Buffers are state: both engines update them alike, and checkpoints and evaluation carry them."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers import as_version_0_1
from safetensors.torch import load_file, save_file

import pygraph_nn as nngraph
from pygraph_nn import nn
from zaremba_port import (
    Corpus,
    Predictor,
    RunFolder,
    Settings,
    UserError,
    create_network,
    load_model,
    train,
)
from zaremba_port.config import ENGINES
from zaremba_port.engines import FastModel, fast, make_model, start_generators
from zaremba_port.evaluate import run_test, run_valid
from zaremba_port.language_model import Diverged, LanguageModel, TextState
from zaremba_port.text import replicate, sequential

NewRun = Callable[..., RunFolder]


def quiet(line: str) -> None:
    pass


def normalized(x: Any, prev_h: Any, *, input_size: int, rnn_size: int) -> Any:
    """An Elman cell that normalizes both products over the batch, outside and inside the loop."""
    i2h = nn.BatchNormalization(rnn_size)(nn.Linear(input_size, rnn_size)(x))
    h2h = nn.BatchNormalization(rnn_size)(nn.Linear(rnn_size, rnn_size)(prev_h))
    next_h = nn.Tanh()(nn.CAddTable()([i2h, h2h]))
    nngraph.annotateNodes()
    return (next_h,)


def one_norm(x: Any, prev_h: Any, *, input_size: int, rnn_size: int) -> Any:
    """One normalization in two places: outside the loop and inside it."""
    norm = nn.BatchNormalization(rnn_size)
    i2h = norm(nn.Linear(input_size, rnn_size)(x))
    h2h = norm(nn.Linear(rnn_size, rnn_size)(prev_h))
    next_h = nn.Tanh()(nn.CAddTable()([i2h, h2h]))
    nngraph.annotateNodes()
    return (next_h,)


def torch_norm(x: Any, prev_h: Any, *, input_size: int, rnn_size: int) -> Any:
    """PyTorch's own layer, which also counts its batches."""
    norm = nngraph.module(torch.nn.BatchNorm1d(rnn_size))
    i2h = norm(nn.Linear(input_size, rnn_size)(x))
    next_h = nn.Tanh()(nn.CAddTable()([i2h, nn.Linear(rnn_size, rnn_size)(prev_h)]))
    nngraph.annotateNodes()
    return (next_h,)


CELLS = [normalized, one_norm, torch_norm]


@pytest.fixture
def double(tiny: Settings) -> Settings:
    return tiny.with_changes({"dtype": "float64", "lr": 0.5, "max_max_epoch": 2, "layers": 1})


def by_hand(settings: Settings, ids: torch.Tensor, steps: int) -> dict[str, torch.Tensor]:
    """Train with the cell `normalized` in plain PyTorch; return parameters and statistics by name.

    One module for each layer of the network runs T times, as a PyTorch program writes it.
    """
    start_generators(settings.seed)
    network = create_network(settings, cell=normalized)
    values: dict[str, Any] = {}
    for name, parameter in network.named_parameters():
        values[name] = torch.nn.Parameter(parameter.detach().clone())
    p = {name.removeprefix("normalized_1_"): value for name, value in values.items()}
    linears = [v for name, v in values.items() if name.split(".")[0].isdigit()]
    (w_x, b_x), (w_h, b_h) = linears[:2], linears[2:]
    norms = {}
    for name in ("i2h", "h2h"):
        norm = torch.nn.BatchNorm1d(settings.rnn_size, dtype=torch.float64)
        norm.weight, norm.bias = p[f"{name}.weight"], p[f"{name}.bias"]
        norms[name] = norm
    text = TextState(replicate(ids, settings.batch_size))
    h = torch.zeros(settings.batch_size, settings.rnn_size, dtype=torch.float64)
    for _ in range(steps):
        words = text.rows(text.pos, settings.seq_length)
        text.pos += settings.seq_length
        loss = torch.zeros((), dtype=torch.float64)
        h = h.detach()
        for x, y in itertools.pairwise(words):
            a = F.linear(p["embedding.weight"][x], w_x, b_x)
            b = F.linear(h, w_h, b_h)
            h = torch.tanh(norms["i2h"](a) + norms["h2h"](b))
            loss = loss + F.cross_entropy(F.linear(h, p["h2y.weight"], p["h2y.bias"]), y)
        grads = torch.autograd.grad(loss, list(values.values()))
        norm_dw = math.sqrt(sum(float(g.pow(2).sum()) for g in grads))
        rate = settings.lr * min(1, settings.max_grad_norm / norm_dw)
        with torch.no_grad():
            for value, gradient in zip(values.values(), grads, strict=True):
                value.sub_(rate * gradient)
    for name, norm in norms.items():
        for statistic in ("running_mean", "running_var"):
            values[f"normalized_1_{name}.{statistic}"] = norm.get_buffer(statistic)
    return {name: value.detach() for name, value in values.items()}


def trained(engine: str, settings: Settings, cell: Any, ids: torch.Tensor, steps: int) -> Any:
    start_generators(settings.seed)
    model = make_model(engine, create_network(settings, cell=cell), settings, cell)
    text = TextState(replicate(ids, settings.batch_size))
    for _ in range(steps):
        model.fp(text)
        model.bp(text, settings.lr)
    return model


def tensors(model: LanguageModel) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.core_network.state_dict().items()}


@pytest.mark.parametrize("engine", ENGINES)
def test_statistics_are_those_of_a_loop_in_pytorch(
    double: Settings, corpus: Corpus, engine: str
) -> None:
    expected = by_hand(double, corpus.train, 7)
    got = tensors(trained(engine, double, normalized, corpus.train, 7))
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value, rtol=0, atol=1e-12, msg=name)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_both_engines_update_them_alike(
    double: Settings, corpus: Corpus, cell: Any, layers: int
) -> None:
    settings = double.with_changes({"layers": layers})
    a, b = (trained(engine, settings, cell, corpus.train, 3) for engine in ENGINES)
    assert any("running_mean" in name for name in tensors(a))
    for name, value in tensors(a).items():
        torch.testing.assert_close(tensors(b)[name], value, rtol=0, atol=1e-12, msg=name)
    ids = TextState(sequential(corpus.test))
    assert run_test(a, ids) == pytest.approx(run_test(b, ids), rel=1e-10)
    text = TextState(replicate(corpus.valid, settings.batch_size))
    assert run_valid(a, text) == pytest.approx(run_valid(b, text), rel=1e-10)


@pytest.mark.parametrize("engine", ENGINES)
def test_evaluation_changes_none(double: Settings, corpus: Corpus, engine: str) -> None:
    model = trained(engine, double, normalized, corpus.train, 3)
    before = tensors(model)
    run_test(model, TextState(sequential(corpus.test)))
    run_valid(model, TextState(replicate(corpus.valid, double.batch_size)))
    assert all(torch.equal(value, before[name]) for name, value in tensors(model).items())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("cell", CELLS)
def test_a_reloaded_run_measures_what_training_measured(
    new_run: NewRun, corpus: Corpus, cell: Any, engine: str
) -> None:
    run = new_run("run", dtype="float64", max_max_epoch=1, lr=0.3)
    progress = train(run, corpus, cell=cell, engine=engine, log=quiet)
    for other in ENGINES:
        model = load_model(run.path, "last", cell=cell, engine=other, device="cpu")
        test = run_test(model, TextState(sequential(corpus.test)))
        assert test == pytest.approx(progress.test, rel=1e-10)
        best = load_model(run.path, cell=cell, engine=other, device="cpu")
        valid = run_valid(best, TextState(replicate(corpus.valid, run.settings.batch_size)))
        assert valid == pytest.approx(progress.best, rel=1e-10)
    # One word after the other, as sentences are completed
    predictor, total = Predictor(run.path, "last", cell=cell), 0.0
    predictor.reset()
    ids = corpus.test.tolist()
    for word, following in itertools.pairwise(ids):
        _, predictor.state, pred = predictor.network.forward(
            [torch.tensor([word])] * 2 + [predictor.state]
        )
        total -= float(pred[0, following])
    assert total / (len(ids) - 1) == pytest.approx(progress.test, rel=1e-10)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("cell", CELLS)
def test_a_resumed_run_is_the_same_bit_for_bit(
    new_run: NewRun, corpus: Corpus, cell: Any, engine: str
) -> None:
    whole, parts = new_run("whole", dropout=0.3), new_run("parts", dropout=0.3)
    train(whole, corpus, cell=cell, log=quiet, engine=engine, max_steps=130)
    for last in (50, 130):
        run = RunFolder.open(parts.path)
        train(run, corpus, cell=cell, log=quiet, engine=engine, max_steps=last, resume=last > 50)
    for name in ("step-130", "best"):
        a, b = (load_file(next(run.path.glob(f"{name}*.safetensors"))) for run in (whole, parts))
        assert a.keys() == b.keys()
        assert any("running_var" in key for key in a)
        assert all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("way", [*ENGINES, "fast, queued"])
def test_a_step_that_diverges_leaves_them(
    double: Settings, corpus: Corpus, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast, "queues_steps", lambda device: way == "fast, queued")
    engine = way.partition(",")[0]
    network = create_network(double, cell=normalized)
    model = make_model(engine, network, double, normalized)
    text = TextState(replicate(corpus.train, double.batch_size))

    def step(lr: float) -> None:
        if model.queue is None:
            model.fp(text)
            model.bp(text, lr)
        else:
            assert len(list(model.queue.run(text, lr, 1))) == 1

    step(0.1)
    before = tensors(model)
    step(0.1)
    assert not torch.equal(
        before["normalized_1_h2h.running_mean"],
        model.core_network.get_buffer("normalized_1_h2h.running_mean"),
    )
    before = tensors(model)
    model.start_s[0].fill_(math.inf)
    with pytest.raises(Diverged):
        step(0.1)
    for name, value in tensors(model).items():
        assert torch.equal(value, before[name]), name


def test_a_queue_of_steps_is_the_same_training(
    double: Settings, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = tensors(trained("fast", double, normalized, corpus.train, 6))
    monkeypatch.setattr(fast, "queues_steps", lambda device: True)
    start_generators(double.seed)
    model = FastModel(create_network(double, cell=normalized), double, normalized)
    assert model.queue is not None
    text = TextState(replicate(corpus.train, double.batch_size))
    assert len(list(model.queue.run(text, double.lr, 6))) == 6
    for name, value in expected.items():
        torch.testing.assert_close(tensors(model)[name], value, rtol=0, atol=1e-12, msg=name)


class Count(nn.Module):
    """Counts its calls in a buffer that it assigns anew."""

    calls: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.calls = self.calls + 1
        return input


def counting(x: Any, prev_h: Any, *, input_size: int, rnn_size: int) -> Any:
    i2h = Count()(nn.Linear(input_size, rnn_size)(x))
    next_h = nn.Tanh()(nn.CAddTable()([i2h, nn.Linear(rnn_size, rnn_size)(prev_h)]))
    nngraph.annotateNodes()
    return (next_h,)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_buffer_may_be_assigned_anew(
    new_run: NewRun, corpus: Corpus, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run("run", layers=1)
    for last in (4, 9):
        train(run, corpus, cell=counting, log=quiet, engine=engine, max_steps=last, resume=last > 4)
    saved = run.load_last().network_buffers
    assert {name: float(value) for name, value in saved.items()} == {
        "counting_1_i2h.calls": 9 * run.settings.seq_length
    }
    monkeypatch.setattr(fast, "queues_steps", lambda device: True)
    if engine == "fast":  # a captured step would go on counting from the first number
        with pytest.raises(UserError, match="changed in place"):
            train(new_run("queued"), corpus, cell=counting, log=quiet, engine=engine)


def test_a_run_saved_without_buffers(new_run: NewRun, corpus: Corpus) -> None:
    """It loads if its cell has none, and else is refused: its statistics are lost."""
    run = new_run("run")
    train(run, corpus, cell=normalized, log=quiet, max_steps=3)
    path = as_version_0_1(run.path) / "last.safetensors"
    kept = {k: v for k, v in load_file(path).items() if not k.startswith("network_buffers.")}
    save_file(kept, path, {"progress": json.dumps(vars(run.load_last().progress))})
    with pytest.raises(UserError, match=r"running_mean is only in the network, not saved; before"):
        Predictor(run, cell=normalized)
    plain = new_run("plain")
    train(plain, corpus, log=quiet, max_steps=3)
    names = load_file(next(plain.path.glob("step-3.safetensors")))
    assert not any(name.startswith("network_buffers.") for name in names)


def test_a_buffer_that_is_no_state_is_not_saved(
    new_run: NewRun, corpus: Corpus, tmp_path: Path
) -> None:
    class Scratch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("scratch", torch.zeros(()), persistent=False)

        def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
            return input + self.scratch

    def cell(x: Any, prev_h: Any, *, input_size: int, rnn_size: int) -> Any:
        i2h = Scratch()(nn.Linear(input_size, rnn_size)(x))
        return (nn.Tanh()(nn.CAddTable()([i2h, nn.MulConstant(0.5)(prev_h)])),)

    run = new_run("run")
    train(run, corpus, cell=cell, log=quiet, max_steps=3)
    assert run.load_last().network_buffers == {}
    Predictor(run, cell=cell)
