"""Language models in Torch7 files: imported, sampled, trained on, exported."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import GOLDEN, assert_close, default_dtype, golden, needs_golden, value
from ports.test_char_rnn_gru import gru as char_rnn_gru

import pygraph_nn as nngraph
from pygraph_nn import nn, t7
from zaremba_port import (
    Predictor,
    RunFolder,
    Settings,
    UserError,
    create_network,
    load_corpus,
    train,
)
from zaremba_port.cli import main
from zaremba_port.runs import tensors_of
from zaremba_port.text import CHARACTERS
from zaremba_port.torch7 import export_run, import_run, sample
from zaremba_port.torch7.vocabularies import raw_of, vocabulary_words

CHAR_RNN = GOLDEN / "char_rnn"
WORDS = "sat run cat a saw big and on the mat dog".split()


def quiet(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text of the golden network's 12 words, <eos> counted."""
    folder = tmp_path_factory.mktemp("text")
    for name, lines in (("train", 40), ("valid", 12), ("test", 6)):
        words = itertools.islice(itertools.cycle(WORDS), lines * 7)
        pairs = " \n".join(" ".join(line) for line in zip(*[words] * 7, strict=True))
        (folder / f"{name}.txt").write_text(pairs + " \n")
    return folder


# char-rnn


@needs_golden
@pytest.mark.parametrize("model", ["lstm", "rnn"])
def test_char_rnn_samples_the_text_of_torch7(model: str, tmp_path: Path) -> None:
    import_run(CHAR_RNN / f"{model}_final.t7", tmp_path / "run", log=quiet)
    predictor = Predictor(tmp_path / "run")
    for name, options in (
        ("sample_t1", {"seed": 123}),
        ("argmax", {"argmax": True}),
        ("sample_prime_t07", {"seed": 7, "temperature": 0.7, "primetext": "the market "}),
    ):
        ours = b"".join(sample(predictor, length=200, **options)) + b"\n"
        assert ours == (CHAR_RNN / f"{model}_{name}.txt").read_bytes()
    case = golden("char_rnn", "checkpoint_log_probabilities.json")[model]
    predictor.reset()
    index = predictor.vocabulary.index
    for character, expected in zip(case["text"], case["log_probabilities"], strict=True):
        log_p = predictor.read(index["_" if character == " " else character])
        assert_close(log_p, value(expected)[0], 1e-9)


def test_char_rnns_gru(tmp_path: Path) -> None:
    nngraph.manualSeed(3)
    with default_dtype(torch.float64):
        net = char_rnn_gru(7, 4, 2)
    names = ["\n", " ", "_", "a", "b", "\t", b"\xc3"]
    vocabulary = {name: i for i, name in enumerate(names, 1)}
    opt = {"model": "gru", "num_layers": 2, "rnn_size": 4}
    nngraph.save_t7(tmp_path / "c.t7", {"protos": {"rnn": net}, "vocab": vocabulary, "opt": opt})
    run = import_run(tmp_path / "c.t7", tmp_path / "run", log=quiet)
    assert run.vocabulary.words == ["<eos>", "_", "<0x5f>", "a", "b", "<0x09>", "<0xc3>"]
    predictor = Predictor(run)
    net.evaluate()
    state = [torch.zeros(1, 4, dtype=torch.float64)] * 2
    for character in (3, 0, 6, 1):
        *state, log_p = net.forward([torch.tensor([float(character)]).double(), *state])
        assert_close(predictor.read(character), log_p[0], 1e-12)
    assert b"".join(sample(predictor, primetext="a_b\t", length=0)) == b"a_b\t"
    with pytest.raises(UserError, match="'z' is not among the symbols"):
        list(sample(predictor, primetext="z"))


