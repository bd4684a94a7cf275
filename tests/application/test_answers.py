"""The assignment's answers: their claims hold, wrong programs fail them, every format is sound."""

from __future__ import annotations

import copy
import functools
import html.parser
import itertools
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from rich.console import Console

import pygraph_nn as nngraph
from pygraph_nn import nn
from zaremba_port import Model, model
from zaremba_port.assignment.answers import (
    ANSWERS,
    Answer,
    ClaimFailed,
    checks,
    gru,
    markdown,
    print_answer,
    q1,
    q2,
    q6,
    warm_up,
)
from zaremba_port.assignment.answers import answer as answer_module
from zaremba_port.cli.main import main

ROOT = Path(__file__).parents[2]
NAMES = list(ANSWERS)
PICTURES = {"q1": 2, "q2": 1, "q3": 1, "q7": 1, "warm-up": 1, "gru": 1}


@pytest.fixture(scope="module")
def answers() -> dict[str, Answer]:
    return {name: make() for name, make in ANSWERS.items()}


@pytest.fixture
def computed_once(answers: dict[str, Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command use the answers that are computed already."""
    for name, answer in answers.items():
        monkeypatch.setitem(ANSWERS, name, lambda answer=answer: answer)


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the output of `zaremba answers`."""
    assert main(["answers", *arguments]) == 0
    return capsys.readouterr().out


# From the command line


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_as_text(
    name: str, answers: dict[str, Answer], capsys: pytest.CaptureFixture[str]
) -> None:
    answer, text = answers[name], command(capsys, name)
    assert text.startswith(f"{answer.title}\n====")
    assert "    ✓ " in text
    assert "\x1b" not in text
    for section in answer.sections:
        assert f"\n{section.heading}\n---" in text
        for line in (*section.code.splitlines(), *section.output.splitlines()):
            assert f"    {line}\n" in text or not line
    assert text.count("[picture") == PICTURES.get(name, 0)


def test_text_for_a_terminal_has_colours(answers: dict[str, Answer]) -> None:
    console = Console(force_terminal=True, width=60, highlight=False, color_system="standard")
    with console.capture() as captured:
        print_answer(answers["q2"], console)
    text = captured.get()
    assert "\x1b[1m" in text
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    prose = plain[: plain.index("The paper's equations and the cell")]
    assert max(map(len, prose.splitlines())) <= 60


@pytest.mark.usefixtures("computed_once")
def test_markdown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "new folder" / "the answers.md"
    assert "9 answers in" in command(capsys, "-o", str(file))
    text = file.read_text(encoding="utf-8")
    assert text.count("\n## ") == 9
    links = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert len(links) == sum(PICTURES.values())
    for link in links:
        assert " " not in link
        assert (file.parent / unquote(link)).read_text(encoding="utf-8").count("<svg") == 1
    assert text.count("```") % 2 == 0

    printed = command(capsys, "q1", "q5", "--markdown")
    assert printed.count("(A picture is here when") == 2
    assert printed.count("\n## ") == 2


class Page(html.parser.HTMLParser):
    """Collects the ids, links and tags of a page, and checks that tags nest."""

    VOID = frozenset({"meta", "link", "br", "img", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.handle_startendtag(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if name in ("src", "href", "xlink:href", "data"):
                self.links.append(str(value))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.usefixtures("computed_once")
def test_html(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "answers.html"
    command(capsys, "-o", str(file))
    assert [path.name for path in tmp_path.iterdir()] == ["answers.html"]
    text = file.read_text(encoding="utf-8")
    page = Page(text)
    assert page.tags.count("svg") == sum(PICTURES.values())
    assert page.tags.count("article") == 9
    assert len(page.ids) == len(set(page.ids))
    assert {f"#{name}" for name in NAMES} == set(page.links)
    assert not {"link", "script", "img", "iframe"} & set(page.tags)
    assert "@import" not in text
    assert "url(" not in text
    assert "prefers-color-scheme: dark" in text


def test_html_to_the_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(capsys, "gru", "--html").count("<svg") == 1
    assert command(capsys, "gru", "--markdown").count("(A picture is here when") == 1


def test_without_the_program_dot_the_answers_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    command(capsys, "q1", "-o", str(tmp_path / "q1.md"))
    text = (tmp_path / "q1.md").read_text(encoding="utf-8")
    assert text.count("*(No picture of: ") == 2
    assert "graphviz" in text
    assert "both graphs compute the same numbers" in text
    text = command(capsys, "q1", "--html")
    assert "<svg" not in text
    assert text.count("No picture: Graphviz") == 2
    Page(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["q8"], "no answer is called 'q8'; did you mean 'q7'? (there are q1, q2,"),
        (["q1", "warmup"], "no answer is called 'warmup'; did you mean 'warm-up'?"),
        (["--html", "--markdown"], "choose one"),
        (["q2", "--sizes", "1", "2", "3"], "--sizes is for q1"),
        (["q1", "--sizes", "1", "0", "3"], "each must be at least 1"),
        (["q1", "--sizes", "1", "2"], "expected 3 arguments"),
        (["q1", "-o", "."], "is a folder"),
        (["q1", "-o", "/dev/null/x.md"], "cannot write"),
        (["--htlm"], "no option is called --htlm; did you mean '--html'?"),
    ],
)
def test_bad_arguments(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["answers", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_sizes_of_question_1(capsys: pytest.CaptureFixture[str]) -> None:
    text = command(capsys, "q1", "--sizes", "6", "5", "9", "--markdown")
    assert "compare(batch=6, size=5, width=9)" in text
    assert re.search(r"^dW +5 x 9 ", text, re.MULTILINE)
    assert re.search(r"^dx3 +6 x 9 ", text, re.MULTILINE)


# The content of the answers


def test_the_code_shown_is_python_and_prints_what_stands_below(answers: dict[str, Answer]) -> None:
    for name, answer in answers.items():
        source = (ROOT / f"zaremba_port/assignment/answers/{name.replace('-', '_')}.py").read_text()
        source += (ROOT / "zaremba_port/model.py").read_text()
        for section in answer.sections:
            parts = section.code.split("\n\n\n")
            if section.output:
                assert re.fullmatch(r"\w+\(.*\)", parts.pop())
            assert all(part in source for part in parts)
            compile(section.code, name, "exec")
        assert any("✓" in section.output for section in answer.sections)


def test_the_answers_are_always_the_same(answers: dict[str, Answer]) -> None:
    torch.manual_seed(7)
    nngraph.manualSeed(7)
    before = torch.get_rng_state(), nngraph.torch7_random.getRNGState().to_bytes()
    for name, make in ANSWERS.items():
        again = make()
        assert [s.output for s in again.sections] == [s.output for s in answers[name].sections]
    assert torch.equal(torch.get_rng_state(), before[0])
    assert nngraph.torch7_random.getRNGState().to_bytes() == before[1]


NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?")


def test_the_page_in_docs_is_not_stale(answers: dict[str, Answer]) -> None:
    """Numbers may differ by the rounding of the machine."""
    file = ROOT / "docs/answers.md"
    now = markdown(answers, lambda name, svg: f"{file.stem}_pictures/{name}.svg")
    stored = file.read_text(encoding="utf-8")
    drawn = re.compile(r"^!\[.*\n\n\*.*\*\n|^\*\(No picture.*\n", re.MULTILINE)
    stored_lines, lines = (drawn.sub("", text).splitlines() for text in (stored, now))
    advice = "make it anew: zaremba answers --markdown -o docs/answers.md"
    for old, new in itertools.zip_longest(stored_lines, lines, fillvalue=""):
        assert NUMBER.sub("0", old).split() == NUMBER.sub("0", new).split(), advice
        for a, b in zip(NUMBER.findall(old), NUMBER.findall(new), strict=True):
            assert math.isclose(float(a), float(b), rel_tol=1e-4, abs_tol=1e-6), advice
    for link in re.findall(r"!\[.*?\]\((.*?)\)", stored):
        assert (file.parent / link).is_file()


# The references of the answers, compared with a third party


def test_the_equations_of_question_2_are_those_of_pytorch_s_cell() -> None:
    cell = torch.nn.LSTMCell(5, 5, dtype=torch.float64)
    x, h, c = torch.randn(3, 4, 5, dtype=torch.float64)
    with torch.no_grad():
        next_h, next_c = cell(x, (h, c))
    W = torch.cat([cell.weight_ih, cell.weight_hh], dim=1).detach()  # rows i, f, g, o
    b = (cell.bias_ih + cell.bias_hh).detach()
    order = torch.arange(20).view(4, 5)[[0, 1, 3, 2]].flatten()
    terms = q2.paper(x.numpy(), h.numpy(), c.numpy(), W[order].numpy(), b[order].numpy())
    assert checks.max_difference(terms["h"], next_h) < 1e-14
    assert checks.max_difference(terms["c"], next_c) < 1e-14


def test_the_equations_of_the_gru_unit_by_unit() -> None:
    g = gru.cell(2, 3).double()
    weights = {name: value.tolist() for name, value in g.named_parameters()}
    x, h = [0.3, -1.2], [0.7, -0.1, 0.4]

    def affine(name: str, row: int, values: list[float]) -> float:
        products = (w * v for w, v in zip(weights[f"{name}.weight"][row], values, strict=True))
        return sum(products) + weights[f"{name}.bias"][row]

    def sigmoid(value: float) -> float:
        return 1 / (1 + math.exp(-value))

    r = [sigmoid(affine("i2h", 3 + k, x) + affine("h2h", 3 + k, h)) for k in range(3)]
    gated = [a * b for a, b in zip(r, h, strict=True)]
    terms = gru.equations(g, np.array([x]), np.array([h]))
    for k in range(3):
        z = sigmoid(affine("i2h", k, x) + affine("h2h", k, h))
        candidate = math.tanh(affine("i2h", 6 + k, x) + affine("h_candidate", k, gated))
        assert terms["h'"][0, k] == pytest.approx(z * candidate + (1 - z) * h[k], abs=1e-14)


def test_the_right_side_of_question_1_is_autograd_s() -> None:
    g = q1.from_linear(3, 4).double()
    data = q1.random_data(2, 3, 4)
    x1, x2, x3 = (data[name].clone().requires_grad_() for name in ("x1", "x2", "x3"))
    W, b = (p.detach().clone().requires_grad_() for p in g.parameters())
    z = x1 + x2 * torch.nn.functional.linear(x3, W, b)
    z.backward(data["dz"])
    expected = {"z": z.detach(), "dx1": x1.grad, "dx2": x2.grad, "dx3": x3.grad}
    expected |= {"dW": W.grad, "db": b.grad}
    for name, value in q1.by_hand(g, data).items():
        assert checks.max_difference(value, expected[name]) < 1e-14


def test_numeric_gradient() -> None:
    x = torch.tensor([[0.5, -1.0, 2.0]], dtype=torch.float64)
    gradient = checks.numeric_gradient(lambda: (x**3).sum().item(), x)
    assert checks.max_difference(gradient, 3 * x**2) < 1e-8
    assert x.tolist() == [[0.5, -1.0, 2.0]]


def test_the_rates_of_question_6() -> None:
    settings = model.Settings(lr=1.0, decay=2.0, max_epoch=2, max_max_epoch=6)
    assert q6.rates(settings) == [1, 1, 1, 0.5, 0.25, 0.125]


def test_a_claim_that_fails_raises() -> None:
    with pytest.raises(ClaimFailed, match="does not: one is two"):
        checks.claim("one is two", 1 == 2)
    with pytest.raises(ClaimFailed, match="shapes differ"):
        checks.max_difference(np.zeros(2), np.zeros(3))
    with pytest.raises(ClaimFailed):
        checks.claim("not a number is small", checks.max_difference([math.nan], [0.0]) < 1)


# Wrong programs


def lstm_with_a_sign_error(
    x: Any, prev_c: Any, prev_h: Any, *, input_size: int, rnn_size: int
) -> Any:
    next_c, next_h = model.lstm(x, prev_c, prev_h, input_size=input_size, rnn_size=rnn_size)
    return next_c, nn.MulConstant(-1)(next_h)


lstm_with_a_sign_error.__name__ = "lstm"  # after which create_network names its parts


def gru_with_gates_exchanged(x: Any, prev_h: Any, *, input_size: int, rnn_size: int) -> Any:
    i2h = nn.Linear(input_size, 3 * rnn_size)(x)
    x_reset, x_update, x_candidate = nn.SplitTable(1)(nn.Reshape(3, rnn_size)(i2h)).split(3)
    h2h = nn.Linear(rnn_size, 2 * rnn_size)(prev_h)
    h_reset, h_update = nn.SplitTable(1)(nn.Reshape(2, rnn_size)(h2h)).split(2)
    update_gate = nn.Sigmoid()(nn.CAddTable()([x_update, h_update]))
    reset_gate = nn.Sigmoid()(nn.CAddTable()([x_reset, h_reset]))
    h_candidate = nn.Linear(rnn_size, rnn_size)(nn.CMulTable()([reset_gate, prev_h]))
    candidate = nn.Tanh()(nn.CAddTable()([x_candidate, h_candidate]))
    keep = nn.AddConstant(1)(nn.MulConstant(-1)(update_gate))
    new, old = nn.CMulTable()([update_gate, candidate]), nn.CMulTable()([keep, prev_h])
    next_h = nn.CAddTable()([new, old])
    nngraph.annotateNodes()
    return (next_h,)


def fp_that_zeroes_first(self: Model, state: Any) -> float:
    """Wrap around with zeros, which the original does not do."""
    if state.pos + self.settings.seq_length + 1 > len(state.data):
        self.reset_state(state)
    return original_fp(self, state)


original_fp, original_bp = Model.fp, Model.bp


def bp_with_momentum(self: Model, state: Any, lr: float) -> None:
    original_bp(self, state, lr)
    velocity = 0.9 * getattr(self, "velocity", 0) + self.paramdx
    self.paramx.add_(velocity - self.paramdx)
    self.velocity = velocity  # type: ignore[attr-defined]


def bp_with_each_number_limited(self: Model, state: Any, lr: float) -> None:
    before, limit = self.paramx.clone(), self.settings.max_grad_norm / 10
    self.settings = self.settings.with_changes({"max_grad_norm": 1e9})
    original_bp(self, state, lr)
    self.paramx.copy_(before + lr * (self.paramdx / lr).clamp(-limit, limit))


def bp_that_forgets_ds(self: Model, state: Any, lr: float) -> None:
    original_bp(self, state, lr)
    self.reset_ds()


def bp_that_allocates_anew(self: Model, state: Any, lr: float) -> None:
    self.dpred = None
    original_bp(self, state, lr)


original_train = q6.train


def train_that_decays_early(run: Any, corpus: Any, **more: Any) -> Any:
    earlier = {"max_epoch": run.settings.max_epoch - 1}
    run.settings = run.settings.with_changes(earlier)
    return original_train(run, corpus, **more)


def clones_that_share_nothing(net: Any, T: int) -> list[Any]:
    return [copy.deepcopy(net) for _ in range(T)]


class NoSquare(nn.Square):
    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return input


MISTAKES: list[tuple[str, object, str, Callable[..., Any]]] = [
    ("q1", nn.CMulTable, "updateOutput", lambda self, input: sum(input)),
    ("q2", q2, "lstm", lstm_with_a_sign_error),
    ("q2", q2, "create_network", lambda s: model.create_network(s, cell=lstm_with_a_sign_error)),
    ("q3", nngraph, "clone_many_times", clones_that_share_nothing),
    ("q4", Model, "fp", fp_that_zeroes_first),
    ("q4", Model, "bp", bp_that_forgets_ds),
    ("q5", Model, "bp", bp_with_each_number_limited),
    ("q6", Model, "bp", bp_with_momentum),
    ("q6", q6, "train", train_that_decays_early),
    ("q7", Model, "bp", bp_that_allocates_anew),
    ("q7", torch, "zeros_like", torch.ones_like),
    ("warm-up", warm_up.nn, "Square", NoSquare),
    ("gru", model, "gru", gru_with_gates_exchanged),
]


@pytest.mark.parametrize(("name", "place", "attribute", "mistake"), MISTAKES)
def test_a_wrong_program_is_noticed(
    name: str,
    place: object,
    attribute: str,
    mistake: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(place, attribute, mistake)
    assert main(["answers", name]) == 1
    assert capsys.readouterr().err.startswith(f"zaremba: {name}: this should hold and does not: ")


# The parts of an answer


def test_a_call_is_shown_with_its_arguments() -> None:
    def add(a: int, b: int = 0) -> None:
        print(a + b)

    sum = answer_module.section("Sum", "Text.", run=functools.partial(add, 1, b=2))
    assert sum.code.endswith("\n\n\nadd(1, b=2)")
    assert sum.output == "3"
