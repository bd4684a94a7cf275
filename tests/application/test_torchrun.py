"""`zaremba train` as workers of torchrun: one run folder, saved, killed, restarted."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from workers import received, run_workers, start_workers

from zaremba_port import RunFolder, UserError
from zaremba_port.cli import main
from zaremba_port.config import Settings
from zaremba_port.engines import check_columns

SIZES = "--rnn_size 8 --vocab_size 20 --batch_size 5 --seq_length 5 --max_max_epoch 1".split()
SIZES += "--max_epoch 0 --dtype float64 --device cpu --save-every 7 --dropout 0.2".split()


def zaremba(arguments: list[str], kill_at: int | None = None) -> tuple[int, str]:
    """Call the command in this process; return its exit code and its output.

    The worker 1 kills itself at step `kill_at`.
    """
    import contextlib
    import io

    os.environ["TORCHELASTIC_RUN_ID"] = "test"
    if kill_at is not None and os.environ["RANK"] == "1":
        from zaremba_port.runs import Training

        add_step = Training.add_step

        def dying(self: Training, loss: float, norm: float) -> None:
            add_step(self, loss, norm)
            if self.progress.step == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        Training.add_step = dying  # type: ignore[method-assign]
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = main(arguments)
    return code, output.getvalue()


def numbers(run: Path) -> list[dict[str, Any]]:
    """The metrics, without times."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "wps"} for line in lines]


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory, text_folder: Path) -> Path:
    """A run that two workers trained in one piece."""
    run = tmp_path_factory.mktemp("torchrun") / "whole"
    command = ["train", str(run), "--data", str(text_folder), *SIZES]
    (code, output), (other_code, other_output) = run_workers(2, zaremba, command)
    assert (code, other_code) == (0, 0), output + other_output
    assert "2 workers share the 5 columns" in output
    assert not other_output
    return run


def test_the_folder_is_that_of_a_run(two_workers, capsys):
    run = RunFolder.open(two_workers)
    assert run.settings.batch_size == 5
    assert run.events()[0]["workers"] == 2
    assert main(["evaluate", str(two_workers), "--device", "cpu"]) == 0
    assert "Test set perplexity" in capsys.readouterr().out
    log = (two_workers / "train.log").read_text().splitlines()
    assert len([line for line in log if line.startswith("Validation")]) == 1


def test_a_killed_worker_ends_the_others_and_a_restart_goes_on(two_workers, text_folder, tmp_path):
    """With dropout, whose masks come from a generator in each worker: all numbers are the same."""
    run = tmp_path / "killed"
    command = ["train", str(run), "--data", str(text_folder), *SIZES]
    processes, queue = start_workers(2, zaremba, command, 60)
    rank, (code, output) = received(queue)
    for process in processes:
        process.join(60)
    assert processes[1].exitcode == -signal.SIGKILL
    assert (rank, code) == (0, 1)
    (error,) = [line for line in output.splitlines() if line.startswith("zaremba")]
    assert "another worker has ended" in error
    assert RunFolder.open(run).last_progress().step == 56  # of every 7th
    results = run_workers(2, zaremba, command, restarts=1)
    assert [code for code, _ in results] == [0, 0]
    assert "Resuming after step 56." in results[0][1]
    assert numbers(run) == numbers(two_workers)


def test_a_first_start_never_goes_on_by_itself(two_workers, text_folder):
    command = ["train", str(two_workers), "--data", str(text_folder), *SIZES]
    processes, queue = start_workers(2, zaremba, command)
    results = dict(received(queue) for _ in processes)
    assert results[0][0] == 2
    assert "overwrite it with --force" in results[0][1]
    assert results[1][0] == 1
    assert "zaremba (worker 1): another worker has ended" in results[1][1]


def stopped(arguments: list[str]) -> tuple[int, str]:
    """Train; SIGTERM comes to the second worker alone, soon after its start."""
    if os.environ["RANK"] == "1":
        from zaremba_port.runs import Training

        add_step = Training.add_step

        def terminating(self: Training, loss: float, norm: float) -> None:
            add_step(self, loss, norm)
            if self.progress.step == 20:
                signal.raise_signal(signal.SIGTERM)

        Training.add_step = terminating  # type: ignore[method-assign]
    return zaremba(arguments)


def test_a_signal_to_one_worker_saves_and_ends_all(text_folder, tmp_path):
    run = tmp_path / "stopped"
    command = ["train", str(run), "--data", str(text_folder), *SIZES]
    (code, output), (other_code, other) = run_workers(2, stopped, command)
    assert (code, other_code) == (1, 1)
    assert "after step 20, which is saved" in output
    assert "SIGTERM after step 20" in other
    assert RunFolder.open(run).last_progress().step == 20
    # Another number of workers may go on.
    assert main(["train", "--resume", str(run), "--device", "cpu", "--max-steps", "25"]) == 0


@pytest.mark.parametrize("wrong", ["--batch_size=1", "--reference"])
def test_what_several_workers_cannot_train_leaves_no_folder(text_folder, tmp_path, wrong):
    run = tmp_path / "new"
    for code, output in run_workers(
        2, zaremba, ["train", str(run), "--data", str(text_folder), *SIZES, wrong]
    ):
        assert code != 0
        assert "Traceback" not in output
    assert not run.exists()


def test_cells_that_mix_columns_are_refused(monkeypatch, tmp_path):
    from pygraph_nn import nn

    def normalized(x, prev_h, *, input_size, rnn_size):
        total = nn.CAddTable()([nn.Linear(input_size, rnn_size)(x), prev_h])
        return (nn.BatchNormalization(rnn_size)(total),)

    def centred(x, prev_h, *, input_size, rnn_size):
        total = nn.CAddTable()([nn.Linear(input_size, rnn_size)(x), prev_h])
        return (nn.SoftMax()(nn.Transpose([0, 1])(nn.SoftMax()(nn.Transpose([0, 1])(total)))),)

    def plain(x, prev_h, *, input_size, rnn_size):
        total = nn.CAddTable()([nn.Linear(input_size, rnn_size)(x), prev_h])
        return (nn.Tanh()(nn.Dropout(0.5)(total)),)

    settings = Settings(rnn_size=4, vocab_size=9)
    for cell in (normalized, centred):
        with pytest.raises(UserError, match="train in one process, without torchrun"):
            check_columns(settings, cell)
    check_columns(settings, plain)
    check_columns(settings, None)
    with pytest.raises(UserError, match="--reference"):
        check_columns(settings.with_changes({"reference": True}), None)
