"""Cells of one's own: what a run records, and that nothing else is ever loaded in their place."""

from __future__ import annotations

import functools
import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import as_version_0_1

import pygraph_nn as nngraph
from pygraph_nn import nn
from zaremba_port import (
    Corpus,
    Predictor,
    RunFolder,
    Settings,
    UserError,
    complete,
    create_network,
    gru,
    load_model,
    lstm,
    train,
)
from zaremba_port.assignment.diagrams import diagram_source
from zaremba_port.cli.main import main
from zaremba_port.evaluate import run_test, run_valid
from zaremba_port.language_model import TextState
from zaremba_port.runs import describe_cell, draw_curves
from zaremba_port.text import replicate, sequential

ROOT = Path(__file__).parents[2]
NewRun = Callable[..., RunFolder]

CELLS = '''
import functools
import torch
import pygraph_nn as nngraph
from pygraph_nn import nn

def elman(x, prev_h, *, input_size, rnn_size):
    i2h = nn.Linear(input_size, rnn_size)(x)
    h2h = nn.Linear(rnn_size, rnn_size)(prev_h)
    next_h = nn.Tanh()(nn.CAddTable()([i2h, h2h]))
    nngraph.annotateNodes()
    return (next_h,)

def scaled(x, prev_h, scale, *, input_size, rnn_size):
    i2h = nn.Linear(input_size, rnn_size)(x)
    next_h = nn.Tanh()(nn.CAddTable()([i2h, nn.MulConstant(scale)(prev_h)]))
    nngraph.annotateNodes()
    return (next_h,)

half = functools.partial(scaled, scale=0.5)

def lstm(x, prev_c, prev_h, *, input_size, rnn_size):
    """The built-in LSTM but for the order of its gates: its parameters have the same shapes."""
    i2h = nn.Linear(input_size, 4 * rnn_size)(x)
    h2h = nn.Linear(rnn_size, 4 * rnn_size)(prev_h)
    gates = nn.SplitTable(1)(nn.Reshape(4, rnn_size)(nn.CAddTable()([i2h, h2h])))
    transform, input, forget, output = gates.split(4)
    next_c = nn.CAddTable()([
        nn.CMulTable()([nn.Sigmoid()(forget), prev_c]),
        nn.CMulTable()([nn.Sigmoid()(input), nn.Tanh()(transform)]),
    ])
    next_h = nn.CMulTable()([nn.Sigmoid()(output), nn.Tanh()(next_c)])
    nngraph.annotateNodes()
    return next_c, next_h
'''


def quiet(line: str) -> None:
    pass


@pytest.fixture
def cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module `CELLS`, importable as my_cells."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "my_cells.py").write_text(CELLS)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "my_cells", raising=False)
    yield importlib.import_module("my_cells")
    sys.modules.pop("my_cells", None)


