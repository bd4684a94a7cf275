"""setDebug and failing backward passes: the node is named and drawn; nothing else changes."""

from __future__ import annotations

import copy
import gc
import shutil
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import pygraph_nn as nngraph
from pygraph_nn import GraphError, nn

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")


class Trouble(Exception):
    """A user's own exception."""


class Fails(torch.autograd.Function):
    """Doubles, and cannot go back."""

    error: Exception = ValueError("cannot go back")

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        raise Fails.error


def fails(x: torch.Tensor) -> torch.Tensor:
    return Fails.apply(x)


def overwrites(x: torch.Tensor) -> torch.Tensor:
    """Autograd refuses to go back through exp, whose value is gone."""
    y = torch.exp(x)
    z = y + 0
    y.zero_()
    return z


def hooked(x: torch.Tensor) -> torch.Tensor:
    y = x + 1

    def hook(_: torch.Tensor) -> None:
        raise ValueError("in a hook")

    y.register_hook(hook)
    return 2 * y


def net(f: Callable[..., Any], name: str | None = None) -> nngraph.gModule:
    """The node `bad` is neither the first nor the last that the backward pass reaches."""
    x = nn.Identity()()
    before = nn.Linear(3, 3)(x)
    bad = nngraph.function(f)(before)
    beside = nn.Tanh()(before)
    after = nn.Sigmoid()(bad)
    nngraph.annotateNodes()
    return nngraph.gModule([x], [nn.CAddTable()([beside, after])], name=name)


t = torch.ones(2, 3)


class Drawings:
    def __init__(self) -> None:
        self.calls: list[tuple[Any, Any, Path]] = []

    def __call__(self, graph: Any, node: Any, path: Path) -> None:
        self.calls.append((graph, node, path))

    def names(self) -> list[str | None]:
        return [node.name for _, node, _ in self.calls]


@pytest.fixture
def drawings(monkeypatch: pytest.MonkeyPatch, in_tmp_path: Path) -> Drawings:
    from pygraph_nn.debug import failures as debug

    drawing = Drawings()
    monkeypatch.setattr(debug._pictures, "draw", drawing)
    return drawing


@pytest.fixture
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def torch7_backward(g: Any) -> None:
    g.backward(t, torch.ones_like(g.forward(t)))


def parameters_alone(g: Any) -> None:
    g.accGradParameters(t, torch.ones_like(g.forward(t)), 0.5)


def inside_a_container(g: Any) -> None:
    torch7_backward(nn.Sequential().add(g))


def inside_a_graph(g: Any) -> None:
    x = nn.Identity()()
    torch7_backward(nngraph.gModule([x], [nn.Tanh()(g(x))]))


def pytorch_backward(g: Any) -> None:
    g(t).sum().backward()


WAYS = [torch7_backward, parameters_alone, inside_a_container, inside_a_graph, pytorch_backward]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("f", [fails, overwrites, hooked])
def test_the_node_is_named_and_drawn_once(f: Any, way: Any, drawings: Drawings) -> None:
    g = net(f)
    with pytest.raises(GraphError) as raised, nngraph.setDebug(True):
        way(g)
    bad = next(node for node in g.forwardnodes if node.name == "bad")
    assert raised.value.node is bad
    assert f"in the backward pass, at <Node 'bad', {f.__name__}" in str(raised.value)
    assert f"declared at {__file__}:" in str(raised.value)
    assert [call[:2] for call in drawings.calls] == [(g, bad)]


def test_without_a_block(drawings: Drawings) -> None:
    nngraph.setDebug(True)
    try:
        for way in WAYS[:-1]:
            with pytest.raises(GraphError, match="at <Node 'bad', fails"):
                way(net(fails))
    finally:
        nngraph.setDebug(False)
    assert drawings.names() == ["bad"] * 4
    with pytest.raises(ValueError, match=r"^cannot go back$"):
        torch7_backward(net(fails))
    assert len(drawings.calls) == 4


