"""`zaremba experiments` and `zaremba reproduce`, whose members real processes train."""

from __future__ import annotations

import csv
import json
import math
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import PTB, needs_ptb, one_line

from zaremba_port import PRESETS, RunFolder, Settings, UserError, load_corpus, train
from zaremba_port.cli.main import main
from zaremba_port.config import SETTING_NAMES
from zaremba_port.experiments import PUBLISHED, Spread, prepare_text, read_result, repetitions
from zaremba_port.experiments.processes import Task, locked, threads_each
from zaremba_port.text import CHARACTERS, COURSE_VOCABULARY, read_tokens, to_characters

TINY = ["--recipe", "small", "--rnn_size", "8", "--batch_size", "4", "--seq_length", "5"]


def quiet(line: str) -> None:
    """Receive a line of a log."""


def experiment(folder: Path, text: Path, *options: str) -> list[str]:
    return ["experiments", str(folder), "--data", str(text), *TINY, *options]


def table(folder: Path) -> dict[str, dict[str, str]]:
    """The lines of results.csv by run."""
    with (folder / "results.csv").open(encoding="utf-8") as file:
        return {row["run"]: row for row in csv.DictReader(file)}


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of a command that must be refused."""
    capsys.readouterr()
    assert main(list(arguments)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_grid_is_trained_as_by_hand_and_only_once(
    tmp_path: Path, text_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "grid"
    command = experiment(
        folder, text_folder, "--layers", "1", "2", "--embedding", "4", "--epochs", "2"
    )
    assert main([*command, "--jobs", "2"]) == 0
    printed = capsys.readouterr().out

    # Each member is what the function makes of the same settings.
    corpus = load_corpus(str(text_folder), log=quiet)
    for layers in (1, 2):
        settings = Settings(
            rnn_size=8, batch_size=4, seq_length=5, vocab_size=len(corpus.vocabulary),
            layers=layers, embedding_size=4, max_max_epoch=2,
        )  # fmt: skip
        by_hand = RunFolder.create(tmp_path / f"{layers}", settings, corpus.vocabulary, corpus.name)
        train(by_hand, corpus, log=quiet)
        member = RunFolder.open(folder / f"layers{layers}-embedding4-seed1")
        assert member.settings == settings
        losses = [line["loss"] for line in member.metrics() if "split" in line]
        # MKL rounds by the alignment of memory, which differs from one process to another.
        assert losses == pytest.approx(
            [line["loss"] for line in by_hand.metrics() if "split" in line], rel=1e-6
        )
        row = table(folder)[member.path.name]
        assert float(row["valid_nats"]) == losses[1]
        assert float(row["test, perplexity"]) == math.exp(losses[2])
        assert int(row["parameters"]) == sum(
            value.numel() for value in by_hand.load_last().parameters.values()
        )
        assert f"{math.exp(losses[2]):.1f}" in (folder / "results.md").read_text("utf-8")
    assert "2 trainings, 0 of them done before" in printed
    for name in ("heatmap", "curves", "depths"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (folder / f"{name}.svg").read_text("utf-8")

    # Called again, it only makes tables and pictures, from the run folders alone.
    saved = {path: path.stat().st_mtime_ns for path in folder.glob("*/manifest.json")}
    assert len(saved) == 2
    page = (folder / "results.md").read_text("utf-8")
    (folder / "results.md").unlink()
    assert main(command) == 0
    assert "2 trainings, 2 of them done before" in capsys.readouterr().out
    assert (folder / "results.md").read_text("utf-8") == page
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*/manifest.json")} == saved

    # More epochs and more seeds continue the grid; everything else is another experiment.
    assert "max_max_epoch 2, this experiment takes 1" in refused(capsys, *command, "--epochs", "1")
    assert "was trained with lr 1.0" in refused(capsys, *command, "--lr", "0.5")
    assert main([*command, "--epochs", "3", "--layers", "1", "--seeds", "2"]) == 0
    epochs = {name: float(row["epochs"]) for name, row in table(folder).items()}
    assert epochs == {
        "layers1-embedding4-seed1": 3,
        "layers1-embedding4-seed2": 3,
        "layers2-embedding4-seed1": 2,
    }
    values = [float(row["test, perplexity"]) for row in list(table(folder).values())[:2]]
    spread = f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}"
    assert spread in (folder / "results.md").read_text("utf-8")


def trainings_in(folder: Path) -> list[int]:
    """The processes that train in `folder`, by /proc."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue  # it has just ended
        if b"train" in words and any(os.fsencode(folder) in word for word in words):
            found.append(int(path.parent.name))
    return found