class Elman:
    """An Elman cell as an object; `scale` is a constant of its graph."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.calls = 0

    def __call__(self, x: Any, prev_h: Any, *, input_size: int, rnn_size: int) -> Any:
        self.calls += 1
        return self.step(x, prev_h, input_size, rnn_size)

    def step(self, x: Any, prev_h: Any, input_size: int, rnn_size: int) -> Any:
        """Without a star: the sizes are no part of the state."""
        i2h = nn.Linear(input_size, rnn_size)(x)
        old = nn.MulConstant(self.scale)(prev_h)
        return (nn.Tanh()(nn.CAddTable()([i2h, old])),)


def closure(scale: float) -> Any:
    def inner(x: Any, prev_h: Any, *, input_size: int, rnn_size: int) -> Any:
        i2h = nn.Linear(input_size, rnn_size)(x)
        return (nngraph.function(lambda a, b: torch.tanh(a + scale * b))([i2h, prev_h]),)

    return inner


def module_cell(layer: type[nn.Module], *arguments: Any) -> Any:
    """Return a lambda whose graph holds one `layer`."""
    return lambda x, prev_h, *, input_size, rnn_size: (
        layer(*arguments)(
            nn.CAddTable()([nn.Linear(input_size, rnn_size)(x), nn.Identity()(prev_h)])
        ),
    )


# The same kind of cell twice, and once changed
KINDS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "object": (lambda: Elman(2.0), lambda: Elman(3.0)),
    "bound method": (lambda: Elman(2.0).step, lambda: Elman(3.0).step),
    "closure": (lambda: closure(1.0), lambda: closure(1.5)),
    "lambda": (lambda: module_cell(nn.Tanh), lambda: module_cell(nn.Sigmoid)),
    "partial": (
        lambda: functools.partial(closure(1.0)),
        lambda: functools.partial(Elman(1.0).step),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_takes_the_cell_that_it_was_trained_with(
    new_run: NewRun, corpus: Corpus, kind: str
) -> None:
    make, make_other = KINDS[kind]
    run, log = new_run("run"), []
    train(run, corpus, cell=make(), max_steps=6, log=log.append)
    name = json.loads((run.path / "settings.json").read_text())["cell"]
    assert name.partition(":")[0].endswith(__name__)
    assert f"  cell : {name}" in log
    assert f"Creating a RNN {name} network." in log
    for load in (
        lambda cell: Predictor(run.path, cell=cell),
        lambda cell: complete(run.path, ["the"], 3, cell=cell, seed=1),
        lambda cell: load_model(run.path, cell=cell),
        lambda cell: train(
            RunFolder.open(run.path), corpus, resume=True, max_steps=8, cell=cell, log=quiet
        ),
    ):
        for cell, message in (
            (None, "trained with a cell of its own"),
            (make_other(), "was trained with the cell"),
            (lstm, "was trained with the cell"),
            ("gru", "was trained with the cell"),
        ):
            with pytest.raises(UserError, match=message) as refusal:
                load(cell)
            assert name in str(refusal.value)
            assert "\n" not in str(refusal.value)
        load(make())


def test_describing_a_cell_leaves_it_as_it_was(new_run: NewRun, corpus: Corpus) -> None:
    cell = Elman(1.0)
    train(new_run("run", layers=3), corpus, cell=cell, max_steps=1, log=quiet)
    assert cell.calls == 3


def test_describing_a_cell_leaves_the_modules_that_it_uses(tiny: Settings) -> None:
    shared = nn.BatchNormalization(tiny.rnn_size)

    def cell(x: Any, prev_h: Any, *, input_size: int, rnn_size: int) -> Any:
        return (shared(nn.CAddTable()([nn.Linear(input_size, rnn_size)(x), prev_h])),)

    before = {name: value.clone() for name, value in shared.state_dict().items()}
    describe_cell(tiny, cell)
    assert shared.training
    assert all(torch.equal(value, before[name]) for name, value in shared.state_dict().items())


def test_predictions_are_the_cell_s_own_equations(
    new_run: NewRun, corpus: Corpus, cells: Any
) -> None:
    run = new_run("run")
    train(run, corpus, cell=cells.elman, max_steps=40, log=quiet)
    p = run.load_last().parameters
    word = corpus.vocabulary.index["cat"]
    h = [torch.zeros(run.settings.rnn_size) for _ in range(2)]
    for _ in range(2):
        x = p["embedding.weight"][word]
        for layer in (0, 1):
            i2h, h2h = f"elman_{layer + 1}_i2h", f"elman_{layer + 1}_h2h"
            h[layer] = torch.tanh(
                p[f"{i2h}.weight"] @ x + p[f"{i2h}.bias"]
                + p[f"{h2h}.weight"] @ h[layer] + p[f"{h2h}.bias"]
            )  # fmt: skip
            x = h[layer]
    expected = torch.log_softmax(p["h2y.weight"] @ x + p["h2y.bias"], 0)[: len(corpus.vocabulary)]
    for cell in (cells.elman, "my_cells:elman"):
        got = Predictor(run, cell=cell).read_all([word, word])
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_an_own_lstm_is_never_the_built_in_one(new_run: NewRun, corpus: Corpus, cells: Any) -> None:
    run = new_run("run")
    train(run, corpus, cell=cells.lstm, max_steps=40, log=quiet)
    assert run.settings.cell == "my_cells:lstm"
    drawn = diagram_source("network", run.settings, cell=cells.lstm)
    assert "my_cells:lstm" in drawn
    assert "LSTM" not in drawn
    words = corpus.vocabulary.encode(["the", "cat"]).tolist()
    own = Predictor(run, cell=cells.lstm).read_all(words)
    # The parameters of both have the same shapes: the built-in cell computes something else.
    network = create_network(run.settings.with_changes({"cell": "lstm"}), predictions=True)
    with torch.no_grad():
        for name, saved in run.load_last().parameters.items():
            network.get_parameter(name.replace("my_cells_lstm", "lstm")).copy_(saved)
    state = [torch.zeros(1, run.settings.rnn_size) for _ in range(4)]
    for word in words:
        _, state, built_in = network.forward([torch.tensor([word])] * 2 + [state])
    assert not torch.allclose(own, built_in[0, : len(own)], atol=1e-3)
    for wrong in (None, lstm, "lstm"):
        with pytest.raises(UserError, match="my_cells:lstm"):
            Predictor(run, cell=wrong)


def test_a_built_in_cell_needs_no_name_later(new_run: NewRun, corpus: Corpus, cells: Any) -> None:
    run = new_run("run")  # of settings that say lstm
    train(run, corpus, cell=gru, max_steps=4, log=quiet)
    assert RunFolder.open(run.path).settings.cell == "gru"
    assert not (run.path / "cell.json").exists()
    for cell in (None, gru, "gru"):
        assert len(Predictor(run.path, cell=cell).state) == 2
    with pytest.raises(UserError, match="was trained with gru, not with my_cells:elman"):
        Predictor(run.path, cell=cells.elman)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("nn.Tanh()(nn.CAddTable", "nn.Sigmoid()(nn.CAddTable"),
        ("nn.CAddTable()", "nn.CMulTable()"),
        ("[i2h, h2h]", "[h2h, i2h]"),
        ("h2h", "another_name"),  # parameters are saved by name
        ("nn.Tanh()", "nngraph.function(torch.tanh)"),
    ],
)
def test_a_cell_changed_since_is_refused(
    new_run: NewRun, corpus: Corpus, cells: Any, before: str, after: str
) -> None:
    run = new_run("run")
    train(run, corpus, cell=cells.elman, max_steps=2, log=quiet)
    source = Path(cells.__file__)
    start, elman, rest = CELLS.partition("def elman")
    assert before in rest
    source.write_text(start + elman + rest.replace(before, after))
    os.utime(source, (1, 1))  # a file of the same size and second would not be compiled anew
    importlib.reload(cells)
    with pytest.raises(UserError, match="my_cells:elman; it has changed: its graph had"):
        Predictor(run, cell="my_cells:elman")


def test_a_cell_may_move(new_run: NewRun, corpus: Corpus, cells: Any) -> None:
    """Its graph tells that it is the same one."""
    run = new_run("run")
    train(run, corpus, cell=functools.partial(cells.scaled, scale=0.5), max_steps=2, log=quiet)
    assert run.settings.cell == "partial(my_cells:scaled)"
    a = Predictor(run, cell="my_cells:half").read_all([3, 4])
    b = Predictor(run, cell=functools.partial(cells.scaled, scale=0.5)).read_all([3, 4])
    assert torch.equal(a, b)
    train(run, corpus, cell="my_cells:half", resume=True, max_steps=3, log=quiet)
    assert RunFolder.open(run.path).settings.cell == "partial(my_cells:scaled)"


def test_a_name_that_was_written_is_recorded(new_run: NewRun, corpus: Corpus, cells: Any) -> None:
    run, log = new_run("run"), []
    train(run, corpus, cell="my_cells:half", max_steps=2, log=log.append)
    assert RunFolder.open(run.path).settings.cell == "my_cells:half"
    assert log[-1].endswith(f"go on with --resume {run.path} --cell my_cells:half")


def test_loading_a_run_imports_nothing(
    new_run: NewRun,
    corpus: Corpus,
    cells: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = new_run("run")
    train(run, corpus, cell=cells.elman, max_steps=2, log=quiet)
    marker = tmp_path / "imported"
    code = tmp_path / "code" / "a_trap.py"
    code.write_text(
        f"open({str(marker)!r}, 'w')\n\ndef elman(*a, **k): open({str(marker)!r}, 'w')\n"
    )
    as_version_0_1(run.path)  # which has no checksums
    for file in ("settings.json", "cell.json"):
        path = run.path / file
        path.write_text(path.read_text().replace("my_cells:elman", "a_trap:elman"))
    path = str(run.path)
    for arguments in (
        ["evaluate", path], ["complete", path], ["predict-chars", path],
        ["train", "--resume", path], ["diagram", "--run", path],
        ["evaluate", path, "--cell", "my_cells:lstm"],
    ):  # fmt: skip
        assert main(arguments) == 2
        assert "a_trap:elman" in capsys.readouterr().err
    for load in (Predictor, load_model, lambda p: complete(p, ["the"], 2)):
        with pytest.raises(UserError, match="a_trap:elman"):
            load(path)
    with pytest.raises(UserError, match="a_trap:elman is not built in"):
        create_network(RunFolder.open(path).settings)
    assert "a_trap" not in sys.modules
    assert not marker.exists()


def test_a_run_of_version_0_1_0_is_told_by_its_parameters(
    new_run: NewRun, corpus: Corpus, cells: Any
) -> None:
    """Its settings say lstm whatever cell it was trained with."""
    run = new_run("run")
    train(run, corpus, cell=cells.elman, max_steps=4, log=quiet)
    as_version_0_1(run.path)
    (run.path / "cell.json").unlink()
    run.settings.with_changes({"cell": "lstm"}).save(run.path / "settings.json")
    with pytest.raises(UserError, match="only"):
        Predictor(run.path)
    Predictor(run.path, cell=cells.elman)
    old = RunFolder.open(run.path)
    train(old, corpus, cell=cells.elman, resume=True, max_steps=5, log=quiet)
    assert RunFolder.open(run.path).settings.cell == "my_cells:elman"
    assert (run.path / "cell.json").is_file()


DESCRIBE = """
import json, sys, torch
torch.manual_seed(int(sys.argv[1]))
import pygraph_nn
pygraph_nn.manualSeed(int(sys.argv[1]))
import my_cells
from zaremba_port import Settings
from zaremba_port.runs import describe_cell
settings = Settings(rnn_size=7, embedding_size=5)
for cell in (my_cells.elman, my_cells.half, my_cells.lstm):
    print(json.dumps(describe_cell(settings, cell)))
