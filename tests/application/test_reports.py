"""`zaremba report`, `zaremba runs`, and the sentences that a training records for them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import chromium

from zaremba_port import PRESETS, Corpus, RunFolder, Settings
from zaremba_port.cli import main
from zaremba_port.completing import draw_samples, prompts_from
from zaremba_port.reports import find_runs, summarize
from zaremba_port.runs import Progress
from zaremba_port.train import train


def quiet(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, corpus: Corpus) -> Path:
    """Runs in all states: done, interrupted, diverged, new, and one that is damaged."""
    folder = tmp_path_factory.mktemp("runs")
    tiny = Settings(rnn_size=6, vocab_size=20, batch_size=4, seq_length=5, max_max_epoch=1)

    def new(name: str, **changes: object) -> RunFolder:
        settings = tiny.with_changes(changes)
        return RunFolder.create(folder / name, settings, corpus.vocabulary, corpus.name)

    train(new("done"), corpus, log=quiet)
    train(new("inner/half", seed=2), corpus, log=quiet, max_steps=30)
    train(new("diverged"), corpus, log=quiet, max_steps=1)
    RunFolder.open(folder / "diverged").add_event("diverged", 1)
    new("new")
    new("damaged")
    (folder / "damaged" / "settings.json").write_text("{")
    return folder


def test_states(folder):
    states = {run.path.name: getattr(run, "state", "damaged") for run in find_runs(folder)}
    assert states == {
        "done": "done",
        "half": "interrupted",
        "diverged": "diverged",
        "new": "new",
        "damaged": "damaged",
    }


def test_a_run_that_is_trained_now_is_running(folder):
    with RunFolder.open(folder / "new").locked():
        assert summarize(folder / "new").state == "running"
    assert summarize(folder / "new").state == "new"


def test_the_list_names_all_runs(folder, capsys):
    assert main(["runs", str(folder)]) == 0
    out = capsys.readouterr().out
    for word in ("done", "half", "diverged", "damaged", "interrupted", "1 of 1"):
        assert word in out
    assert "settings.json" in out  # why the damaged one cannot be read


def test_json_holds_the_numbers_of_the_metrics(folder, capsys):
    assert main(["runs", str(folder), "--json"]) == 0
    runs = {Path(run["run"]).name: run for run in json.loads(capsys.readouterr().out)}
    lines = [
        json.loads(line) for line in (folder / "done" / "metrics.jsonl").read_text().splitlines()
    ]
    (test,) = [line["perplexity"] for line in lines if line.get("split") == "test"]
    (valid,) = [line["perplexity"] for line in lines if line.get("split") == "valid"]
    assert runs["done"]["test_perplexity"] == test
    assert runs["done"]["best_valid_perplexity"] == valid
    assert runs["half"]["test_perplexity"] is None
    assert runs["half"]["step"] == 30
    assert runs["damaged"]["state"] == "damaged"
    assert main(["runs", "show", str(folder / "done"), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["settings"]["rnn_size"] == 6
    assert shown["starts"][0]["torch"] == torch.__version__
    assert shown["starts"][0]["text"] == {"train": 2400, "valid": 320, "test": 160}


def test_show_prints_settings_and_samples(folder, capsys):
    assert main(["runs", "show", str(folder / "done")]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^rnn_size +6$", out, re.MULTILINE)
    assert "epoch 1: # | " in out


def test_the_page_needs_nothing_else(folder, tmp_path):
    page = tmp_path / "report.html"
    runs = [str(folder / name) for name in ("done", "inner/half")]
    assert main(["report", *runs, "-o", str(page)]) == 0
    text = page.read_text("utf-8")
    assert not re.findall(r"(?:src|href)=[\"']?(?!#)", text.replace("xlink:href", ""))
    assert "http" not in re.sub(r'xmlns[:\w]*="[^"]*"', "", text)
    assert text.count("<svg") == 5  # four charts, one network
    assert "var(--run-1)" in text
    assert "#0001" not in text  # no stand-in for a colour is left


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    yield from chromium(tmp_path / "profile", "1200,900")


def test_the_page_in_a_browser(folder, tmp_path, browser):
    page = tmp_path / "report.html"
    assert main(["report", str(folder / "done"), str(folder / "new"), "-o", str(page)]) == 0
    browser.get(page.as_uri())
    assert browser.execute_script("return document.querySelectorAll('figure svg').length") == 5
    wide = "return document.documentElement.scrollWidth <= window.innerWidth"
    assert browser.execute_script(wide)
    heights = "return [...document.querySelectorAll('figure svg')].map(s => s.clientHeight)"
    assert min(browser.execute_script(heights)) > 80
    cells = "return [...document.querySelectorAll('.results td')].map(c => c.textContent)"
    assert summarize(folder / "done").state in browser.execute_script(cells)
    assert not [each for each in browser.get_log("browser") if each["level"] == "SEVERE"]


def test_markdown_has_the_tables_and_pictures(folder, tmp_path):
    assert main(["report", str(folder / "done"), "-o", str(tmp_path / "r.md")]) == 0
    text = (tmp_path / "r.md").read_text("utf-8")
    pictures = re.findall(r"!\[[^]]*\]\(([^)]*)\)", text)
    assert len(pictures) == 5
    assert all((tmp_path / name).read_text().startswith("<svg") for name in pictures)
    assert "var(" not in "".join((tmp_path / name).read_text() for name in pictures)
    assert "| rnn_size | 6 |" in text.replace("\\_", "_")


def test_a_report_takes_the_place_of_a_report_only(folder, tmp_path, capsys):
    run = str(folder / "new")
    page = tmp_path / "page.html"
    assert main(["report", run, "-o", str(page)]) == 0
    assert main(["report", run, "-o", str(page)]) == 0
    page.write_text("my own page")
    assert main(["report", run, "-o", str(page)]) == 2
    assert "--force" in capsys.readouterr().err
    assert page.read_text() == "my own page"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report"], "required: RUN"),
        (["report", ""], "is empty"),
        (["report", "{folder}"], "is not a run folder"),
        (["report", "{folder}/done", "{folder}/done"], "named twice"),
        (["report", "{folder}/done", "-o", "x.pdf"], "ends in .html or .md"),
        (["report", "{folder}/done", "-o", "{folder}/no/x.html"], "there is no folder"),
        (["runs", "{folder}/no"], "does not exist"),
        (["runs", "{folder}/done/train.log"], "is a file"),
        (["runs", ""], "is empty"),
        (["runs", "show"], "show and one run"),
        (["runs", "show", "{folder}"], "is not a run folder"),
        (["runs", "a", "b"], "show and one run"),
        (["train", "x", "--samples", "-1"], "--samples is -1"),
    ],
)
def test_wrong_arguments_are_one_line(folder, capsys, arguments, message):
    assert main([each.format(folder=folder) for each in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_paper_is_beside_its_preset_only(tmp_path, corpus):
    """On another text, the page says that the numbers cannot be compared."""
    from zaremba_port.config import preset
    from zaremba_port.reports import results_table
    from zaremba_port.reports.numbers import results_note

    run = RunFolder.create(tmp_path / "medium", preset("medium"), corpus.vocabulary, corpus.name)
    summary = summarize(run.path)
    assert results_table([summary])[-1][-2:] == ["86.2", "82.7"]
    assert "cannot be compared" in results_note([summary])
    changed = preset("medium").with_changes({"rnn_size": 651})
    other = RunFolder.create(tmp_path / "other", changed, corpus.vocabulary, corpus.name)
    assert len(results_table([summarize(other.path)])) == 2


def samples_in(run: RunFolder) -> list[object]:
    return [line["samples"] for line in run.metrics() if "samples" in line]


def test_samples_are_recorded_and_change_nothing(new_run, corpus):
    """A training with samples ends where one without them does."""
    results: list[Progress] = []
    for number in (0, 2):
        run = new_run(f"samples{number}", max_max_epoch=2, dropout=0.3)
        results.append(train(run, corpus, log=quiet, samples=number))
        assert len(samples_in(run)) == (2 if number else 0)
    assert results[0].test == results[1].test
    for samples in samples_in(run):
        assert [sample["prompt"] for sample in samples] == ["", " ".join(first_words(corpus, 3))]
        for sample in samples:
            assert set(sample["text"].split()) <= set(corpus.vocabulary.words)


def first_words(corpus: Corpus, number: int) -> list[str]:
    return corpus.vocabulary.decode(corpus.valid[:number])


def test_samples_are_drawn_with_a_fixed_seed(new_run, corpus):
    from zaremba_port.evaluate import load_model

    run = new_run("run", max_max_epoch=1)
    train(run, corpus, log=quiet)
    model = load_model(run, "last", device="cpu")
    again = draw_samples(model, run, prompts_from(corpus.valid, run, 3))
    assert [again] == samples_in(run)


def test_samples_of_characters_are_readable(char_run):
    (samples,) = samples_in(char_run)
    assert samples[1]["prompt"].count(" ") >= 1
    assert "_" not in samples[1]["prompt"]


def events_in(folder: Path) -> list[tuple[int, str, float]]:
    """The scalars of TensorBoard's event files, (step, name, value), by their published format.

    A record is its length (8 bytes), a checksum (4), a protocol buffer, and a checksum (4).
    """
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    scalars = []
    for file in sorted(folder.iterdir()):
        data = file.read_bytes()
        while data:
            size = int.from_bytes(data[:8], "little")
            event = event_pb2.Event.FromString(data[12 : 12 + size])
            data = data[16 + size :]
            scalars += [
                (event.step, value.tag, value.simple_value)
                for value in event.summary.value
                if value.HasField("simple_value")
            ]
    return scalars


def test_tensorboard_gets_the_metrics(text_folder, tmp_path):
    pytest.importorskip("tensorboardX")
    sizes = "--rnn_size 6 --vocab_size 20 --batch_size 4 --seq_length 5 --max_max_epoch 1".split()
    run = tmp_path / "run"
    command = ["train", str(run), "--data", str(text_folder), "--device", "cpu", *sizes]
    assert main([*command, "--tensorboard", "--samples", "1"]) == 0
    scalars = events_in(run / "tensorboard")
    for line in RunFolder.open(run).metrics():
        if "split" in line:
            expected = pytest.approx(line["perplexity"], rel=1e-6)
            assert (line["step"], f"perplexity/{line['split']}", expected) in scalars
        elif "lr" in line:
            assert (line["step"], "training/learning_rate", pytest.approx(line["lr"])) in scalars


def test_recording_more_leaves_a_run_its_preset(tmp_path, corpus):
    settings = PRESETS["small"].with_changes({"record_norms": True, "on_nan": "rollback"})
    RunFolder.create(tmp_path / "run", settings, corpus.vocabulary, corpus.name)
    assert summarize(tmp_path / "run").preset == "small"