def begin(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """Start a command; return when the first validation of a member is written."""
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-m", "zaremba_port", *command],
        env={**os.environ, "PYTHONPATH": root},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 120
    while not any('"valid"' in p.read_text("utf-8") for p in folder.glob("*/metrics.jsonl")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
def test_ctrl_c_and_a_crash_leave_everything_resumable(
    tmp_path: Path, text_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = ["--layers", "1", "--embedding", "4", "--epochs", "40"]
    folder = tmp_path / "grid"
    command = experiment(folder, text_folder, *one)
    process = begin(command, folder)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"interrupted with 0 of 1 trainings ended" in errors
    assert trainings_in(folder) == []
    (member,) = folder.glob("layers*")
    step = RunFolder.open(member).load_last().progress.step
    assert step > 0

    # Killed, it leaves its training alone, which nobody may disturb.
    process = begin(command, folder)
    while not trainings_in(folder):
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert "is in use: another command trains in it" in refused(capsys, *command)
    for number in trainings_in(folder):
        os.kill(number, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while trainings_in(folder):
        assert time.monotonic() < deadline
        time.sleep(0.02)

    assert main(command) == 0
    straight = tmp_path / "straight"
    assert main(experiment(straight, text_folder, *one)) == 0
    mine, theirs = (RunFolder.open(next(f.glob("layers*"))) for f in (folder, straight))
    for name, value in theirs.load_last().parameters.items():
        assert torch.equal(mine.load_last().parameters[name], value)
    assert (
        table(folder)[mine.path.name]["valid_nats"] == table(straight)[mine.path.name]["valid_nats"]
    )


def test_a_run_that_was_trained_elsewhere_is_moved_into_place(
    tmp_path: Path, text_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    settings = [*TINY[2:], "--vocab_size", "15", "--layers", "1", "--max_max_epoch", "1"]
    assert main(["train", str(run), "--data", str(text_folder), *settings]) == 0
    folder = tmp_path / "grid"
    folder.mkdir()
    run.rename(folder / "any name")
    grid = ["--layers", "1", "--embedding", "8", "--epochs"]
    # The text that it names is not on this machine.
    moved = RunFolder.open(folder / "any name")
    moved.data = "/elsewhere/text"
    moved.save_definition()
    assert main(experiment(folder, text_folder, *grid, "1")) == 0
    printed = capsys.readouterr().out
    assert "1 trainings, 1 of them done before" in printed
    assert "its text /elsewhere/text is not here; only its vocabulary was compared" in printed
    assert main(experiment(folder, text_folder, *grid, "2")) == 0
    assert float(table(folder)["any name"]["epochs"]) == 2
    assert not list(folder.glob("layers*"))

    shutil.copytree(folder / "any name", folder / "copy")
    message = refused(capsys, *experiment(folder, text_folder, *grid, "2"))
    assert "are the same network from the same seed: move one away" in message
    shutil.rmtree(folder / "copy")

    # Another text is refused, also one with the same vocabulary.
    other = tmp_path / "other"
    other.mkdir()
    for split in ("train", "valid", "test"):
        text = (text_folder / f"{split}.txt").read_text("utf-8")
        (other / f"{split}.txt").write_text(text + "the dog\n", "utf-8")
    assert "was trained on" in refused(capsys, *experiment(folder, other, *grid, "2"))


def test_a_training_that_fails_stops_no_other(
    tmp_path: Path, text_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "grid"
    grid = ["--layers", "1", "2", "--embedding", "4", "--epochs", "1"]
    big = ["--lr", "1e38", "--max_grad_norm", "1e38"]
    assert main([*experiment(folder, text_folder, *grid), *big]) == 1
    printed = capsys.readouterr()
    assert printed.out.count("failed with exit status 1") == 2
    assert "failed: layers1-embedding4-seed1, layers2-embedding4-seed1" in printed.err
    assert "- layers1-embedding4-seed1: not validated yet" in (folder / "results.md").read_text()


def test_a_cut_text_of_characters(
    tmp_path: Path, text_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "grid"
    command = experiment(folder, text_folder, "--units", "chars", "--layers", "1")
    command += ["--embedding", "4", "--epochs", "1", "--max-words", "200"]
    assert main(command) == 0
    words = read_tokens(text_folder / "train.txt")[:200]
    assert read_tokens(folder / "text" / "train.txt") == list(to_characters(words))
    assert len(read_tokens(folder / "text" / "test.txt")) == len(
        list(to_characters(read_tokens(text_folder / "test.txt")[:20]))
    )
    rows = len(read_tokens(folder / "text" / "valid.txt")) / 4
    assert (rows - 1) % 5 == 0  # whole sequences of 5 in 4 columns
    (row,) = table(folder).values()
    nats = float(row["test_nats"])
    assert math.isclose(float(row["test, bits per character"]), nats / math.log(2))
    assert math.isclose(float(row["test, exp(5.6 nll)"]), math.exp(5.6 * nats))
    assert "made with max_words 200, not 300" in refused(capsys, *command, "--max-words", "300")

    # A text that somebody put there is not overwritten; one that no run has read is made anew.
    mine = tmp_path / "mine"
    shutil.copytree(text_folder, mine / "text")
    command[1] = str(mine)
    assert "was not made by this command" in refused(capsys, *command)
    assert (mine / "text" / "train.txt").read_text() == (text_folder / "train.txt").read_text()
    corpus = None
    for limit in (100, 200):
        corpus = prepare_text(
            str(text_folder), CHARACTERS, tmp_path / "new", Settings(), limit, quiet
        )
    assert corpus is not None
    assert corpus.vocabulary.decode(corpus.train) == list(to_characters(words))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--layers", "0"], "layers is 0, it must be at least 1"),
        (["--embedding", "4", "0"], "embedding_size is 0"),
        (["--layers", "two"], "--layers takes numbers, not 'two'"),
        (["--embedding", "4", "big"], "--embedding takes numbers, not 'big'"),
        (["--jobs", "0"], "--jobs is 0"),
        (["--seeds", "0"], "--seeds is 0"),
        (["--max-words", "0"], "--max-words is 0"),
        (["--epochs", "0"], "max_max_epoch is 0"),
        (["--units", "letters"], "argument --units: invalid choice: 'letters'"),
        (["--batch_size", "2000"], "cannot fill a batch of 2000"),
        (["--device", "gpu"], "gpu"),
        (["--layer", "1"], "did you mean '--layers'?"),
    ],
)
def test_what_experiments_refuses(
    options: list[str],
    message: str,
    tmp_path: Path,
    text_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["experiments", str(tmp_path / "grid"), "--data", str(text_folder), *options]
    assert message in refused(capsys, *command)
    assert not list(tmp_path.glob("grid/*/settings.json"))


@pytest.fixture(scope="module")
def longer_text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text that is long enough for batches of 20 sequences of 20 words."""
    folder = tmp_path_factory.mktemp("longer")
    choose = random.Random(3).choice
    for name, lines in (("train", 120), ("valid", 60), ("test", 5)):
        text = "".join(" ".join(choose("abcdefgh") for _ in range(7)) + "\n" for _ in range(lines))
        (folder / f"{name}.txt").write_text(text, "utf-8")
    return folder


def test_reproduce_trains_the_preset_and_invents_no_comparison(
    tmp_path: Path, longer_text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "small"
    command = ["reproduce", "small", str(folder), "--data", str(longer_text)]
    assert main(command) == 0
    run = RunFolder.open(folder / "seed1")
    assert run.settings == PRESETS["small"]
    assert run.metrics()[-1]["epoch"] == 13
    page = (folder / "results.md").read_text("utf-8")
    assert f"{run.metrics()[-1]['perplexity']:.1f}" in page
    assert "not the Penn Treebank" in page
    assert "120.7" not in page
    assert (folder / "results.png").read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()
    assert main(command) == 0
    assert "1 of them done before" in capsys.readouterr().out
    command[1] = "ward"
    assert "was trained with embedding_size 200, this experiment takes 400" in refused(
        capsys, *command
    )


def pretend(folder: Path, settings: Settings, losses: dict[str, float]) -> None:
    """Make a finished run on the Treebank, with metrics but without parameters."""
    corpus = load_corpus(str(PTB), log=quiet)
    run = RunFolder.create(folder, settings, corpus.vocabulary, str(PTB))
    epochs = settings.max_max_epoch
    for split, loss in losses.items():
        run.add_metrics(
            step=epochs, epoch=float(epochs), split=split, loss=loss, perplexity=math.exp(loss),
            train_loss=4.0, grad_norm_mean=1.0, grad_norm_max=2.0, clipped=0.25,
        )  # fmt: skip


@needs_ptb
def test_reproduce_compares_with_the_paper(tmp_path: Path) -> None:
    seeds = {member.name: member.settings for member in repetitions(PRESETS["small"], 2)}
    for name, loss in (("seed1", 4.7), ("seed2", 4.8)):
        pretend(tmp_path / name, seeds[name], {"valid": loss, "test": loss - 0.1})
    command = ["reproduce", "small", str(tmp_path), "--data", str(PTB), "--seeds", "2"]
    assert main(command) == 0
    page = (tmp_path / "results.md").read_text("utf-8")
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in page.splitlines()]
    (published,) = [row[1:3] for row in rows if row[:1] == ["published"]]
    assert published == ["120.7", "114.5"]
    (mean,) = [row[1:3] for row in rows if row[:1] == ["here, mean of 2 seeds"]]
    for cell, high in zip(mean, (4.8, 4.7), strict=True):
        values = [math.exp(high), math.exp(high - 0.1)]
        assert cell == f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}"
    assert "25.0" in page


def test_the_published_numbers() -> None:
    # Zaremba, Sutskever, Vinyals 2014, table 1.
    numbers = {name: (p.valid, p.test) for name, p in PUBLISHED.items() if p.valid is not None}
    assert numbers == {"small": (120.7, 114.5), "medium": (86.2, 82.7), "large": (82.2, 78.4)}
    assert all(p.preset in PRESETS for p in PUBLISHED.values())
    assert "No perplexity of the report is known" in PUBLISHED["ward"].statement


@needs_ptb
def test_the_characters_of_the_treebank_are_the_course_s(tmp_path: Path) -> None:
    settings = PRESETS[PUBLISHED["char"].preset]
    corpus = prepare_text(str(PTB), CHARACTERS, tmp_path, settings, None, quiet)
    assert corpus.vocabulary.words == COURSE_VOCABULARY.words
    assert settings.vocab_size == len(corpus.vocabulary) == 50
    assert corpus.sizes == {"train": 5_017_482, "valid": 393_042, "test": 442_423}


def test_metrics_describe_the_gradient_over_all_steps(
    new_run: Callable[..., RunFolder], corpus: Any
) -> None:
    # In reference mode every step has a line of its own, which is the oracle.
    changes = {"reference": True, "max_grad_norm": 1.5, "max_max_epoch": 2}
    run = new_run("whole", **changes)
    train(run, corpus, log=quiet)
    valid = [line for line in run.metrics() if line.get("split") == "valid"]
    assert len(valid) == 2
    for epoch, line in enumerate(valid):
        steps = [
            other
            for other in run.metrics()
            if "grad_norm" in other and 120 * epoch < other["step"] <= 120 * (epoch + 1)
        ]
        norms = [step["grad_norm"] for step in steps]
        assert len(norms) == 120
        assert math.isclose(line["grad_norm_mean"], statistics.fmean(norms))
        assert line["grad_norm_max"] == max(norms)
        clipped = sum(norm > 1.5 for norm in norms) / 120
        assert math.isclose(line["clipped"], clipped)
        assert 0 < clipped < 1
        assert math.isclose(line["train_loss"], statistics.fmean(s["loss"] for s in steps))

    # A run that was interrupted within an epoch has the same metrics.
    parts = new_run("parts", **changes)
    train(parts, corpus, max_steps=150, log=quiet)
    train(RunFolder.open(parts.path), corpus, resume=True, log=quiet)
    keys = ("grad_norm_mean", "grad_norm_max", "clipped", "train_loss", "loss")
    again = [line for line in parts.metrics() if line.get("split") == "valid"]
    assert [[line[k] for k in keys] for line in again] == [
        [line[k] for k in keys] for line in valid
    ]


def test_the_result_of_a_run_of_version_0_1_0(
    new_run: Callable[..., RunFolder], corpus: Any
) -> None:
    run = new_run("old", max_max_epoch=2)
    train(run, corpus, log=quiet)
    new = read_result(run)
    assert new is not None
    assert not new.is_sampled
    old_keys = {"step", "epoch", "split", "loss", "perplexity", "grad_norm", "lr"}
    lines = [
        {key: value for key, value in line.items() if key in old_keys | {"train_perplexity", "wps"}}
        for line in run.metrics()
    ]
    (run.path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    old = read_result(run)
    assert old is not None
    norms = [line["grad_norm"] for line in lines if "grad_norm" in line]
    assert old.is_sampled
    assert old.norm_mean == statistics.fmean(norms)
    assert (old.valid, old.test, old.parameters) == (new.valid, new.test, new.parameters)
    for (_, mine), (_, theirs) in zip(old.train, new.train, strict=True):
        assert math.isclose(mine, theirs, rel_tol=0.1)


def test_the_folder_may_follow_the_numbers(
    tmp_path: Path, longer_text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "grid"
    corpus = load_corpus(str(longer_text), log=quiet)
    settings = PRESETS["ward"].with_changes({"lr": 3.0, "vocab_size": 9})
    RunFolder.create(folder / "other", settings, corpus.vocabulary, corpus.name)
    command = ["experiments", "--data", str(longer_text), "--layers", "1", "2", str(folder)]
    assert f"{folder}/other was trained with lr 3.0" in refused(capsys, *command)


def test_a_run_that_was_killed_while_it_began(
    tmp_path: Path, text_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "grid"
    (folder / "layers1-embedding4-seed1").mkdir(parents=True)
    Settings(layers=1).save(folder / "layers1-embedding4-seed1" / "settings.json")
    grid = ["--layers", "1", "--embedding", "4", "--epochs", "1"]
    assert main(experiment(folder, text_folder, *grid)) == 0
    assert float(table(folder)["layers1-embedding4-seed1"]["epochs"]) == 1


def test_two_commands_in_one_folder(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(UserError) as error, locked(tmp_path):
        pass
    assert "is in use" in one_line(error)


def test_threads_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert [threads_each(jobs) for jobs in (1, 3, 8, 20)] == [8, 2, 1, 1]


def test_every_setting_of_a_grid_has_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["experiments", "--help"])
    text = capsys.readouterr().out
    for name in {*SETTING_NAMES} - {"embedding_size", "seed", "max_max_epoch", "vocab_size"}:
        assert f"--{name}" in text


def test_the_spread_of_seeds() -> None:
    assert Spread.of([3.0]) == Spread(3.0, None)
    spread = Spread.of([1.0, 2.0, 6.0])
    assert spread.deviation is not None
    assert math.isclose(spread.deviation, math.sqrt((4 + 1 + 9) / 2))  # about the mean 3
    assert Spread.of([-0.01]).text(1) == "0.0"


@pytest.mark.parametrize(
    "line", ["[1]", "7", '{"epoch": null}', '{"epoch": 1%s}' % ("0" * 400), ""]
)
def test_a_bar_takes_a_damaged_line_for_none(tmp_path: Path, line: str) -> None:
    (tmp_path / "metrics.jsonl").write_text(line)
    assert Task("a", tmp_path, [], 2).share() == 0.0