"""


def test_a_description_is_the_same_in_every_process(cells: Any) -> None:
    outputs = []
    for seed in ("1", "2"):
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(cells.__file__).parent)]),
            "PYTHONHASHSEED": seed,
        }
        command = [sys.executable, "-c", DESCRIBE, seed]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    first = json.loads(outputs[0].splitlines()[0])
    assert first == describe_cell(Settings(rnn_size=7, embedding_size=5), cells.elman)
    assert any("nn.Linear(5 -> 7) i2h.weight (7, 5) i2h.bias (7,)" in n for n in first["graph"])


def test_what_a_random_function_computes_is_not_compared(tiny: Settings) -> None:
    def noisy(x: Any, prev_h: Any, *, input_size: int, rnn_size: int) -> Any:
        i2h = nn.Linear(input_size, rnn_size)(x)
        return (nngraph.function(lambda a, b: torch.tanh(a + torch.rand_like(b)))([i2h, prev_h]),)

    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    assert describe_cell(tiny, noisy)["values"] is None
    assert torch.equal(torch.rand(2), expected)  # the generators are left as they were
    assert describe_cell(tiny, closure(1.0))["values"] is not None


def no_tuple(x: Any, prev_h: Any, *, input_size: int, rnn_size: int) -> Any:
    return nn.CAddTable()([x, prev_h])


def too_many(x: Any, prev_h: Any, *, input_size: int, rnn_size: int) -> Any:
    return prev_h, nn.CAddTable()([x, prev_h])


def too_wide(x: Any, prev_h: Any, *, input_size: int, rnn_size: int) -> Any:
    return (nn.JoinTable(1)([x, prev_h]),)


def forgetful(x: Any, prev_h: Any, *, input_size: int, rnn_size: int) -> Any:
    return (nn.Tanh()(x),)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (no_tuple, "returned Node: it must return a tuple of 1 node, (next_h,)"),
        (too_many, "returned (Node, Node)"),
        (too_wide, "a state of shape (2, 16)"),
        (forgetful, "'prev_h'"),
        (lambda x: (x,), "takes no previous state"),
        (lambda x, *prev: (x,), "takes no previous state"),
        (lambda x, prev_h: (prev_h,), "does not fit: got an unexpected keyword argument"),
        (print, "takes no previous state"),
        (3, "expecting a function, got 3"),
        ("xyz", "no cell is called 'xyz' (there are lstm, gru, rnn, package.module:function)"),
        ("cells/my.py:cell", "write cells.my:cell"),
        ("no_such_module:cell", "no_such_module cannot be imported (ModuleNotFoundError"),
        ("my_cells:elmann", "my_cells has no elmann; did you mean 'elman'?"),
        ("my_cells:nn", "nn is no function"),
        ("os:system", "takes no previous state, its signature is (command)"),
    ],
)
def test_what_is_no_cell_is_refused(
    new_run: NewRun, corpus: Corpus, cells: Any, cell: Any, message: str
) -> None:
    run = new_run("run")
    with pytest.raises(UserError, match=re.escape(message)):
        train(run, corpus, cell=cell, log=quiet)
    assert not (run.path / "cell.json").exists()
    assert not (run.path / "train.log").exists()


@pytest.mark.parametrize("name", ["a:", ":b", "a b", "a\n:b", "", 3, None])
def test_what_is_no_name_of_a_cell_is_refused(name: Any) -> None:
    with pytest.raises(UserError, match=r"one of lstm, gru, rnn, or package\.module:function"):
        Settings(cell=name)


def test_curves_name_the_cell(new_run: NewRun, corpus: Corpus, cells: Any) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    run = new_run("run", max_max_epoch=1)
    train(run, corpus, cell=cells.elman, log=quiet)
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        _, svg = draw_curves(run)
    assert "my_cells:elman 2 × 8" in svg.read_text()


def test_a_model_that_was_loaded_measures_as_training_did(
    new_run: NewRun, corpus: Corpus, cells: Any
) -> None:
    run = new_run("run", max_max_epoch=1)
    progress = train(run, corpus, cell=cells.elman, log=quiet)
    for engine in ("fast", "graph"):
        model = load_model(run.path, "last", cell=cells.elman, engine=engine)
        loss = run_test(model, TextState(sequential(corpus.test)))
        assert loss == pytest.approx(progress.test, rel=1e-5)


def test_a_run_is_measured_with_its_cell(new_run: NewRun, corpus: Corpus, cells: Any) -> None:
    run = new_run("run", max_max_epoch=1)
    progress = train(run, corpus, cell=cells.elman, log=quiet)
    text = TextState(sequential(corpus.test))
    valid = TextState(replicate(corpus.valid, run.settings.batch_size))
    for cell in (cells.elman, "my_cells:elman"):
        assert run_test(run.path, text, cell=cell) == pytest.approx(progress.test, rel=1e-5)
        assert run_valid(run, valid, cell=cell) == pytest.approx(progress.best, rel=1e-5)
    for cell in (None, lstm, cells.half):
        with pytest.raises(UserError, match="my_cells:elman"):
            run_test(run, text, cell=cell)
    with pytest.raises(UserError, match="has its cell already"):
        run_test(load_model(run, cell=cells.elman), text, cell=cells.elman)


# The command line


def zaremba(*arguments: str, cwd: Path, input: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command as the installed script does: the current folder is not on the path."""
    script = "import sys; sys.path.pop(0); from zaremba_port.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        input=input,
        timeout=120,
    )


