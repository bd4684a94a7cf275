"""Ensembles: probabilities are averaged, one member at a time; `complete` takes a folder."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from zaremba_port import Corpus, Predictor, RunFolder, Settings, UserError, Vocabulary, complete
from zaremba_port.cli import main
from zaremba_port.completing import EnsemblePredictor, load_predictor, member_folders
from zaremba_port.experiments import (
    Experiment,
    ensembles,
    evaluate_ensemble,
    experiment,
    repetitions,
)
from zaremba_port.parallel import without_torchrun
from zaremba_port.text import sequential
from zaremba_port.train import train


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory, corpus: Corpus) -> Path:
    """Three networks, hardly trained, from large initial parameters, so that they differ."""
    folder = tmp_path_factory.mktemp("ensemble")
    for number in (1, 2, 10):
        settings = Settings(
            rnn_size=6, vocab_size=20, batch_size=4, seq_length=5, seed=number, init_weight=1.0
        )
        run = RunFolder.create(folder / f"seed{number}", settings, corpus.vocabulary, corpus.name)
        train(run, corpus, max_steps=1, log=lambda line: None)
    return folder


def member_log_p(folder: Path, ids: list[int]) -> np.ndarray:
    """Log-probabilities after every word but the last, (n - 1, words), by the one-step network."""
    predictor = Predictor(folder)
    return np.stack([predictor.read(word).double().numpy() for word in ids[:-1]])


def test_probabilities_are_averaged(ensemble, corpus):
    """The oracle averages the whole distributions of the one-step networks."""
    ids = corpus.test[:60]
    runs = [RunFolder.open(path) for path in member_folders(ensemble)]
    assert [run.path.name for run in runs] == ["seed1", "seed2", "seed10"]
    log_ps = [member_log_p(run.path, ids.tolist()) for run in runs]
    rows = list(evaluate_ensemble(runs, sequential(ids)))
    assert [row.members for row in rows] == [1, 2, 3]
    targets = ids[1:].numpy()
    places = np.arange(len(targets))
    for row, number in zip(rows, (1, 2, 3), strict=True):
        mean = np.mean([np.exp(log_p) for log_p in log_ps[:number]], axis=0)
        assert row.loss == pytest.approx(-np.log(mean[places, targets]).mean(), rel=1e-5)
        own = -log_ps[number - 1][places, targets].mean()
        assert row.own_loss == pytest.approx(own, rel=1e-5)
    assert rows[2].loss < max(row.own_loss for row in rows)


def test_one_member_is_in_memory_at_a_time(ensemble, corpus, monkeypatch):
    alive: list[int] = []
    load = ensembles.load_model

    def loading(*arguments, **options):
        gc.collect()
        alive.append(
            sum(issubclass(type(each), ensembles.LanguageModel) for each in gc.get_objects())
        )
        return load(*arguments, **options)

    monkeypatch.setattr(ensembles, "load_model", loading)
    runs = [RunFolder.open(path) for path in member_folders(ensemble)]
    list(evaluate_ensemble(runs, sequential(corpus.test)))
    assert alive == [alive[0]] * 3


def test_an_ensemble_completes(ensemble, corpus):
    predictor = load_predictor(ensemble)
    assert isinstance(predictor, EnsemblePredictor)
    ids = corpus.vocabulary.encode(["the", "cat", "sat"]).tolist()
    mean = np.mean(
        [np.exp(member_log_p(path, [*ids, 0]))[-1] for path in member_folders(ensemble)], 0
    )
    assert np.allclose(predictor.read_all(ids).exp().numpy(), mean, atol=1e-6)
    first = np.mean([Predictor(path).first().exp().numpy() for path in member_folders(ensemble)], 0)
    assert np.allclose(predictor.first().exp().numpy(), first, atol=1e-6)
    words = complete(predictor, ["the"], 4, beam=3)
    assert words[:1] == ["the"]
    assert len(words) == 5
    one = EnsemblePredictor([Predictor(ensemble / "seed1")])
    assert complete(one, ["a"], 9, seed=1) == complete(ensemble / "seed1", ["a"], 9, seed=1)


def test_the_command_completes_with_an_ensemble(ensemble, capsys, tmp_path):
    queries = tmp_path / "queries"
    queries.write_text("3 the cat\n")
    assert main(["complete", str(ensemble), "--file", str(queries), "--argmax"]) == 0
    assert len(capsys.readouterr().out.split()) == 5


def test_the_table_is_printed_and_written(ensemble, tmp_path, capsys):
    assert main(["ensemble", "evaluate", str(ensemble), "-o", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "| 3 | seed10 |" in out
    assert (tmp_path / "out" / "ensemble.md").read_text() in out
    assert (tmp_path / "out" / "ensemble.svg").is_file()


def test_members_with_other_words_are_refused(ensemble, tmp_path, corpus):
    vocabulary = Vocabulary([*corpus.vocabulary.words[:-1], "zebra"])
    other = RunFolder.create(tmp_path / "other", Settings(vocab_size=20), vocabulary, corpus.name)
    runs = [RunFolder.open(ensemble / "seed1"), other]
    with pytest.raises(UserError, match=r"other has another vocabulary than .*seed1"):
        next(evaluate_ensemble(runs, sequential(corpus.test)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ensemble"], "takes train or evaluate"),
        (["ensemble", "train", "x", "--members", "0"], "--members is 0, it must be at least 1"),
        (["ensemble", "train", ""], "is empty"),
        (["ensemble", "train", "{run}"], "is a run: an ensemble needs a folder of its own"),
        (["ensemble", "evaluate", "{empty}"], "holds no runs"),
        (["ensemble", "evaluate", "{empty}/no"], "no such folder"),
        (["ensemble", "evaluate", ""], "is empty"),
        (["ensemble", "evaluate", "{run}", "{run}"], "is named twice"),
        (["ensemble", "evaluate", "{all}", "--split", "all"], "invalid choice"),
    ],
)
def test_wrong_arguments_are_one_line(ensemble, tmp_path, capsys, arguments, message):
    names = {"run": ensemble / "seed1", "all": ensemble, "empty": tmp_path}
    assert main([each.format(**names) for each in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_members_are_spread_over_processes(tmp_path, corpus, tiny, monkeypatch):
    """Each member is trained by one of them, whatever the others have done before."""
    started: list[list[str]] = []

    class Noting:
        def __init__(self, *arguments: object) -> None:
            self.failures: list[str] = []
            self.running: dict[str, object] = {}

        def run(self, tasks, show):
            started.append([task.name for task in tasks])

    monkeypatch.setattr(experiment, "Trainings", Noting)
    for rank in (0, 1):
        members = repetitions(tiny, 5)
        Experiment(tmp_path, "small", members, ("seed",), corpus, [], share=(rank, 2)).train(
            1, Console(quiet=True)
        )
    assert started == [["seed1", "seed3", "seed5"], ["seed2", "seed4"]]


def test_members_do_not_inherit_torchruns_variables():
    variables = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_PORT": "1", "TORCHELASTIC_RUN_ID": "x"}
    assert without_torchrun({**variables, "HOME": "/h"}) == {"HOME": "/h"}
