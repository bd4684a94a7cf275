"""`zaremba grade` from the command line, and with `zaremba predict-chars`."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest

from zaremba_port import Corpus, Model, RunFolder, TextState, create_network
from zaremba_port.assignment.characters import grade
from zaremba_port.cli.main import main
from zaremba_port.evaluate import run_test
from zaremba_port.text import read_character_text, read_tokens, sequential, to_characters


def predict_chars(run: RunFolder) -> list[str]:
    return [sys.executable, "-m", "zaremba_port", "predict-chars", str(run.path)]


def test_predict_chars_gets_the_loss_that_evaluate_measures(char_run: RunFolder) -> None:
    text = read_character_text(Path(char_run.data) / "valid.txt", char_run.vocabulary)
    result = grade(predict_chars(char_run), text, char_run.vocabulary, io.StringIO())
    network = create_network(char_run.settings)
    char_run.load_parameters(network)
    state = TextState(sequential(char_run.vocabulary.encode(text)))
    evaluated = run_test(Model(network, char_run.settings), state)
    assert result.answers == len(text) - 1
    assert not result.failures
    assert result.mean == pytest.approx(evaluated, rel=0, abs=1e-6)


def test_grade_and_evaluate_report_the_same(
    char_run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", str(char_run.path), "--split", "valid", "--mode", "sequential"]
    assert main(command) == 0
    evaluated = capsys.readouterr().out
    text = str(Path(char_run.data) / "valid.txt")
    vocabulary = str(char_run.path / "vocabulary.txt")
    command = ["grade", "--text", text, "--vocabulary", vocabulary, "--", *predict_chars(char_run)]
    assert main(command) == 0
    graded = capsys.readouterr().out.splitlines()
    thousands = len(read_tokens(text)) // 1000
    assert all(graded[n].startswith(f"i = {n + 1}000, ") for n in range(thousands))
    assert graded[thousands].startswith(f"i = {len(read_tokens(text)) - 1}, perplexity = ")
    assert graded[thousands].endswith(", failures = 0")

    def rounded(line: str) -> list[float]:
        return [float(f"{float(n):.5g}") for n in re.findall(r"[0-9]+\.[0-9]+", line)]

    for theirs, ours in zip(graded[-3:], evaluated.splitlines()[1:], strict=True):
        assert rounded(theirs) == pytest.approx(rounded(ours), rel=2e-4)


def test_a_stopped_program_is_a_failed_run(
    char_run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    text = str(Path(char_run.data) / "valid.txt")
    options = ["--text", text, "--vocabulary", str(char_run.path / "vocabulary.txt")]
    assert main(["grade", *options, "--", sys.executable, "-c", "print('OK GO')"]) == 1
    out, err = capsys.readouterr()
    assert err == "zaremba: the program died: ended with exit status 0\n"
    assert "Failed answers, each counted as the uniform distribution: died " in out


def test_without_a_text_it_is_the_treebanks(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []
    monkeypatch.setattr(
        "zaremba_port.text.load_corpus",
        lambda data, log: asked.append(data) or corpus,
    )
    uniform = "print('OK GO', flush=True)\nimport math, sys\nfor line in sys.stdin: "
    uniform += "print(*[-math.log(50)] * 50, flush=True)"
    assert main(["grade", "--", sys.executable, "-c", uniform]) == 0
    assert asked == ["ptb"]
    n = len(list(to_characters(corpus.vocabulary.decode(corpus.valid))))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith(f"i = {n - 1}, perplexity = 3267623601.8")
    assert lines[1].endswith("mean nll = 3.912023, failures = 0")  # log(50)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "write the program to grade after --"),
        (["--"], "write the program to grade after --"),
        (["python", "x.py"], "unexpected argument 'python'"),
        (["--start-limit", "0", "--", "true"], "--start-limit is 0.0, it must be positive"),
        (["--text", "nowhere", "--", "true"], "no such file: nowhere"),
        (["--vocabulary", "nowhere", "--", "true"], "no such file: nowhere"),
    ],
)
def test_bad_options(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grade", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_a_program_that_cannot_be_started(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.txt").write_text("a b \n")
    text = ["--text", str(tmp_path / "text.txt")]
    assert main(["grade", *text, "--", "no-such-program"]) == 2
    assert "cannot start 'no-such-program': No such file" in capsys.readouterr().err
