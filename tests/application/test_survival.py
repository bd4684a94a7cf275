"""Runs survive what happens to processes, files and disks, and go on bit for bit.

`tools/stress_runs.py` and `tools/stress_inputs.py` do the same by the hundred.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers import as_version_0_1

from tools import stress_inputs, stress_runs
from tools.stress_runs import SETTINGS, FullDisk, difference, forked, no_space, state_of, training
from zaremba_port import Corpus, RunFailed, RunFolder, UserError, train
from zaremba_port.engines import fast
from zaremba_port.runs import SaveEvery, checkpoint
from zaremba_port.runs.files import sha256_of
from zaremba_port.runs.records import is_event, is_metrics_line, read_lines

ENGINES = ("fast", "graph", "queue")
STEPS = SaveEvery(steps=4, seconds=None)


def quiet(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def stress(tmp_path_factory: pytest.TempPathFactory) -> stress_runs.Stress:
    return stress_runs.Stress(tmp_path_factory.mktemp("stress"), seed=4)


@pytest.fixture
def small(stress: stress_runs.Stress) -> Corpus:
    """A text of 24 steps an epoch under `SETTINGS`."""
    return stress.corpus


@pytest.fixture
def make(small: Corpus, tmp_path: Path) -> Callable[..., RunFolder]:
    def make(name: str = "run", **changes: object) -> RunFolder:
        settings = SETTINGS.with_changes(changes)
        return RunFolder.create(tmp_path / name, settings, small.vocabulary, small.name)

    return make


@pytest.fixture
def finished(make: Callable[..., RunFolder], small: Corpus) -> RunFolder:
    run = make()
    train(run, small, log=quiet, device="cpu", save_every=STEPS)
    return run


@pytest.mark.parametrize(("kind", "times"), [("kill", 6), ("term", 3), ("disk", 3)])
def test_killed_stopped_and_starved_trainings_lose_nothing(
    stress: stress_runs.Stress, kind: str, times: int
) -> None:
    stress.run(kind, times)
    assert stress.faults == []


def test_the_oracle_of_the_stress_sees_a_difference(
    stress: stress_runs.Stress, finished: RunFolder
) -> None:
    whole = stress.whole["fast"]
    assert difference(whole, state_of(finished.path)) == ""
    finished.add_log("one line too many")
    assert difference(whole, state_of(finished.path)).startswith("log: ")
    assert difference(whole, {**whole, "tensors": stress.whole["graph"]["tensors"]}) != ""


def test_damaged_files_and_random_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stress_inputs.train_command, "_draw_curves", lambda folder, log: None)
    damage = stress_inputs.Stress(tmp_path, stress_inputs.random.Random(3))
    monkeypatch.chdir(tmp_path / "text")
    for _ in range(4):
        damage.mutation()
    for _ in range(10):
        damage.configuration()
    assert damage.faults == []
    assert set(damage.counts) <= {"0", "1", "2"}


def test_a_training_is_saved_before_its_first_step(
    make: Callable[..., RunFolder], small: Corpus
) -> None:
    run = make()
    with pytest.raises(ZeroDivisionError):  # within the first step: nothing else has been saved
        train(run, small, log=quiet, device="cpu", on_step=lambda step, last: 1 // 0)
    assert run.load_last().progress.step == 0
    assert [save.step for save in run.manifest.saves] == [0]


@pytest.mark.parametrize("engine", ENGINES)
def test_saves_come_every_n_steps_and_at_the_ends_of_epochs(
    make: Callable[..., RunFolder], small: Corpus, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast, "queues_steps", lambda device: engine == "queue")
    run, saved = make(), []
    save_last = RunFolder.save_last

    def noting(self: RunFolder, state: checkpoint.Saved, **options: bool) -> None:
        saved.append(state.progress.step)
        save_last(self, state, **options)

    monkeypatch.setattr(RunFolder, "save_last", noting)
    train(
        run, small, log=quiet, device="cpu", engine="graph" if engine == "graph" else "fast",
        save_every=SaveEvery(10, None),
    )  # fmt: skip
    assert saved == [0, 10, 20, 24, 30, 40, 48, 48]  # the last one holds the test
    assert [save.step for save in run.manifest.saves] == [48, 48]


def test_time_decides_when_no_steps_are_given(
    make: Callable[..., RunFolder], small: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, steps = make(), []
    monkeypatch.setattr(RunFolder, "save_last", lambda self, s, **o: steps.append(s.progress.step))
    monkeypatch.setattr("zaremba_port.runs.schedule._SHARE", 1e9)  # saving may cost what it likes
    train(run, small, log=quiet, device="cpu", save_every=SaveEvery(None, 1e-9), max_steps=5)
    assert steps == [0, 1, 2, 3, 4, 5]
    assert SaveEvery().seconds == 300


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "x", "5d", "0s", "1e3", "nan", "9" * 20])
def test_no_distance_between_saves(text: str) -> None:
    with pytest.raises(UserError, match=r"--save-every is .* steps \(500\) or a time"):
        SaveEvery.parse(text)


def test_a_second_process_is_refused_by_host_and_pid(finished: RunFolder, small: Corpus) -> None:
    assert finished.holder() is None
    with finished.locked():
        holder = finished.holder()
        assert holder is not None
        assert holder.pid == os.getpid()
        status, text = forked(lambda: training(finished.path, small, "fast"))
        assert status == 1
        assert f"is in use by process {os.getpid()} on {os.uname().nodename}" in text
        with pytest.raises(UserError, match="is in use by process"):  # by --force as well
            RunFolder.create(finished.path, SETTINGS, small.vocabulary, small.name, force=True)
        assert RunFolder.open(finished.path).metrics() == finished.metrics()  # readers may read
        assert finished.load_last().progress.step == 48
    assert finished.holder() is None


def test_the_lock_of_a_killed_process_is_free(finished: RunFolder, small: Corpus) -> None:
    def hold() -> None:
        with finished.locked():
            stress_runs.kill()

    assert forked(hold)[0] == -signal.SIGKILL
    train(finished, small, log=quiet, device="cpu", resume=True)


@pytest.mark.parametrize(
    "name", ["settings.json", "source.json", "vocabulary.txt", "manifest.json", "best", "step"]
)
@pytest.mark.parametrize("place", [0, 0.5, -1])
def test_a_flipped_byte_is_refused_by_name(finished: RunFolder, name: str, place: float) -> None:
    manifest = finished.manifest
    assert manifest.last is not None
    name = {"best": manifest.best or "", "step": manifest.last.file}.get(name, name)
    path = finished.path / name
    content = bytearray(path.read_bytes())
    at = len(content) - 2 if place < 0 else int(place * (len(content) - 2))
    content[at] ^= 0x10
    path.write_bytes(content)
    way_out = r"restore it from a copy"
    with pytest.raises(UserError, match=rf"{name} is damaged.*{way_out}") as refused:
        RunFolder.open(finished.path).load_to_resume(quiet)
    assert "\n" not in str(refused.value)


def test_from_previous_takes_the_save_before(
    make: Callable[..., RunFolder], small: Corpus, stress: stress_runs.Stress
) -> None:
    for damaged in ("the save", "manifest.json"):
        run = make(damaged.split()[-1])
        train(run, small, log=quiet, device="cpu", save_every=STEPS, max_steps=30)
        last, previous = run.manifest.saves
        name = last.file if damaged == "the save" else damaged
        (run.path / name).write_bytes(b"{")
        with pytest.raises(UserError, match=r"--resume .* --from previous"):
            train(RunFolder.open(run.path), small, log=quiet, device="cpu", resume=True)
        again = RunFolder.open(run.path, from_previous=True)
        assert again.load_last().progress.step == previous.step
        train(again, small, log=quiet, device="cpu", resume=True, save_every=STEPS)
        assert difference(stress.whole["fast"], state_of(run.path)) == ""


def test_there_is_no_save_before_the_first(make: Callable[..., RunFolder], small: Corpus) -> None:
    run = make()
    with pytest.raises(ZeroDivisionError):
        train(run, small, log=quiet, device="cpu", on_step=lambda step, last: 1 // 0)
    with pytest.raises(UserError, match="a single save, none before it"):
        RunFolder.open(run.path, from_previous=True).load_last()


def test_a_run_of_the_older_format_goes_on(
    make: Callable[..., RunFolder], small: Corpus, stress: stress_runs.Stress
) -> None:
    run = make()
    train(run, small, log=quiet, device="cpu", save_every=STEPS, max_steps=30)
    as_version_0_1(run.path)
    old = RunFolder.open(run.path)
    assert old.manifest.format == 1
    assert old.load_last().progress.step == 30
    train(old, small, log=quiet, device="cpu", resume=True, save_every=STEPS)
    whole, state = stress.whole["fast"], state_of(run.path)
    assert difference({**whole, "log": ""}, {**state, "log": ""}) == ""
    assert old.manifest.format == 2
    assert not (run.path / "last.safetensors").exists()


def test_a_newer_format_is_named(finished: RunFolder) -> None:
    path = finished.path / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 3, "version": "9.1"}))
    with pytest.raises(UserError, match=r"is a run of format 3, written by version 9\.1 .*newer"):
        RunFolder.open(finished.path)


def test_a_manifest_that_is_gone_is_missed(finished: RunFolder) -> None:
    (finished.path / "manifest.json").unlink()
    with pytest.raises(UserError, match=r"manifest\.json is missing.*--from previous"):
        RunFolder.open(finished.path)


@pytest.mark.parametrize(
    "tail",
    [b'{"step": 31, "ep', b"\xff\xfe\n", b"[1, 2]\n", b'{"step": 1}\n', b"\0\0\0\0", b"{" * 9999],
)
def test_a_torn_or_foreign_line_of_metrics_is_dropped(
    make: Callable[..., RunFolder], small: Corpus, stress: stress_runs.Stress, tail: bytes
) -> None:
    run = make()
    train(run, small, log=quiet, device="cpu", save_every=STEPS, max_steps=30)
    lines = run.metrics()
    path = run.path / "metrics.jsonl"
    path.write_bytes(path.read_bytes() + tail)
    assert RunFolder.open(run.path).metrics() == lines
    train(run, small, log=quiet, device="cpu", resume=True, save_every=STEPS)
    assert difference(stress.whole["fast"], state_of(run.path)) == ""


@pytest.mark.parametrize(
    "more",
    [
        '"epoch": 1e999',
        '"epoch": -1',
        '"step": 1' + "0" * 30,
        '"loss": 1' + "0" * 400,
        '"samples": 1',
        '"samples": ["x"]',
        '"samples": [{"text": [1]}]',
        '"note": "\\ud800"',
    ],
)
def test_values_that_no_training_writes_make_a_line_foreign(tmp_path: Path, more: str) -> None:
    path = tmp_path / "metrics.jsonl"
    good = '{"step": 1, "epoch": 1, "loss": NaN}'
    path.write_text(f'{good}\n{{"step": 1, "epoch": 1, {more}}}\n', encoding="utf-8")
    lines, dropped = read_lines(path, is_metrics_line)
    assert (len(lines), dropped) == (1, 1)


def test_a_start_without_the_sizes_of_its_text_is_foreign() -> None:
    start = {"event": "started", "step": 0}
    assert is_event(start)
    assert is_event({**start, "text": {"train": 9}})
    for text in ("x", 1, {}, {"train": "9"}, {"train": 10**30}):
        assert not is_event({**start, "text": text})


def test_a_damaged_line_of_the_past_is_dropped_with_a_note(
    make: Callable[..., RunFolder], small: Corpus
) -> None:
    run, notes = make(), []
    train(run, small, log=quiet, device="cpu", save_every=STEPS, max_steps=30)
    path = run.path / "metrics.jsonl"
    path.write_bytes(b"{ damaged\n" + path.read_bytes())
    train(run, small, log=notes.append, device="cpu", resume=True, save_every=STEPS)
    assert f"{path}: 1 damaged line dropped" in notes
    assert [line["step"] for line in run.metrics() if line.get("split") == "valid"] == [24, 48]


@pytest.mark.parametrize("reason", ["closed", "full"])
def test_an_output_that_nobody_can_read_stops_and_saves(
    make: Callable[..., RunFolder], small: Corpus, stress: stress_runs.Stress, reason: str
) -> None:
    run, lines = make(), []

    def log(line: str) -> None:
        lines.append(line)
        if line.startswith("epoch"):
            raise BrokenPipeError(32, "Broken pipe") if reason == "closed" else OSError(28, "full")

    with pytest.raises(RunFailed, match=r"the output cannot be written .*, which is saved; go on"):
        train(run, small, log=log, device="cpu", save_every=STEPS)
    assert len([line for line in lines if line.startswith("epoch")]) == 1
    train(run, small, log=quiet, device="cpu", save_every=STEPS, resume=True)
    assert difference(stress.whole["fast"], state_of(run.path)) == ""


@pytest.mark.parametrize("moment", ["valid", "test"])
def test_a_signal_within_an_evaluation_loses_nothing(
    make: Callable[..., RunFolder],
    small: Corpus,
    stress: stress_runs.Stress,
    moment: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = importlib.import_module("zaremba_port.train")
    run, calls = make(), []
    real = getattr(module, f"run_{moment}")

    def evaluate(model: object, state: object, **options: Callable[[], None]) -> float:
        def on_read() -> None:
            calls.append(1)
            if len(calls) == 2:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.01)
            options["on_read"]()

        return float(real(model, state, on_read=on_read))

    monkeypatch.setattr(module, f"run_{moment}", evaluate)
    with pytest.raises(RunFailed, match=r"SIGTERM after step (24|48), which is saved"):
        train(run, small, log=quiet, device="cpu", save_every=STEPS)
    monkeypatch.setattr(module, f"run_{moment}", real)
    train(run, small, log=quiet, device="cpu", save_every=STEPS, resume=True)
    assert difference(stress.whole["fast"], state_of(run.path)) == ""


@pytest.mark.parametrize("engine", ENGINES)
def test_rollback_after_a_step_that_diverges(
    make: Callable[..., RunFolder], small: Corpus, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast, "queues_steps", lambda device: engine == "queue")
    run, lines = make(on_nan="rollback", lr=1e38, max_max_epoch=1, max_grad_norm=1e30), []
    name = "graph" if engine == "graph" else "fast"
    with pytest.raises(RunFailed, match="stopped at step"):
        train(run, small, log=lines.append, device="cpu", engine=name, save_every=STEPS)
    rates = [float(line.split()[-1].rstrip(".")) for line in lines if "Back to step 0" in line]
    assert rates == pytest.approx([1e38 / 2**n for n in range(1, 11)], rel=1e-4)
    assert all(torch.isfinite(p).all() for p in run.load_last().parameters.values())
    train(run, small, log=quiet, device="cpu", engine=name, resume=True, new_lr=0.1)
    assert run.events()[-1]["event"] == "finished"


def test_a_failed_creation_leaves_no_folder(tmp_path: Path, small: Corpus) -> None:
    path, failures = tmp_path / "a" / "b", 0
    for at in range(1, 100):
        disk = FullDisk(at, no_space)
        try:
            with disk.watched():
                RunFolder.create(path, SETTINGS, small.vocabulary, small.name)
        except RunFailed:
            failures += 1
            assert list(tmp_path.iterdir()) == []
        else:  # the chosen operation was not needed
            assert RunFolder.open(path).settings == SETTINGS
            shutil.rmtree(tmp_path / "a")
            if disk.total < at:
                break
    assert failures > 10


def test_events_tell_how_a_training_began_and_ended(finished: RunFolder, small: Corpus) -> None:
    train(finished, small, log=quiet, device="cpu", resume=True)
    events = finished.events()
    assert [event["event"] for event in events] == ["started", "finished", "resumed", "finished"]
    assert all(event["pid"] == os.getpid() for event in events)


def test_every_file_of_a_run_has_its_checksum(finished: RunFolder) -> None:
    manifest = json.loads((finished.path / "manifest.json").read_text())
    assert manifest["format"] == 2
    for name, digests in manifest["files"].items():
        assert digests == [sha256_of(finished.path / name)]
    last = manifest["saves"][0]
    for name in ("metrics.jsonl", "train.log"):
        assert last[name]["sha256"] == sha256_of(finished.path / name, last[name]["bytes"])
    kept = {path.name for path in finished.path.glob("*.safetensors")}
    assert kept == {name for name in manifest["files"] if name.endswith(".safetensors")}


def test_readers_are_not_disturbed_by_a_training(
    make: Callable[..., RunFolder], small: Corpus
) -> None:
    """A reader loads whole saves while they are being replaced."""
    run = make(max_max_epoch=1)
    failures: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                reader = RunFolder.open(run.path)
                if reader.has_last():
                    reader.load_last()
                reader.metrics()
            except UserError as error:
                failures.append(str(error))

    thread = threading.Thread(target=read)
    thread.start()
    try:
        train(run, small, log=quiet, device="cpu", save_every=SaveEvery(1, None))
    finally:
        done.set()
        thread.join()
    assert failures == []
