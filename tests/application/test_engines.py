"""The fast engine against the graph engine: the same losses, gradients, evaluations and runs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import PTB, needs_bfloat16, needs_ptb

import pygraph_nn as nngraph
from pygraph_nn import nested, nn
from zaremba_port import Corpus, RunFolder, Settings, UserError, create_network, train
from zaremba_port.cli.main import main
from zaremba_port.config import ENGINES
from zaremba_port.engines import FastModel, check_precision, fast, make_model, start_generators
from zaremba_port.engines.device_queue import DeviceQueue
from zaremba_port.evaluate import run_test, run_valid
from zaremba_port.language_model import (
    Diverged,
    LanguageModel,
    TextState,
    has_diverged,
    shrink_factor,
)
from zaremba_port.text import replicate, sequential
from zaremba_port.train import train_steps
from zaremba_port.unrolled import Model

NewRun = Callable[..., RunFolder]


def quiet(line: str) -> None:
    pass


def both(settings: Settings, cell: Any = None) -> list[Any]:
    """The two engines on networks with the same parameters."""
    models = []
    for engine in ("graph", "fast"):
        start_generators(settings.seed)
        network = create_network(settings, cell=cell)
        models.append(make_model(engine, network, settings, cell))
    return models


def assert_same_training(
    settings: Settings, ids: torch.Tensor, steps: int, cell: Any = None
) -> None:
    models = both(settings, cell)
    texts = [TextState(replicate(ids, settings.batch_size)) for _ in models]
    for _ in range(steps):
        losses = [model.fp(text) for model, text in zip(models, texts, strict=True)]
        for model, text in zip(models, texts, strict=True):
            model.bp(text, 1.0)
        assert losses[1] == pytest.approx(losses[0], rel=1e-11)
        assert models[1].norm_dw == pytest.approx(models[0].norm_dw, rel=1e-11)
        assert texts[0].pos == texts[1].pos
    torch.testing.assert_close(models[1].err, models[0].err, rtol=1e-11, atol=0)
    torch.testing.assert_close(models[1].start_s, models[0].start_s, rtol=1e-11, atol=1e-14)
    graph, fast = (dict(model.core_network.named_parameters()) for model in models)
    assert list(graph) == list(fast)
    for name, parameter in graph.items():
        torch.testing.assert_close(fast[name], parameter, rtol=1e-11, atol=1e-12)


def rnn(
    x: nngraph.Node, prev_h: nngraph.Node, *, input_size: int, rnn_size: int
) -> tuple[nngraph.Node]:
    sum_ = nn.CAddTable()(
        [nn.Linear(input_size, rnn_size)(x), nn.Linear(rnn_size, rnn_size)(prev_h)]
    )
    return (nn.Tanh()(sum_),)


@pytest.mark.parametrize(
    ("changes", "cell"),
    [
        ({}, None),
        ({"layers": 1, "embedding_size": 5}, None),
        ({"max_grad_norm": 0.01, "batch_size": 1}, None),
        ({"seq_length": 1}, None),
        ({"cell": "gru"}, None),
        ({"layers": 1}, rnn),
    ],
)
def test_ten_steps_agree(
    tiny: Settings, corpus: Corpus, changes: dict[str, Any], cell: Any
) -> None:
    settings = tiny.with_changes({"dtype": "float64", **changes})
    assert_same_training(settings, corpus.train, 10, cell)


def test_a_text_that_ends_is_started_anew(tiny: Settings, corpus: Corpus) -> None:
    settings = tiny.with_changes({"dtype": "float64"})
    assert_same_training(settings, corpus.train[:100], 10)


@needs_ptb
def test_ten_steps_agree_on_the_treebank() -> None:
    words = (PTB / "ptb.valid.txt").read_text(encoding="utf-8").replace("\n", "<eos>").split()
    index: dict[str, int] = {}
    ids = torch.tensor([index.setdefault(word, len(index)) for word in words])
    assert_same_training(Settings(rnn_size=40, dtype="float64"), ids, 10)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_evaluations_agree(tiny: Settings, corpus: Corpus, dropout: float) -> None:
    models = both(tiny.with_changes({"dtype": "float64", "dropout": dropout}))
    batched = [run_valid(m, TextState(replicate(corpus.valid, 4))) for m in models]
    assert batched[1] == pytest.approx(batched[0], rel=1e-12)
    # 160 words are read in chunks of 20, and a rest.
    one_by_one = [run_test(m, TextState(sequential(corpus.test[:151]))) for m in models]
    assert one_by_one[1] == pytest.approx(one_by_one[0], rel=1e-12)
    assert all(model.core_network.training for model in models)


@pytest.mark.parametrize(("first", "second"), [("fast", "graph"), ("graph", "fast")])
def test_a_run_goes_on_with_the_other_engine(
    new_run: NewRun, corpus: Corpus, first: str, second: str
) -> None:
    whole = new_run("whole", dtype="float64", lr=0.1)
    train(whole, corpus, log=quiet, max_steps=130, engine="graph")
    mixed = new_run("mixed", dtype="float64", lr=0.1)
    train(mixed, corpus, log=quiet, max_steps=60, engine=first)
    train(RunFolder.open(mixed.path), corpus, log=quiet, max_steps=130, resume=True, engine=second)
    a, b = whole.load_last(), mixed.load_last()
    assert list(a.parameters) == list(b.parameters)
    for name, parameter in a.parameters.items():
        torch.testing.assert_close(b.parameters[name], parameter, rtol=1e-8, atol=1e-10)
    assert b.progress.best == pytest.approx(a.progress.best, rel=1e-9)


def test_the_engine_defines_no_run(new_run: NewRun, corpus: Corpus) -> None:
    run = new_run("r")
    train(run, corpus, log=quiet, max_steps=2, engine="graph")
    assert "engine" not in (run.path / "settings.json").read_text()
    assert ENGINES == ("fast", "graph")


def test_which_engine_runs(tiny: Settings) -> None:
    network = create_network(tiny)
    assert type(make_model(None, network, tiny)) is FastModel
    reference = tiny.with_changes({"reference": True})
    assert type(make_model(None, create_network(tiny), reference)) is Model
    with pytest.raises(UserError, match="takes --engine graph"):
        make_model("fast", create_network(tiny), reference)
    with pytest.raises(UserError, match="must be one of fast, graph"):
        make_model("quick", create_network(tiny), tiny)


def test_the_command_line(
    text_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(tmp_path / "run")
    small = ["--vocab_size", "20", "--rnn_size", "8", "--batch_size", "4", "--seq_length", "5"]
    text = ["--data", str(text_folder)]
    assert main(["train", run, *text, *small, "--engine", "graph", "--max-steps", "5"]) == 0
    assert main(["train", "--resume", run, "--max-steps", "9"]) == 0
    capsys.readouterr()
    shown = []
    for engine in ENGINES:
        assert main(["evaluate", run, "--engine", engine, "--mode", "both"]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert main(["train", str(tmp_path / "r"), *text, "--reference", "--engine", "fast"]) == 2
    assert "takes --engine graph" in capsys.readouterr().err


def test_products_are_as_exact_as_float32(tiny: Settings, corpus: Corpus) -> None:
    """Whatever library makes the products, an evaluation is that of double precision, nearly."""
    settings = tiny.with_changes({"rnn_size": 64})
    losses = []
    for dtype in ("float32", "float64"):
        start_generators(1)
        changed = settings.with_changes({"dtype": dtype})
        model = make_model("fast", create_network(changed), changed)
        losses.append(run_valid(model, TextState(replicate(corpus.valid, 4))))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert torch.get_float32_matmul_precision() == "highest"


def test_the_rules_of_a_step_are_the_same_for_numbers_and_tensors() -> None:
    values = [0.0, 1e-300, 0.3, 5.0, 5.0000001, 1e300, math.inf, math.nan]
    for norm in values:
        tensor = torch.tensor(norm, dtype=torch.float64)
        for loss in values:
            failed = has_diverged(loss, norm)
            assert failed == (math.isinf(loss + norm) or math.isnan(loss + norm))
            on_device = has_diverged(torch.tensor(loss, dtype=torch.float64), tensor)
            assert on_device.item() == failed
        if math.isfinite(norm):
            factor = shrink_factor(norm, 5.0)
            assert factor * norm == pytest.approx(min(norm, 5.0))
            assert factor == (1.0 if norm <= 5.0 else pytest.approx(5.0 / norm))
            assert shrink_factor(tensor, 5.0).item() == factor


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("at_fault", ["loss", "gradient"])
def test_a_diverging_step_changes_nothing(
    tiny: Settings, corpus: Corpus, engine: str, at_fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model(engine, create_network(tiny), tiny)
    text = TextState(replicate(corpus.train, tiny.batch_size))
    model.fp(text)
    model.bp(text, 0.1)
    before, state, pos = model.paramx.clone(), nested.clone(model.start_s), text.pos
    if at_fault == "loss":  # infinite, where the gradient is finite
        monkeypatch.setattr(model, "mean_loss", lambda: torch.tensor(math.inf))
    else:
        monkeypatch.setattr(model, "gradient_norm", lambda: torch.tensor(math.nan))
    model.fp(text)
    assert text.pos == pos + tiny.seq_length
    with pytest.raises(Diverged, match="loss is inf" if at_fault == "loss" else "norm is nan"):
        model.bp(text, 0.1)
    assert torch.equal(model.paramx, before)
    assert text.pos == pos
    for a, b in zip(model.start_s, state, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("engine", ENGINES)
def test_reading_words_leaves_autograd_on(tiny: Settings, corpus: Corpus, engine: str) -> None:
    model = make_model(engine, create_network(tiny), tiny)
    steps = 0
    for losses, state in model.read_words(sequential(corpus.test)):
        assert torch.is_grad_enabled()
        assert not losses.requires_grad
        assert [tuple(s.shape) for s in state] == [(1, tiny.rnn_size)] * 4
        steps += len(losses)
    assert steps == len(corpus.test) - 1


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queue training steps as on a CUDA device; only the CUDA graph is missing here."""
    monkeypatch.setattr(fast, "queues_steps", lambda device: True)


