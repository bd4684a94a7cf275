"""`zaremba answers --student`: a notebook whose checks count the claims that hold."""

from __future__ import annotations

import contextlib
import inspect
import io
import json
from pathlib import Path
from typing import Any

import pytest

from zaremba_port import UserError
from zaremba_port.assignment.answers import ANSWERS
from zaremba_port.assignment.answers.lab import check
from zaremba_port.cli.main import main

NAMES = ["q1", "q2", "warm-up"]


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("lab") / "lab.ipynb"
    assert main(["answers", "--student", *NAMES, "-o", str(path)]) == 0
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def run(notebook: dict[str, Any], solutions: dict[str, str]) -> dict[str, Any]:
    """Run the cells one by one, as Jupyter does, with solutions in some; return the grades."""
    names: dict[str, Any] = {}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    with contextlib.redirect_stdout(io.StringIO()):
        for cell, after in zip(cells, [*cells[1:], cells[-1]], strict=True):
            source = cell["source"]
            if cell["metadata"].get("tags") == ["answer"]:
                name = after["source"].split("'")[1]
                source = solutions.get(name, source)
            future = "from __future__ import annotations\n"
            exec(compile(future + source.replace(future, ""), "cell", "exec"), names)
        grades: dict[str, Any] = names["report"]()
    return {name: grades[name] for name in NAMES}


def solution(name: str) -> str:
    return "\n\n".join(map(inspect.getsource, ANSWERS[name]().exercise))


def test_an_empty_notebook_earns_nothing(notebook: dict[str, Any]) -> None:
    grades = run(notebook, {})
    assert [grade.holds for grade in grades.values()] == [0] * 3
    assert all(grade.claims > 0 for grade in grades.values())


def test_the_solutions_earn_every_claim(notebook: dict[str, Any]) -> None:
    grades = run(notebook, {name: solution(name) for name in NAMES})
    assert all(grade.holds == grade.claims for grade in grades.values())


def test_a_wrong_function_earns_less(notebook: dict[str, Any]) -> None:
    wrong = solution("q1").replace('"dx2": dz * linear', '"dx2": dz + linear')
    grades = run(notebook, {"q1": wrong, "q2": solution("q2")})
    assert 0 <= grades["q1"].holds < grades["q1"].claims
    assert grades["q2"].holds == grades["q2"].claims


def test_the_notebook_holds_no_solution(notebook: dict[str, Any]) -> None:
    text = json.dumps(notebook)
    assert "CMulTable()" not in text
    assert ANSWERS["q2"]().short not in text
    assert notebook["nbformat"] == 4
    assert all(cell["outputs"] == [] for cell in notebook["cells"] if cell["cell_type"] == "code")


def test_an_unknown_function_is_refused() -> None:
    def other() -> None: ...

    with pytest.raises(UserError, match="q5 has no exercise other: it has step_with"):
        check("q5", other)


def test_short_answers_are_one_sentence_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["answers", "--short", "q2", "warm-up"]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) < 20
    assert "`prev_h` is hₜ₋₁ˡ" in " ".join(out.split())
    for ending, mark in (("html", "<b><code>i</code> is"), ("md", "**`i` is")):
        path = tmp_path / f"short.{ending}"
        assert main(["answers", "--short", "q2", "-o", str(path)]) == 0
        text = path.read_text(encoding="utf-8")
        assert mark in text
        assert "def paper" not in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--student", "--short"], "leave --short out"),
        (["--student", "-o", "lab.html"], "ends in .ipynb"),
        (["--student", "-o", "nowhere/lab.ipynb"], "there is no folder nowhere"),
    ],
)
def test_mistakes(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["answers", "q5", *arguments]) == 2
    assert said in capsys.readouterr().err
