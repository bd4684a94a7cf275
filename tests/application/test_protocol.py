"""The protocol that predicts characters, over streams."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from zaremba_port import Predictor, RunFolder, load_corpus, train
from zaremba_port.assignment.characters import serve
from zaremba_port.cli.main import main


def answers(predictor: Predictor, sent: str) -> tuple[list[list[float]], str]:
    out, err = io.StringIO(), io.StringIO()
    serve(predictor, io.StringIO(sent), out, err)
    ready, *lines = out.getvalue().splitlines()
    assert ready == "OK GO"
    return [[float(value) for value in line.split(" ")] for line in lines], err.getvalue()


def test_the_protocol_carries_the_state(char_run: RunFolder) -> None:
    predictor = Predictor(char_run)
    given, err = answers(predictor, "t\nh\n_\n<eos>\n")
    assert err == ""
    predictor.reset()
    ids = predictor.vocabulary.encode(["t", "h", "_", "<eos>"]).tolist()
    # All digits: what is printed is the number.
    assert [torch.tensor(row).tolist() for row in given] == [
        predictor.read(i).tolist() for i in ids
    ]
    assert all(abs(sum(map(math.exp, row)) - 1) < 1e-5 for row in given)


def test_an_unknown_token_changes_nothing(char_run: RunFolder) -> None:
    predictor = Predictor(char_run)
    given, err = answers(predictor, "%\nt\nzz\n\nh\n")
    plain, _ = answers(predictor, "t\nh\n")
    assert given[0] == pytest.approx([-math.log(len(predictor.vocabulary))] * len(given[0]))
    assert given[1:] == [plain[0], plain[0], plain[0], plain[1]]
    assert err.splitlines() == [
        f"not in the vocabulary: {token!r}" for token in ("%", "zz", "")
    ]  # fmt: skip


def test_a_network_with_spare_symbols_answers_with_a_distribution(
    characters: Path, new_run: Callable[..., RunFolder]
) -> None:
    corpus = load_corpus(str(characters), log=lambda line: None)
    run = new_run("spare", vocab_size=50)
    run = RunFolder.create(run.path, run.settings, corpus.vocabulary, corpus.name, force=True)
    train(run, corpus, max_steps=1, log=lambda line: None)
    (row,), _ = answers(Predictor(run), "t\n")
    assert len(row) == len(corpus.vocabulary) < 50
    assert sum(map(math.exp, row)) == pytest.approx(1, abs=1e-6)


def test_a_run_on_words_is_refused(
    new_run: Callable[..., RunFolder], capsys: pytest.CaptureFixture[str]
) -> None:
    run = new_run("words")
    train(run, load_corpus(run.data), max_steps=1, log=lambda line: None)
    capsys.readouterr()
    assert main(["predict-chars", str(run.path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "was trained on words" in captured.err