def test_tokens_stand_for_one_character_each() -> None:
    names = ["\n", " ", "_", "<eos>", "é", "\r", b"\xff\xfe", "cat"]
    words = vocabulary_words(names, "file")
    assert [raw_of(word) for word in words] == [
        name if isinstance(name, bytes) else name.encode() for name in names
    ]
    for wrong in ({"a": 1, "b": 3}, {"a": "b"}, [1, 2], "text", ["a", "a"]):
        with pytest.raises(UserError, match="file"):
            vocabulary_words(wrong, "file")


# Zaremba's program


@needs_golden
@pytest.mark.parametrize("name", ["lstm_lm", "model_table", "model_table_clear"])
def test_an_imported_network_computes_and_trains(name: str, text: Path, tmp_path: Path) -> None:
    path = GOLDEN / "t7" / f"{name}.t7"
    changes = {"seq_length": 5, "max_max_epoch": 1}
    changes |= {"batch_size": 2} if name == "lstm_lm" else {}
    run = import_run(path, tmp_path / "run", data=str(text), changes=changes, log=quiet)
    assert run.settings.batch_size == 2
    network = create_network(run.settings)
    run.load_parameters(network, "last")
    network.evaluate()
    original = "lstm_lm" if name == "lstm_lm" else "model_table"
    check = json.loads((GOLDEN / "t7" / "index.json").read_text())["files"]
    case = next(file for file in check if file["name"] == original)["check"]
    case = case if "how" in case else case["core_network"]
    x, y, state = value(case["input"])
    assert_close(network.forward([x - 1, y - 1, state]), value(case["output"]))
    progress = train(RunFolder.open(run.path), load_corpus(str(text), log=quiet), resume=True,
                     device="cpu", log=quiet)  # fmt: skip
    assert progress.step == len(progress_steps(run))