SIZES = "--rnn_size 8 --vocab_size 20 --batch_size 4 --seq_length 5 --max_max_epoch 1".split()


def test_the_command_line(text_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "my_cells.py").write_text(CELLS)
    own = ["--cell", "my_cells:elman"]
    done = zaremba("train", "run", "--data", str(text_folder), *SIZES, *own, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Creating a RNN my_cells:elman network." in done.stdout
    reported = re.findall(r"Test set perplexity : ([\d.]+)", done.stdout)
    commands = (
        ["evaluate", "run", "--which", "last"],
        ["complete", "run", "--argmax"],
        ["train", "--resume", "run", "--max_max_epoch", "2"],
        ["diagram", "--run", "run", "-o", "cell.html"],
        ["diagram", "network", "--run", "run", "-o", "network.html"],
    )
    for command in commands:
        done = zaremba(*command, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(
            "zaremba: run was trained with a cell of its own, my_cells:el"
        )
        assert done.stderr.count("\n") == 1
    outputs = []
    for command in commands:
        done = zaremba(*command, *own, cwd=tmp_path, input="2 the\n")
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    assert f"Test set perplexity : {reported[0]} " in outputs[0]
    assert re.search(r"^the \S+ \S+$", outputs[1], flags=re.MULTILINE)
    assert "Resuming after step 120." in outputs[2]
    for page, name in (("cell.html", "i2h"), ("network.html", "elman 2")):
        text = (tmp_path / page).read_text()
        assert "my_cells:elman" in text
        assert name in text
        assert "forget_gate" not in text


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("nowhere:cell", "zaremba: cell nowhere:cell: nowhere cannot be imported"),
        ("broken:cell", "zaremba: cell broken:cell: broken cannot be imported (SyntaxError"),
        ("broken2:cell", "zaremba: cell broken2:cell: broken2 cannot be imported (SystemExit: 3)"),
        ("my_cells:nothing", "zaremba: cell my_cells:nothing: my_cells has no nothing"),
        ("os:system", "zaremba: cell posix:system takes no previous state"),
        ("elman", "zaremba: cell is 'elman', it must be one of lstm, gru, rnn, or package.module"),
    ],
)
def test_a_wrong_cell_makes_no_folder(
    cell: str,
    message: str,
    text_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "my_cells.py").write_text(CELLS)
    (tmp_path / "broken.py").write_text("def cell(:\n")
    (tmp_path / "broken2.py").write_text("raise SystemExit(3)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert main(["train", "run", "--data", str(text_folder), *SIZES, "--cell", cell]) == 2
    error = capsys.readouterr().err
    assert error.startswith(message)
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()
    assert main(["diagram", "--cell", cell, "-o", "a.html"]) == 2
    assert not (tmp_path / "a.html").exists()
    sys.modules.pop("my_cells", None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--run", "nowhere"], "nowhere is not a run folder"),
        (["--run", "run", "--rnn_size", "3"], "the sizes are those of the run"),
        (["--run", "run", "--preset", "small"], "the sizes are those of the run"),
        (["gru", "--run", "run"], "gru is the GRU cell, the cell of run is lstm"),
    ],
)
def test_wrong_diagrams_of_runs(
    arguments: list[str],
    message: str,
    new_run: NewRun,
    corpus: Corpus,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = new_run("run")
    train(run, corpus, max_steps=1, log=quiet)
    monkeypatch.chdir(run.path.parent)
    assert main(["diagram", *arguments, "-o", "a.html"]) == 2
    assert message in capsys.readouterr().err
    assert main(["diagram", "unrolled", "--run", "run", "-o", "a.html"]) == 0
    assert "LSTM network, 3 steps" in Path("a.html").read_text()