def test_an_exception_of_the_users_keeps_its_type(
    drawings: Drawings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fails, "error", Trouble("mine"))
    for way in WAYS:
        with pytest.raises(Trouble) as raised, nngraph.setDebug(True):
            way(net(fails))
        assert "at <Node 'bad'" in "\n".join([str(raised.value), *_notes(raised.value)])
        Fails.error = Trouble("mine")
    assert drawings.names() == ["bad"] * len(WAYS)


def _notes(error: BaseException) -> list[str]:
    return getattr(error, "__notes__", [])


def test_a_gradOutput_that_does_not_fit(drawings: Drawings) -> None:
    g = net(torch.exp)
    with nngraph.setDebug(True):
        g.forward(t)
        with pytest.raises(GraphError, match=r"gradOutput of shape \(5,\)") as raised:
            g.backward(t, torch.ones(5))
    assert raised.value.node is g.outnode.inputs[0]
    assert [call[1] for call in drawings.calls] == [g.outnode.inputs[0]]


def test_other_errors_name_no_node(drawings: Drawings) -> None:
    """After a pass that succeeded, after one whose error was caught, and of another pass."""
    g, bad, unwatched = net(torch.exp), net(fails), net(fails)
    unwatched.forward(t)

    def after_a_success() -> None:
        torch7_backward(g)
        raise ValueError("mine")

    def after_an_error() -> None:
        with pytest.raises(ValueError, match="cannot go back"):
            pytorch_backward(bad)
        raise ValueError("mine")

    def in_a_pass_that_was_not_watched() -> None:
        torch7_backward(g)
        unwatched.backward(t, t)

    for run, message in (
        (after_a_success, r"^mine$"),
        (after_an_error, r"^mine$"),
        (in_a_pass_that_was_not_watched, r"^cannot go back$"),
    ):
        with pytest.raises(ValueError, match=message), nngraph.setDebug(True):
            run()
    assert not drawings.calls