def queue_of(model: LanguageModel) -> DeviceQueue:
    assert isinstance(model.queue, DeviceQueue)
    return model.queue


def test_the_step_of_a_device_is_the_same_step(
    tiny: Settings, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny.with_changes({"dtype": "float64", "dropout": 0.3, "max_grad_norm": 0.5})
    results = []
    for on_device in (False, True):
        monkeypatch.setattr(fast, "queues_steps", lambda device, answer=on_device: answer)
        start_generators(1)
        model = FastModel(create_network(settings), settings)
        text = TextState(replicate(corpus.train[:200], settings.batch_size))
        steps: list[tuple[float, float]] = []
        for lr, until in ((0.5, 8), (0.5, 10), (0.25, 20)):
            while len(steps) < until:
                steps += train_steps(model, text, lr, at_most=until - len(steps))
        assert any(norm > settings.max_grad_norm for _, norm in steps)
        results.append((steps, model.norm_dw, text.pos, model.err, model.start_s, model.paramx))
    torch.testing.assert_close(results[1], results[0], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_nothing_waits_for_the_device(
    tiny: Settings, queued: None, cell: str, precision: str
) -> None:
    """On a device without values, whoever asks for one fails."""
    settings = tiny.with_changes({"dropout": 0.3, "cell": cell})
    model = FastModel(create_network(settings).to("meta"), settings, precision=precision)
    words = torch.zeros(40, settings.batch_size, dtype=torch.long, device="meta")
    text = TextState(words)
    for _ in range(9):
        queue_of(model).start(text, 1.0)
    assert text.pos == 10
    with pytest.raises((NotImplementedError, RuntimeError), match="meta"):
        queue_of(model).collect()


def test_a_run_ahead_is_the_same_run(
    new_run: NewRun, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    for on_device in (False, True):
        monkeypatch.setattr(fast, "queues_steps", lambda device, answer=on_device: answer)
        run = new_run(f"ahead {on_device}", dtype="float64", dropout=0.2, max_max_epoch=2)
        log: list[str] = []
        progress = train(run, corpus, log=log.append)
        log = [re.sub("wps = [0-9]+", "", line) for line in log]
        runs.append((log, progress.best, progress.test, run.load_last()))
    assert runs[1][0] == runs[0][0]
    assert runs[1][1:3] == pytest.approx(runs[0][1:3], rel=1e-10)
    for name, parameter in runs[0][3].parameters.items():
        torch.testing.assert_close(runs[1][3].parameters[name], parameter, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(runs[1][3].buffers["perps"], runs[0][3].buffers["perps"])


def test_a_step_that_diverges_changes_nothing_on_a_device(
    tiny: Settings, corpus: Corpus, queued: None
) -> None:
    model = FastModel(create_network(tiny), tiny)
    text = TextState(replicate(corpus.train, tiny.batch_size))
    queue = queue_of(model)
    queue.start(text, 0.1)
    before = model.paramx.clone()
    queue.start(text, 0.1)
    assert not torch.equal(model.paramx, before)
    state = nested.clone(model.start_s)
    before = model.paramx.clone()
    model.start_s[0][0, 0] = torch.nan
    state[0][0, 0] = torch.nan
    for _ in range(2):
        queue.start(text, 0.1)
    (_, good), (_, bad) = queue.collect()[1:3]
    assert math.isfinite(good)
    assert math.isnan(bad)
    assert torch.equal(model.paramx, before)
    for a, b in zip(model.s[0], state, strict=True):
        assert torch.equal(a.nan_to_num(7), b.nan_to_num(7))


@pytest.mark.parametrize("engine", [*ENGINES, "fast, queued"])
def test_training_yields_the_steps_before_one_that_diverges(
    tiny: Settings, corpus: Corpus, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then everything is as that step found it."""
    monkeypatch.setattr(fast, "queues_steps", lambda device: engine == "fast, queued")
    start_generators(1)
    model = make_model(engine.partition(",")[0], create_network(tiny), tiny)
    text = TextState(replicate(corpus.train, tiny.batch_size))
    steps: list[tuple[float, float]] = []

    def train_on() -> None:
        while True:
            for step in train_steps(model, text, 1e38, at_most=20):
                steps.append(step)  # one by one: what came before the failure counts

    with pytest.raises(Diverged) as failure:
        train_on()
    assert steps
    assert all(math.isfinite(loss) and math.isfinite(norm) for loss, norm in steps)
    assert has_diverged(failure.value.loss, failure.value.norm)
    assert text.pos == len(steps) * tiny.seq_length
    assert all(torch.isfinite(start).all() for start in model.start_s)
    assert torch.isfinite(model.paramx).all()


def test_a_queue_has_a_capacity(tiny: Settings, corpus: Corpus, queued: None) -> None:
    model = FastModel(create_network(tiny), tiny)
    text = TextState(replicate(corpus.train, tiny.batch_size))
    queue = queue_of(model)
    for _ in range(queue.capacity):
        queue.start(text, 0.1)
    with pytest.raises(RuntimeError, match=r"call collect\(\) first"):
        queue.start(text, 0.1)
    assert len(queue.collect()) == queue.capacity
    assert queue.collect() == []
    assert len(list(queue.run(text, 0.1, at_most=1000))) == queue.capacity


@needs_bfloat16()
def test_precisions(tiny: Settings, corpus: Corpus) -> None:
    settings = tiny.with_changes({"rnn_size": 32})
    norms = {}
    for precision in ("float32", "bfloat16"):
        start_generators(1)
        model = make_model("fast", create_network(settings), settings, precision=precision)
        text = TextState(replicate(corpus.train, settings.batch_size))
        for _ in range(3):
            model.fp(text)
            model.bp(text, 0.1)
        norms[precision] = model.norm_dw
    assert norms["bfloat16"] == pytest.approx(norms["float32"], rel=0.02)
    assert norms["bfloat16"] != pytest.approx(norms["float32"], rel=1e-5)
    for precision, engine, message in (
        ("tf32", "fast", "needs a CUDA device"),
        ("bfloat16", "graph", "needs the fast engine"),
        ("float8", "fast", "must be one of float32, tf32, bfloat16"),
    ):
        with pytest.raises(UserError, match=message):
            make_model(engine, create_network(settings), settings, precision=precision)


def test_bfloat16_on_a_processor_without_it(
    tiny: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused with the reason, instead of training more slowly than in float32."""
    reason = "this processor has no AVX512-BF16"
    monkeypatch.setattr(nngraph, "bfloat16_unavailable", lambda: reason)
    with pytest.raises(UserError, match=rf"or a CUDA device: {reason}\. Use --precision float32"):
        make_model("fast", create_network(tiny), tiny, precision="bfloat16")
    on_device = torch.device("cuda")
    check_precision("bfloat16", "fast", tiny.with_changes({"dtype": "float32"}), on_device)