def progress_steps(run: RunFolder) -> range:
    words = 40 * 8 // run.settings.batch_size
    return range(words // run.settings.seq_length)


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": 3, "dropout": 0.3},
        {"cell": "gru", "layers": 2, "embedding_size": 3},
        {"cell": "rnn"},
        {"dtype": "float64", "layers": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("predictions", [False, True])
def test_exported_runs_are_imported_again(
    changes: dict[str, Any], predictions: bool, tmp_path: Path, new_run: Any
) -> None:
    run: RunFolder = new_run("run", **changes)
    network = create_network(run.settings)
    run.save_best(tensors_of(network))
    export_run(run, tmp_path / "out.t7", predictions=predictions, format="ascii")
    again = import_run(tmp_path / "out.t7", tmp_path / "again", log=quiet)
    assert again.settings == run.settings.with_changes(
        {"embedding_size": run.settings.input_size, "dtype": run.settings.dtype}
    )
    assert again.vocabulary.words == run.vocabulary.words
    other = create_network(again.settings)
    again.load_parameters(other)
    for a, b in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_network_alone_takes_its_vocabulary_from_elsewhere(
    tmp_path: Path, new_run: Any, text_folder: Path
) -> None:
    run: RunFolder = new_run("run")
    run.save_best(tensors_of(create_network(run.settings)))
    export_run(run, tmp_path / "net.t7", network_only=True)
    words = {word: i for i, word in enumerate(run.vocabulary.words, 1)}
    t7.save(tmp_path / "vocab.t7", words)
    run.vocabulary.save(tmp_path / "vocab.txt")
    changes = {"batch_size": 4, "seq_length": 5}
    sources: list[dict[str, Any]] = [{"data": str(text_folder), "changes": changes}]
    sources += [{"vocabulary": str(tmp_path / f"vocab.{end}")} for end in ("t7", "txt")]
    for i, options in enumerate(sources):
        made = import_run(tmp_path / "net.t7", tmp_path / f"run{i}", log=quiet, **options)
        assert made.vocabulary.words == run.vocabulary.words


def test_what_cannot_be_imported(
    tmp_path: Path, new_run: Any, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run: RunFolder = new_run("run")
    run.save_best(tensors_of(create_network(run.settings)))
    export_run(run, tmp_path / "net.t7")
    net = str(tmp_path / "net.t7")
    other = nn.Sequential(nn.LookupTable(3, 3), nn.Linear(3, 3))
    nngraph.save_t7(tmp_path / "other.t7", {"core_network": other})
    nngraph.save_t7(tmp_path / "strange.t7", strange_network(run.settings))
    for arguments, problem in (
        ([net, "new", "--data", str(text)], "words that the network's vocabulary lacks"),
        ([net, str(run.path)], "overwrite it with --force"),
        ([str(tmp_path / "other.t7"), "new"], "no network of a language model"),
        ([str(tmp_path / "strange.t7"), "new"], "computes something else"),
        ([str(text / "train.txt"), "new"], "no Torch7 file"),
        (["none.t7", "new"], "cannot read none.t7: No such file"),
        ([net, "new", "--lr", "-1"], "lr is -1"),
    ):
        assert main(["import", *arguments]) == 2
        error = capsys.readouterr().err
        assert problem in error
        assert error.count("\n") == 1
    assert not Path("new").exists()


def strange_network(settings: Settings) -> nngraph.gModule:
    """The layers of the network, with another activation at the end of the cell."""
    network = create_network(settings)
    return network.replace(lambda m: nn.Abs() if isinstance(m, nn.Tanh) else m)


# The command line


@needs_golden
def test_a_text_of_words_for_a_network_of_characters(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = str(CHAR_RNN / "rnn_final.t7")
    assert main(["import", checkpoint, str(tmp_path / "run"), "--data", str(text)]) == 2
    assert "the network reads characters, zaremba data chars makes" in capsys.readouterr().err


def test_commands(tmp_path: Path, new_run: Any, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    run: RunFolder = new_run("run")
    run.save_best(tensors_of(create_network(run.settings)))
    path = str(tmp_path / "out.t7")
    assert main(["export", str(run.path), path]) == 0
    assert main(["import", path, str(tmp_path / "again"), "--seq-length", "7"]) == 0
    assert RunFolder.open(tmp_path / "again").settings.seq_length == 7
    assert main(["sample", str(tmp_path / "again"), "--length", "3", "--seed", "1"]) == 0
    words = capsysbinary.readouterr().out.decode().splitlines()[-1]
    assert words
    assert main(["export", str(run.path), str(tmp_path / "none" / "out.t7")]) == 2
    assert main(["sample", str(run.path), "--temperature", "0"]) == 2
    assert main(["sample", str(run.path), "--length", "-1"]) == 2


def test_show(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    flat = torch.arange(6.0)
    value = {"net": nn.Linear(3, 2), "views": [flat, flat.view(2, 3).t()], "long": "x" * 300}
    nngraph.save_t7(tmp_path / "a.t7", value)
    path = str(tmp_path / "a.t7")
    monkeypatch.setenv("COLUMNS", "70")
    assert main(["t7", "show", path]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 70 for line in lines)
    assert "├─ net: nn.Linear" in lines
    assert "│  ├─ weight: FloatTensor 2x3, 24 bytes" in lines
    assert any(line.endswith("…") and "shares stor" in line for line in lines)
    assert main(["t7", "show", path, "--depth", "0"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(["t7", "show", path, "--json"]) == 0
    rows = {row["path"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows[".net.weight"]["size"] == [2, 3]
    assert rows[".views[2]"]["shares_storage_with"] == ".views[1]"
    assert rows[".long"]["bytes"] == 300
    (tmp_path / "cut.t7").write_bytes(Path(path).read_bytes()[:100])
    assert main(["t7", "show", str(tmp_path / "cut.t7")]) == 2
    assert "cut.t7, byte " in capsys.readouterr().err
    assert main(["t7", "show", path, "--depth", "-1"]) == 2


def test_a_text_of_characters_is_known_as_such() -> None:
    assert Settings(cell="rnn").cell_title == "RNN"
    assert CHARACTERS == "characters"