def test_threads_fail_each_on_their_own(drawings: Drawings) -> None:
    both = threading.Barrier(2)
    errors: dict[str, Any] = {}

    def run(name: str, f: Any) -> None:
        g = net(f, name)
        y = g.forward(t)
        both.wait()
        try:
            g.backward(t, y)
        except GraphError as error:
            errors[name] = error

    with nngraph.setDebug(True):
        threads = [threading.Thread(target=run, args=a) for a in (("a", fails), ("b", hooked))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {name: error.node.kind() for name, error in errors.items()} == {
        "a": "fails",
        "b": "hooked",
    }
    assert sorted(str(path) for _, _, path in drawings.calls) == ["a", "b"]


def test_nothing_is_kept_alive(drawings: Drawings) -> None:
    g = net(torch.exp)
    with nngraph.setDebug(True):
        torch7_backward(g)
    alive = weakref.ref(g)
    del g
    gc.collect()
    assert alive() is None


# Looking changes nothing


def with_statistics() -> nngraph.gModule:
    x = nn.Identity()()
    h = nn.Dropout(0.5)(nn.BatchNormalization(3)(nn.Linear(3, 3)(x)))
    return nngraph.gModule([x], [nn.CAddTable()([nn.ReLU(True)(h), x])])


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_a_run_is_the_same(mode: str, drawings: Drawings) -> None:
    """Between passes, a trace and a page; after them, one more pass."""
    torch.manual_seed(0)
    plain = with_statistics()
    getattr(plain, mode)()
    watched = copy.deepcopy(plain)
    input = torch.randn(4, 3)

    def run(g: nngraph.gModule, look: bool) -> list[Any]:
        torch.manual_seed(1)
        results = []
        for step in range(3):
            y = g.forward(input + step)
            if look:
                nngraph.trace(g, input)
                g.html()
            results += [y, g.backward(input + step, y)]
            if look:
                g.html()
                nngraph.trace(g)
        assert g.training == (mode == "train")
        return [*results, *g.state_dict().values(), *(p.grad for p in g.parameters())]

    expected = run(plain, look=False)
    with nngraph.setDebug(True):
        ours = run(watched, look=True)
    assert all(torch.equal(a, b) for a, b in zip(ours, expected, strict=True))
    assert not drawings.calls


def test_a_failing_pass_leaves_all_but_gradients(drawings: Drawings) -> None:
    """The recorded pass stays: another gradOutput, then a page."""
    g = with_statistics()
    input = torch.randn(4, 3)
    with nngraph.setDebug(True):
        y = g.forward(input)
        before = copy.deepcopy(g.state_dict())
        with pytest.raises(GraphError):
            g.backward(input, torch.ones(7))
        g.html()
        with pytest.raises(GraphError):
            nngraph.trace(g, torch.ones(4, 5))
        assert all(torch.equal(before[key], value) for key, value in g.state_dict().items())
        assert torch.equal(g.output, y)
        g.backward(input, y)
        g.html()
    assert len(drawings.calls) == 1


def test_transforms_of_torch_func(drawings: Drawings) -> None:
    g = net(torch.exp)

    def loss(x: torch.Tensor) -> torch.Tensor:
        return g(x).sum()

    hessian = torch.autograd.functional.hessian(loss, t)
    with nngraph.setDebug(True):
        assert torch.equal(torch.func.grad(loss)(t), torch.autograd.functional.jacobian(loss, t))
        assert torch.equal(torch.autograd.functional.hessian(loss, t), hessian)
        with torch.inference_mode():
            g(t)


# The files


@needs_dot
def test_files_of_others_are_not_touched(in_tmp_path: Path) -> None:
    Path("my net.svg").write_text("a user's")
    Path("my net_2.png").write_text("a user's")
    g = net(fails, name="my net")
    for _ in range(2):
        with pytest.raises(GraphError), nngraph.setDebug(True):
            torch7_backward(g)
    files = {path.name for path in in_tmp_path.iterdir()}
    assert files == {"my net.svg", "my net_2.png"} | {
        f"my net_{n}.{kind}" for n in (3, 4) for kind in ("dot", "svg")
    }
    assert Path("my net.svg").read_text() == Path("my net_2.png").read_text() == "a user's"
    for n in (3, 4):
        (red,) = [line for line in Path(f"my net_{n}.dot").read_text().split("\n") if "red" in line]
        assert "bad (" in red
        assert "<svg" in Path(f"my net_{n}.svg").read_text()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("a/../b", "a____b"),
        ("net.svg", "net_svg"),
        ("\0", "_"),
        ("..", "__"),
        ("x" * 300, "x" * 100),
        ("", "nngraph"),
        (" ", "nngraph"),
        ("netz é", "netz é"),
    ],
)
def test_any_name_of_a_graph(name: str, file: str, drawings: Drawings) -> None:
    with pytest.raises(GraphError), nngraph.setDebug(True):
        torch7_backward(net(fails, name=name))
    assert [path for _, _, path in drawings.calls] == [Path(file)]
    assert not list(Path().iterdir())


def test_a_folder_that_cannot_be_written(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: Any, **__: Any) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(Path, "touch", cannot)
    with (
        pytest.warns(UserWarning, match="could not draw nn.gModule: read-only"),
        pytest.raises(GraphError, match="'bad'"),
        nngraph.setDebug(True),
    ):
        torch7_backward(net(fails))


PROCESS = """
import sys
sys.path[:0] = [{package!r}, {tests!r}]
import pygraph_nn as nngraph
from test_backward_failures import fails, net, torch7_backward
nngraph.draw_failures_with(lambda graph, node, path: open(f"{{path}}.dot", "w").write("mine"))
nngraph.setDebug(True)
for _ in range(5):
    try:
        torch7_backward(net(fails, name="net"))
    except nngraph.GraphError:
        pass
"""


def test_processes_do_not_take_the_same_name(in_tmp_path: Path) -> None:
    package, tests = Path(nngraph.__file__).parents[1], Path(__file__).parent
    code = PROCESS.format(package=str(package), tests=str(tests))
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert len(list(in_tmp_path.glob("net*.dot"))) == 10
