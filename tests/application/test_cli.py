"""The command line as a user meets it: exit codes, one-line errors, nothing lost."""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import io
import json
import math
import platform
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import as_version_0_1

import pygraph_nn as nngraph
from zaremba_port import (
    PRESETS,
    RunFailed,
    RunFolder,
    Settings,
    config,
    load_corpus,
    model,
    train,
)
from zaremba_port.assignment.answers import ANSWERS
from zaremba_port.assignment.diagrams import CELL_KINDS, KINDS, NOTATIONS
from zaremba_port.cli import answers, diagram, presets
from zaremba_port.cli.main import COMMANDS, main

SMALL = ["--vocab_size", "20", "--rnn_size", "8", "--batch_size", "4", "--seq_length", "5"]


@pytest.fixture
def run(tmp_path: Path, text_folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    folder = str(tmp_path / "run")
    assert main(["train", folder, "--data", str(text_folder), *SMALL, "--max_max_epoch", "1"]) == 0
    capsys.readouterr()
    return folder


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one error line of a command that must end with exit code 2."""
    assert main(list(arguments)) == 2
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("Loading ") for line in lines[:-1])
    assert lines[-1].startswith("zaremba: ")
    return lines[-1].removeprefix("zaremba: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rnn_siz", "5"], "no option is called --rnn_siz; did you mean '--rnn_size'?"),
        (["--refrence"], "did you mean '--reference'?"),
        (["a", "b"], "unexpected argument 'b'"),
        (["--preset", "smal"], "no preset is called 'smal'; did you mean 'small'?"),
        (["--lr", "0"], "lr is 0.0, it must be positive and finite"),
        (["--lr", "nan"], "lr is nan"),
        (["--lr", "fast"], "invalid float value: 'fast'"),
        (["--layers", "0"], "layers is 0, it must be at least 1"),
        (["--embedding_size", "-3"], "embedding_size is -3, it must be at least 1"),
        (["--dropout", "1"], "dropout is 1.0, it must be at least 0 and below 1"),
        (["--dropout", "-0.1"], "dropout is -0.1, it must be at least 0 and below 1"),
        (["--cell", "elman"], "cell is 'elman', it must be one of lstm, gru, rnn"),
        (["--dtype", "int8"], "dtype is 'int8', it must be one of float32, float64"),
        (["--max-steps", "0"], "--max-steps is 0, it must be at least 1"),
        (["--device", "teapot"], "device 'teapot' cannot be used"),
        (["--resume", "nowhere"], "nowhere is not a run folder: no such folder"),
        (["--resume", "x", "--preset", "small"], "leave the others out"),
    ],
)
def test_bad_options(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(capsys, "train", *arguments)


def test_no_run_folder_is_made_for_bad_input(
    tmp_path: Path, text_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    base = ["train", str(folder), "--data", str(text_folder)]
    assert "set --vocab_size 15" in refused(capsys, *base, "--vocab_size", "5")
    assert "cannot fill a batch of 1000" in refused(capsys, *base, "--batch_size", "1000")
    assert "shorter than one batch" in refused(capsys, *base, "--seq_length", "100")
    assert not folder.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "test.txt"), (b"", "empty"), (b"caf\xe9 au lait\n", "UTF-8")],
)
def test_bad_texts(
    content: bytes | None,
    message: str,
    tmp_path: Path,
    text_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("train", "valid"):
        (tmp_path / f"{name}.txt").write_bytes((text_folder / f"{name}.txt").read_bytes())
    if content is not None:
        (tmp_path / "test.txt").write_bytes(content)
    assert message in refused(capsys, "train", str(tmp_path / "r"), "--data", str(tmp_path))


def test_a_run_is_overwritten_only_by_force(
    run: str, text_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = ["train", run, "--data", str(text_folder), *SMALL, "--max-steps", "3"]
    before = {path: path.read_bytes() for path in Path(run).iterdir()}
    assert "go on with zaremba train --resume" in refused(capsys, *again)
    assert {path: path.read_bytes() for path in Path(run).iterdir()} == before
    assert main([*again, "--force"]) == 0
    assert RunFolder.open(run).load_last().progress.step == 3


def test_a_run_cannot_have_fewer_epochs_than_it_has(
    run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with open(Path(run) / "metrics.jsonl", "a") as file:
        file.write('{"step": 9, "epoch": 2.0, "split": "valid", "loss": 1, "perplexity": 2.7}\n')
    message = refused(capsys, "train", "--resume", run, "--max_max_epoch", "1")
    assert "has been trained for 2 epochs" in message


def test_a_blank_name_is_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert "is blank" in refused(capsys, "train", " ")
    assert "is blank" in refused(capsys, "train", "--resume", " ")


def test_an_option_of_another_command_is_not_proposed_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    message = refused(capsys, "experiments", "folder", "--vocab_size", "9")
    assert "--vocab_size is an option of other commands" in message


def test_a_run_is_a_folder_of_known_files(run: str) -> None:
    names = {re.sub(r"-\d+", "-N", path.name) for path in Path(run).iterdir()}
    assert names == {
        "settings.json", "source.json", "vocabulary.txt", "best-N.safetensors",
        "step-N.safetensors", "step-N-N.safetensors", "manifest.json", "manifest.previous.json",
        "metrics.jsonl", "train.log", "events.jsonl", "run.lock", "curves.png", "curves.svg",
    }  # fmt: skip
    assert json.loads((Path(run) / "settings.json").read_text())["rnn_size"] == 8
    assert (Path(run) / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (Path(run) / "curves.svg").read_text()


@pytest.mark.parametrize(
    ("option", "value"), [("--rnn_size", "9"), ("--layers", "3"), ("--dtype", "float64")]
)
def test_resume_refuses_another_network(
    run: str, option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(capsys, "train", "--resume", run, option, value)
    assert "was trained with" in message


def test_settings_edited_by_hand(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = as_version_0_1(Path(run)) / "settings.json"  # which has no checksums
    settings = json.loads(path.read_text())
    path.write_text(json.dumps({**settings, "rnn_size": 9}))
    assert "settings.json is of another network" in refused(capsys, "evaluate", run)
    path.write_text(json.dumps({**settings, "rnn_sise": 9}))
    assert "did you mean 'rnn_size'?" in refused(capsys, "evaluate", run)
    path.write_text("{")
    assert "holds no settings" in refused(capsys, "evaluate", run)


def test_broken_parameters(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    as_version_0_1(Path(run))
    for name in ("best", "last"):
        (Path(run) / f"{name}.safetensors").write_bytes(b"not a safetensors file")
    assert "best.safetensors cannot be read" in refused(capsys, "evaluate", run)
    assert "last.safetensors cannot be read" in refused(capsys, "train", "--resume", run)


def test_evaluate(run: str, text_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logged = [line for line in (Path(run) / "train.log").read_text().splitlines() if "perp" in line]
    assert main(["evaluate", run, "--which", "last"]) == 0
    assert capsys.readouterr().out.startswith(logged[-1])
    assert main(["evaluate", run, "--which", "last", "--split", "valid", "--mode", "both"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert "word by word" in out[0]
    assert out[1].startswith(next(line for line in logged if line.startswith("Validation")))


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_evaluating_one_part_needs_only_its_file(
    split: str, run: str, tmp_path: Path, text_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one").mkdir()
    text = (text_folder / f"{split}.txt").read_bytes()
    (tmp_path / "one" / f"{split}.txt").write_bytes(text)
    command = ["evaluate", run, "--split", split]
    assert main(command) == 0
    whole = capsys.readouterr().out
    assert main([*command, "--data", str(tmp_path / "one")]) == 0
    assert capsys.readouterr().out == whole
    other = "valid" if split == "test" else "test"
    message = refused(capsys, "evaluate", run, "--split", other, "--data", str(tmp_path / "one"))
    assert f"lacks ptb.{other}.txt" in message


def test_an_unknown_word_at_evaluation(
    run: str, tmp_path: Path, text_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in ("train", "valid", "test"):
        (other / f"{name}.txt").write_text((text_folder / f"{name}.txt").read_text() + "a zebra\n")
    assert "zebra" in refused(capsys, "evaluate", run, "--data", str(other))


def test_the_names_in_options_are_the_names_in_the_rooms() -> None:
    # The command line has its own lists, since the rooms import torch.
    assert tuple(ANSWERS) == answers.QUESTIONS
    assert tuple(diagram.KINDS) == KINDS
    assert diagram.CELL_KINDS == CELL_KINDS
    assert diagram.NOTATIONS == NOTATIONS
    assert nngraph.FlatSGD.precisions == config.PRECISIONS
    (cell,) = [field for field in fields(Settings) if field.name == "cell"]
    assert cell.metadata["choices"] == tuple(model.CELLS)


HEAVY = {
    "torch",
    "pygraph_nn",
    "numpy",
    "pooch",
    "matplotlib",
    "pygments",
    "jinja2",
    "markdown_it",
    "graphviz",
}


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        ([], 0),
        (["--help"], 0),
        (["train", "--help"], 0),
        (["presets"], 0),
        (["trian"], 2),
        (["train", "--rnn_siz", "5"], 2),
        (["train", "--preset", "smal"], 2),
        (["train", "--lr", "0"], 2),
        (["complete", "run", "--beam", "2", "--argmax"], 2),
        (["grade"], 2),
        (["answers", "q8"], 2),
        (["compare"], 2),
        (["diagram", "cel"], 2),
    ],
)
def test_help_and_typing_errors_load_nothing_heavy(arguments: list[str], exit_code: int) -> None:
    # Python itself lists what it imports.
    process = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "zaremba_port", *arguments],
        capture_output=True,
        text=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in process.stderr.splitlines()}
    assert process.returncode == exit_code
    assert "zaremba_port.cli.parser" in imported
    assert not {name.partition(".")[0] for name in imported} & (
        HEAVY if arguments == ["presets"] else HEAVY | {"rich"}
    )


@pytest.mark.parametrize("command", [module.__name__.split(".")[-1] for module in COMMANDS])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    name = command.rstrip("_").replace("_", "-")  # import_, as import is a keyword
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: zaremba {name}")


def test_errors_become_exit_codes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_with(error: BaseException) -> int:
        def run(options: argparse.Namespace) -> None:
            raise error

        monkeypatch.setattr(presets, "run", run)
        return main(["presets"])

    assert run_with(RunFailed("stopped")) == 1
    assert run_with(KeyboardInterrupt()) == 1
    assert run_with(torch.cuda.OutOfMemoryError("Tried to allocate\nmore")) == 1
    assert capsys.readouterr().err.splitlines() == [
        "zaremba: stopped",
        "zaremba: interrupted",
        "zaremba: out of memory: Tried to allocate",
    ]
    with pytest.raises(RuntimeError, match="a bug"):
        run_with(RuntimeError("a bug"))


def test_presets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in PRESETS)
    assert "1500" in out


def test_the_presets_of_the_paper() -> None:
    # Zaremba et al. 2014, section 4.1.
    assert PRESETS["small"] == Settings(
        layers=2, rnn_size=200, dropout=0, init_weight=0.1, batch_size=20, seq_length=20, lr=1,
        max_epoch=4, decay=2, max_max_epoch=13, max_grad_norm=5, vocab_size=10000,
    )  # fmt: skip
    assert PRESETS["medium"] == Settings(
        layers=2, rnn_size=650, dropout=0.5, init_weight=0.05, batch_size=20, seq_length=35, lr=1,
        max_epoch=6, decay=1.2, max_max_epoch=39, max_grad_norm=5, vocab_size=10000,
    )  # fmt: skip
    assert PRESETS["large"] == Settings(
        layers=2, rnn_size=1500, dropout=0.65, init_weight=0.04, batch_size=20, seq_length=35,
        lr=1, max_epoch=14, decay=1.15, max_max_epoch=55, max_grad_norm=10, vocab_size=10000,
    )  # fmt: skip


@pytest.mark.parametrize(("name", "baseline"), [("ward", "small"), ("char-ward", "char-small")])
def test_the_presets_of_the_course_report(name: str, baseline: str, new_run: Any) -> None:
    # The report: batch 20, dropout 0.5, gradient norm limited to 5; rate 0.9 for 5 epochs, then
    # halved after each. Words get a larger embedding, characters more layers and a smaller one.
    ward, usual = PRESETS[name], PRESETS[baseline]
    assert (ward.batch_size, ward.dropout, ward.max_grad_norm) == (20, 0.5, 5)
    if name == "ward":
        assert ward.input_size > usual.input_size
    else:
        assert ward.input_size < usual.input_size
        assert ward.layers > usual.layers
    schedule = {key: getattr(ward, key) for key in ("lr", "max_epoch", "decay")}
    run = new_run("schedule", **schedule, max_max_epoch=7)
    train(run, load_corpus(run.data, log=lambda line: None), log=lambda line: None)
    rates = {math.ceil(line["epoch"]): line["lr"] for line in run.metrics() if "lr" in line}
    assert rates == {1: 0.9, 2: 0.9, 3: 0.9, 4: 0.9, 5: 0.9, 6: 0.45, 7: 0.225}


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Settings().lr = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "no command is called 'trian'; did you mean 'train'?"),
        (["data", "chras"], "no command is called 'chras'; did you mean 'chars'?"),
        (["evaluate", "run", "--split", "vlaid"], "'vlaid'; did you mean 'valid'?"),
    ],
)
def test_the_nearest_word_is_named(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(capsys, *arguments)


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        main(["--version"])
    assert not ending.value.code
    own, python = importlib.metadata.version("zaremba-port"), platform.python_version()
    expected = f"zaremba {own} (torch {torch.__version__}, Python {python})\n"
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize(
    ("typed", "completions"),
    [
        (["tr"], {"train"}),
        (["evaluate", "run", "--split", "v"], {"valid"}),
        (["train", "--data", "pydoc-"], {"pydoc-live"}),
        (["train", "--data", "fol"], {"folder"}),
        (["complete", "fol"], {"folder"}),
        (["complete", "run", "--file", "quer"], {"queries.txt"}),
    ],
)
def test_bash_completes(
    typed: list[str], completions: set[str], completion_script: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "queries.txt").touch()
    words = shlex.join(["zaremba", *typed])
    commands = f"COMP_WORDS=({words}); COMP_CWORD={len(typed)}; _shtab_zaremba"
    process = subprocess.run(
        ["bash", "-c", f'{completion_script}\n{commands}\nprintf "%s\\n" "${{COMPREPLY[@]}}"'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(process.stdout.split()) == completions


@pytest.fixture(scope="module")
def completion_script() -> str:
    pytest.importorskip("shtab")
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        assert main(["completion", "bash"]) == 0
    return output.getvalue()


def test_as_a_module_and_without_a_command() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "zaremba_port"], capture_output=True, text=True, check=True
    )
    assert "train" in shown.stdout
