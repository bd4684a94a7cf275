"""`zaremba diagram unrolled --trace`: what a trained network does while it reads a sentence."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from zaremba_port import Corpus, Predictor, RunFolder, UserError, train
from zaremba_port.assignment.diagrams import trace_sentence, walk_page
from zaremba_port.cli.main import main

WORDS = ["the", "cat", "sat"]


@pytest.fixture
def run(new_run: Callable[..., RunFolder], corpus: Corpus) -> RunFolder:
    run = new_run("run", dropout=0.5)
    train(run, corpus, max_steps=30, log=lambda line: None)
    return run


def test_losses_and_predictions_are_those_of_the_predictor(run: RunFolder) -> None:
    trace = trace_sentence(run, WORDS)
    predictor = Predictor(run)
    log_p = predictor.first()
    for step, word in zip(trace.steps, WORDS, strict=True):
        assert step.target == word
        assert step.loss == pytest.approx(-float(log_p[run.vocabulary.index[word]]), rel=1e-4)
        assert step.likeliest[0][1] == pytest.approx(float(log_p.max().exp()), rel=1e-4)
        log_p = predictor.read(run.vocabulary.index[word])
    assert [step.word for step in trace.steps] == ["<eos>", "the", "cat"]


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_gradients_are_those_of_all_losses(
    new_run: Callable[..., RunFolder], corpus: Corpus, cell: str
) -> None:
    run = new_run(cell, cell=cell)
    train(run, corpus, max_steps=10, log=lambda line: None)
    trace = trace_sentence(run, WORDS)
    ids = run.vocabulary.encode(["<eos>", *WORDS])
    parts = 2 * (2 if cell == "lstm" else 1)
    start = [torch.zeros(1, run.settings.rnn_size, requires_grad=True) for _ in range(parts)]
    state, total = start, torch.zeros(1)
    network = trace.clones[0]
    for t in range(3):  # plain autograd through the same network
        err, state, _ = network([ids[t : t + 1], ids[t + 1 : t + 2], state])
        total = total + err
    expected = torch.autograd.grad(total.sum(), start)
    got = trace.traces[0].gradOutput(trace.clones[0].innode)[2]
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    names = {heat_map.name for heat_map in trace.heat_maps}
    gates = {"in_gate", "forget_gate", "out_gate", "in_transform", "next_c", "next_h"}
    assert names == (
        gates if cell == "lstm" else {"update_gate", "reset_gate", "candidate", "next_h"}
    )
    assert {heat_map.values.shape for heat_map in trace.heat_maps} == {(8, 3)}
    last = [m for m in trace.heat_maps if m.name == "next_h"][-1]
    assert last.gradients.abs().sum() > 0


def test_the_page_holds_every_pixel(run: RunFolder) -> None:
    trace = trace_sentence(run, WORDS)
    page = walk_page(trace)
    pixels = re.findall(r'data-signed="(\w+)" data-pixels="(.*?)"', page)
    assert len(pixels) == 2 * len(trace.heat_maps)
    gate = trace.heat_maps[0]
    assert (gate.layer, gate.name, pixels[0][0]) == ("lstm 1", "in_gate", "false")
    drawn = torch.tensor(list(base64.b64decode(pixels[0][1]))).view(8, 3) / 255
    torch.testing.assert_close(drawn, gate.values.cpu(), atol=0.003, rtol=0)
    assert "srcdoc=" in page
    assert not re.search(r"https?:|<script src", page)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cell", "--trace", "run", "the cat"], "--trace is for unrolled, not for cell"),
        (["unrolled", "--trace", "run"], "--trace takes a run and a text"),
        (["unrolled", "--trace", "nowhere", "the cat"], "nowhere is not a run folder"),
        (["unrolled", "--trace", "run", "the dgo"], "(word 2, line 1)"),
        (["unrolled", "--steps", "2", "--trace", "run", "the"], "leave --steps out"),
        (["unrolled", "--rnn-size", "2", "--trace", "run", "the"], "leave --rnn-size out"),
        (["unrolled", "-o", "a.svg", "--trace", "run", "the"], "-o a.html, not .svg"),
        (["--trace", "run", "the " * 31], "at most 30 words"),
    ],
)
def test_mistakes(
    run: RunFolder,
    arguments: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(run.path.parent)
    assert main(["diagram", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_the_command(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["diagram", "--trace", str(run.path), "the cat", "sat"]) == 0
    page = (tmp_path / "diagram-unrolled.html").read_text(encoding="utf-8")
    assert "<title>&lt;eos&gt; the cat sat</title>" in page
    with pytest.raises(UserError, match="no such folder"):
        RunFolder.open("nowhere")
