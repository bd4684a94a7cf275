"""Training as a whole: the log, the schedule, resuming, stopping, and Torch7's own run."""

from __future__ import annotations

import math
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers import PTB, golden, needs_golden, needs_ptb

import pygraph_nn as nngraph
from pygraph_nn import nn
from zaremba_port import Corpus, RunFailed, RunFolder, Settings, UserError, train
from zaremba_port.config import ENGINES
from zaremba_port.engines import fast
from zaremba_port.runs import draw_curves
from zaremba_port.text import load_corpus
from zaremba_port.train import steps_to_event

NewRun = Callable[..., RunFolder]
EPOCH_LINE = re.compile(
    r"epoch = \d+\.\d{3}, train perp\. = \d+\.\d{3}, wps = \d+, dw:norm\(\) = \d+\.\d{3}, "
    r"lr = \d+\.\d{3}, since beginning = \d+ mins\."
)


def quiet(line: str) -> None:
    pass


@pytest.fixture(params=[*ENGINES, "fast, as on a device"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param in ENGINES:
        return request.param
    monkeypatch.setattr(fast, "queues_steps", lambda device: True)
    return "fast"


def test_log_lines_and_schedule(new_run: NewRun, corpus: Corpus, engine: str) -> None:
    run, lines = new_run("r"), []
    train(run, corpus, log=lines.append, engine=engine)
    epochs = [line for line in lines if line.startswith("epoch")]
    assert all(EPOCH_LINE.fullmatch(line) for line in epochs)
    # 120 steps an epoch: a line when step % 12 == 10.
    steps = [round(float(line.split()[2].rstrip(",")) * 120) for line in epochs]
    assert steps == list(range(10, 361, 12))
    # One decay: the original first divides after epoch max_epoch + 1.
    rates = [float(re.search(r"lr = ([\d.]+)", line)[1]) for line in epochs]
    assert rates == [1.0] * 20 + [0.5] * 10
    assert sum(line.startswith("Validation set perplexity : ") for line in lines) == 3
    assert re.fullmatch(r"Test set perplexity : \d+\.\d{3}", lines[-2])
    assert lines[-1] == "Training is over."
    assert (run.path / "train.log").read_text().splitlines() == lines


def test_metrics_hold_every_step_in_reference_mode(new_run: NewRun, corpus: Corpus) -> None:
    run = new_run("r", reference=True, max_max_epoch=1, dropout=0.3)
    train(run, corpus, log=quiet)
    steps = [line for line in run.metrics() if "grad_norm" in line]
    assert [line["step"] for line in steps] == list(range(1, 121))
    assert all({"step", "epoch", "loss", "grad_norm", "lr"} <= line.keys() for line in steps)
    splits = [line["split"] for line in run.metrics() if "split" in line]
    assert splits == ["valid", "test"]


@pytest.mark.parametrize(
    ("engine", "changes"),
    [
        *((name, changes) for name in ENGINES for changes in ({}, {"dropout": 0.4})),
        ("graph", {"dropout": 0.4, "reference": True}),
    ],
)
def test_a_resumed_run_is_the_same_run(
    new_run: NewRun, corpus: Corpus, changes: dict[str, object], engine: str
) -> None:
    whole = new_run("whole", **changes)
    train(whole, corpus, log=quiet, engine=engine)
    parts = new_run("parts", **changes)
    train(parts, corpus, log=quiet, engine=engine, max_steps=50)  # within an epoch
    train(RunFolder.open(parts.path), corpus, log=quiet, engine=engine, max_steps=240, resume=True)
    train(RunFolder.open(parts.path), corpus, log=quiet, engine=engine, resume=True)
    a, b = whole.load_last(), parts.load_last()
    assert all(torch.equal(a.parameters[name], b.parameters[name]) for name in a.parameters)
    assert all(torch.equal(a.buffers[name], b.buffers[name]) for name in a.buffers)
    assert a.progress.test == b.progress.test

    def without_times(run: RunFolder) -> list[dict[str, float]]:
        return [{k: v for k, v in line.items() if k != "wps"} for line in run.metrics()]

    assert without_times(whole) == without_times(parts)


def test_a_finished_run_can_be_extended(new_run: NewRun, corpus: Corpus, engine: str) -> None:
    run = new_run("r", max_max_epoch=1)
    train(run, corpus, log=quiet, engine=engine)
    longer = RunFolder.open(run.path)
    longer.settings = longer.settings.with_changes({"max_max_epoch": 2})
    assert train(longer, corpus, log=quiet, engine=engine, resume=True).step == 240
    assert [line["step"] for line in run.metrics() if line.get("split") == "test"] == [120, 240]


def test_a_cell_of_ones_own(new_run: NewRun, corpus: Corpus, engine: str) -> None:
    def elman(
        x: nngraph.Node, prev_h: nngraph.Node, *, input_size: int, rnn_size: int
    ) -> tuple[nngraph.Node]:
        sum_ = nn.CAddTable()(
            [nn.Linear(input_size, rnn_size)(x), nn.Linear(rnn_size, rnn_size)(prev_h)]
        )
        return (nn.Tanh()(sum_),)

    run = new_run("r", layers=1, lr=0.3)
    progress = train(run, corpus, cell=elman, log=quiet, engine=engine)
    assert progress.best is not None
    assert progress.best < math.log(16)


def test_gru_trains(new_run: NewRun, corpus: Corpus, engine: str) -> None:
    for layers in (1, 2):
        progress = train(
            new_run(f"r{layers}", cell="gru", layers=layers), corpus, log=quiet, engine=engine
        )
        assert progress.best is not None
        assert progress.best < math.log(16)


def test_a_diverging_run_stops_and_keeps_finite_parameters(
    new_run: NewRun, corpus: Corpus, engine: str
) -> None:
    run = new_run("r", lr=1e38)
    with pytest.raises(RunFailed, match=r"stopped at step \d+: .*norm.*--resume") as caught:
        train(run, corpus, log=quiet, engine=engine)
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value)
    assert all(torch.isfinite(p).all() for p in run.load_last().parameters.values())


def test_divergence_after_an_epoch_keeps_that_epoch(
    new_run: NewRun, corpus: Corpus, engine: str
) -> None:
    run = new_run("r")
    train(run, corpus, log=quiet, engine=engine, max_steps=120)
    kept = run.load_last()
    with pytest.raises(RunFailed):
        train(run, corpus, log=quiet, engine=engine, resume=True, new_lr=1e38)
    again = run.load_last()
    assert again.progress.step == 120
    assert all(torch.equal(kept.parameters[k], again.parameters[k]) for k in kept.parameters)
    # and from there a smaller rate goes on
    assert train(run, corpus, log=quiet, engine=engine, resume=True, new_lr=0.1).step == 360


def reported_by_lua(epoch_size: int, last_step: int) -> list[int]:
    """The steps at which main.lua prints: ``if step % torch.round(epoch_size / 10) == 10``."""
    tenth = int(epoch_size / 10 + 0.5)  # Torch7 rounds halves up
    return [step for step in range(1, last_step + 1) if tenth and step % tenth == 10]


@pytest.mark.parametrize("epoch_size", [1, 2, 9, 10, 47, 104, 105, 115])
def test_every_epoch_of_a_short_text_has_a_report_and_curves(
    new_run: NewRun, tmp_path: Path, epoch_size: int, engine: str
) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    for name, words in (("train", 10 * epoch_size + 2), ("valid", 22), ("test", 2)):
        (folder / f"{name}.txt").write_text("a b " * (words // 2))
    short = load_corpus(str(folder), log=quiet)
    run, lines = new_run("r", batch_size=2, max_max_epoch=2), []
    train(run, short, log=lines.append, engine=engine)
    last_step = 2 * epoch_size
    lua = reported_by_lua(epoch_size, last_step)
    expected = lua or [epoch_size, last_step]
    reports = [line for line in run.metrics() if "train_perplexity" in line]
    assert [line["step"] for line in reports] == expected
    assert sum(map(bool, map(EPOCH_LINE.fullmatch, lines))) == len(expected)
    # A report comes before the validation that ends its epoch.
    kinds = [line.partition(" ")[0] for line in lines if line.startswith(("epoch", "Validation"))]
    if not lua:
        assert kinds == ["epoch", "Validation"] * 2
    assert [path.name for path in draw_curves(run)] == ["curves.png", "curves.svg"]


def test_a_second_training_in_a_run_is_refused(
    new_run: NewRun, corpus: Corpus, engine: str
) -> None:
    run = new_run("r", max_max_epoch=1)
    lines: list[str] = []
    train(run, corpus, log=quiet, engine=engine)
    files = {path: path.read_bytes() for path in run.path.iterdir()}
    for again in (run, RunFolder.open(run.path)):
        with pytest.raises(UserError, match=r"holds a training already .*--resume .*create") as e:
            train(again, corpus, log=lines.append, engine=engine)
        assert "\n" not in str(e.value)
    assert lines == []
    assert {path: path.read_bytes() for path in run.path.iterdir()} == files
    # Metrics alone are reason enough.
    alone = RunFolder.create(run.path.with_name("alone"), run.settings, corpus.vocabulary, "none")
    alone.add_metrics(step=1, epoch=0.1)
    with pytest.raises(UserError, match=r"holds a training already \(metrics.jsonl\)"):
        train(alone, corpus, log=quiet)
    fresh = RunFolder.create(run.path, run.settings, corpus.vocabulary, corpus.name, force=True)
    train(fresh, corpus, log=quiet, engine=engine)
    splits = [line["split"] for line in fresh.metrics() if "split" in line]
    assert splits == ["valid", "test"]


@pytest.mark.parametrize("epoch_size", [1, 4, 5, 30, 120, 2323])
def test_a_queue_of_steps_ends_where_the_loop_acts(epoch_size: int) -> None:
    report_every = math.floor(epoch_size / 10 + 0.5)
    last_step = 3 * epoch_size - 1
    for step in range(last_step):
        events = (
            later
            for later in range(step + 1, last_step + 1)
            if later % epoch_size == 0
            or later == last_step
            or (report_every and later % report_every == 10 % report_every)
        )
        first = next(events)
        assert steps_to_event(step, epoch_size, report_every, last_step) == first - step


def test_texts_too_short(new_run: NewRun, corpus: Corpus) -> None:
    run = new_run("r", batch_size=60)
    with pytest.raises(UserError, match=r"the valid text has \d+ words, shorter than one batch"):
        train(run, corpus, log=quiet)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "zaremba_port", *map(str, arguments)]


SMALL = ("--vocab_size", 20, "--rnn_size", 8, "--batch_size", 4, "--seq_length", 5)


def test_ctrl_c_saves_the_step_and_says_how_to_go_on(
    text_folder: Path, tmp_path: Path, engine: str
) -> None:
    run = tmp_path / "run"
    arguments = command("train", run, "--data", text_folder, *SMALL, "--max_max_epoch", 500)
    arguments += ["--engine", engine]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        logged: list[int] = []
        for line in process.stdout:
            if line.startswith("epoch = "):
                logged.append(round(float(line.split()[2].rstrip(",")) * 120))
                if len(logged) == 3:
                    process.send_signal(signal.SIGINT)
        err = process.stderr.read()
        assert process.wait(timeout=60) == 1
    assert re.fullmatch(
        rf"zaremba: interrupted after step \d+, which is saved; go on with: "
        rf"zaremba train --resume {re.escape(str(run))}\n",
        err,
    )
    saved = RunFolder.open(run).load_last().progress.step
    assert logged[-1] <= saved <= logged[-1] + 12  # a line every 12 steps, and no step is lost
    resumed = subprocess.run(
        command("train", "--resume", run, "--max-steps", saved + 5), capture_output=True, text=True
    )
    assert resumed.returncode == 0, resumed.stderr
    assert f"Resuming after step {saved}." in resumed.stdout
    assert RunFolder.open(run).load_last().progress.step == saved + 5


def test_a_full_disk_keeps_what_was_saved(text_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = command("train", run, "--data", text_folder, *SMALL, "--max_max_epoch", 1)
    assert subprocess.run(first, capture_output=True).returncode == 0
    before = RunFolder.open(run).load_last()
    # A limit on the size of files fails as a full disk does: the write is cut short.
    size = next(run.glob("step-*.safetensors")).stat().st_size
    limited = subprocess.run(
        command("train", "--resume", run, "--max_max_epoch", 2),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2)),
    )
    assert limited.returncode == 1
    assert re.search(
        r"zaremba: .*(step|best)-\d+\.safetensors could not be written: .*kept\n", limited.stderr
    )
    assert "Traceback" not in limited.stderr
    after = RunFolder.open(run).load_last()
    assert all(torch.equal(before.parameters[k], after.parameters[k]) for k in before.parameters)
    assert not list(run.glob("*.part"))


@needs_golden
@needs_ptb
def test_torch7s_own_run(tmp_path: Path) -> None:
    """The first steps of the original program at full size: its text, its seed, its numbers."""
    texts = tmp_path / "texts"
    texts.mkdir()
    # The golden run trained on the valid text, and validated and tested on the test text.
    for name, source in (("train", "valid"), ("valid", "test"), ("test", "test")):
        (texts / f"ptb.{name}.txt").symlink_to(PTB / f"ptb.{source}.txt")
    corpus = load_corpus(str(texts), log=quiet)
    for dtype, name, steps, tolerance in (
        ("float64", "double", 10, 1e-8),  # the golden log has nine digits
        ("float32", "float", 5, 1e-5),
    ):
        settings = Settings(reference=True, dtype=dtype)
        run = RunFolder.create(tmp_path / dtype, settings, corpus.vocabulary, str(texts))
        train(run, corpus, log=quiet, max_steps=steps, device="cpu")
        theirs = golden("train_logs", f"steps_{name}_seed1.json")["steps"]
        ours = run.metrics()
        assert len(ours) == steps
        for mine, golden_step in zip(ours, theirs, strict=False):
            assert mine["loss"] == pytest.approx(golden_step["loss"], rel=tolerance)
            assert mine["grad_norm"] == pytest.approx(golden_step["dw_norm"], rel=tolerance)


REASON = "there is no compiler"


@pytest.mark.parametrize(
    ("engine", "dtype", "reason", "times"),
    [
        ("fast", "float32", REASON, 1),
        ("fast", "float32", None, 0),
        ("fast", "float64", REASON, 0),
        ("graph", "float32", REASON, 0),
    ],
)
def test_missing_kernels_are_logged_once(
    new_run: NewRun,
    corpus: Corpus,
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    dtype: str,
    reason: str | None,
    times: int,
) -> None:
    monkeypatch.setattr(nngraph, "kernels_unavailable", lambda: reason)
    run, lines = new_run("r", dtype=dtype), []
    train(run, corpus, log=lines.append, engine=engine, max_steps=130, device="cpu")
    for log in (lines, (run.path / "train.log").read_text().splitlines()):
        assert [REASON in line for line in log].count(True) == times
        assert log.index("Starting training.") > times  # at the start


def test_a_process_without_kernels_says_why(text_folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        command("train", tmp_path / "run", "--data", text_folder, *SMALL, "--max-steps", 3),
        capture_output=True,
        text=True,
        env={**os.environ, "PYGRAPH_NN_NATIVE": "0"},
    )
    assert done.returncode == 0, done.stderr
    for log in (done.stdout, (tmp_path / "run" / "train.log").read_text()):
        lines = [line for line in log.splitlines() if "without compiled kernels" in line]
        assert len(lines) == 1
        assert "PYGRAPH_NN_NATIVE" in lines[0]


def test_progress_is_told(new_run: NewRun, corpus: Corpus) -> None:
    told: list[tuple[int, int]] = []
    train(
        new_run("r"), corpus, log=quiet, max_steps=7,
        on_step=lambda training, total: told.append((training.progress.step, total)),
    )  # fmt: skip
    assert told == [(step, 7) for step in range(1, 8)]


def test_time_goes_on_in_a_resumed_run(new_run: NewRun, corpus: Corpus) -> None:
    run = new_run("r")
    first = train(run, corpus, log=quiet, max_steps=20).seconds
    started = time.monotonic()
    second = train(run, corpus, log=quiet, max_steps=40, resume=True).seconds
    assert first < second <= first + (time.monotonic() - started)
    assert run.has_last()
