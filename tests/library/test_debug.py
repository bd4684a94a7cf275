"""setDebug, detect_anomaly, observers, and annotateNodes."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

import pygraph_nn as nngraph
from pygraph_nn import nn


def bad_net() -> nngraph.gModule:
    x = nn.Identity()()
    fits = nn.Linear(3, 4)(x)
    does_not = nn.Linear(5, 2)(fits)
    nngraph.annotateNodes()
    return nngraph.gModule([x], [nn.Tanh()(does_not)], name="my bad net")


@pytest.fixture
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_the_failing_node_is_red(in_tmp_path: Path) -> None:
    g = bad_net()
    with nngraph.setDebug(True), pytest.raises(nngraph.GraphError) as raised:
        g.forward(torch.ones(2, 3))
    message = str(raised.value)
    assert "'does_not', nn.Linear(5 -> 2)" in message
    assert f"declared at {__file__}:" in message
    assert "my bad net, which got (2, 4) there" in message
    red = [line for line in Path("my bad net.dot").read_text().splitlines() if "red" in line]
    assert len(red) == 1
    assert "does_not" in red[0]
    assert "<svg" in Path("my bad net.svg").read_text()
    assert all("graphAttributes" not in node.annotations for node in g.forwardnodes)


def test_the_failed_node_keeps_its_annotations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Red precedes the node's own colour, and another drawing at the same time shows no red."""
    from pygraph_nn.pictures import failure

    g = bad_net()
    node = g.outnode.inputs[0].inputs[0]
    node.annotate(graphAttributes={"color": "blue", "penwidth": "3"})
    before = g.dot(style="nngraph").source
    sources: list[str] = []

    def write_files(drawing: Any, path: Path) -> None:
        assert g.dot(style="nngraph").source == before
        sources.append(drawing.source)

    monkeypatch.setattr(failure, "write_files", write_files)
    failure.draw_failure(g, node, Path("unused"))
    (line,) = [line for line in sources[0].splitlines() if "does_not" in line]
    assert "color=red fillcolor=red penwidth=3 style=filled" in line
    assert "red" not in before
    assert g.dot(style="nngraph").source == before


class Drawings:
    """Collects the calls that would draw."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, Any, Path]] = []

    def __call__(self, graph: Any, node: Any, path: Path) -> None:
        self.calls.append((graph, node, path))


@pytest.fixture
def drawings(monkeypatch: pytest.MonkeyPatch) -> Drawings:
    from pygraph_nn.debug import failures as debug

    drawing = Drawings()
    monkeypatch.setattr(debug._pictures, "draw", drawing)
    return drawing


def fail(g: nngraph.gModule) -> None:
    with pytest.raises(nngraph.GraphError):
        g(torch.ones(2, 3))


def test_set_and_unset(drawings: Drawings) -> None:
    g = bad_net()
    fail(g)
    nngraph.setDebug(True)
    try:
        fail(g)
        with nngraph.setDebug(False):
            fail(g)
        thread = threading.Thread(target=fail, args=[g])
        thread.start()
        thread.join()
    finally:
        nngraph.setDebug(False)
    fail(g)
    assert [path for _, _, path in drawings.calls] == [Path("my bad net")] * 2
    assert drawings.calls[0][:2] == (g, g.outnode.inputs[0].inputs[0])


def test_the_innermost_graph_is_drawn_once(drawings: Drawings) -> None:
    inner, x = bad_net(), nn.Identity()()
    outer = nngraph.gModule([x], [inner(x)])
    with nngraph.setDebug(True):
        fail(outer)
    assert [graph for graph, _, _ in drawings.calls] == [inner]


def test_a_picture_that_fails_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from pygraph_nn.debug import failures as debug

    def cannot(*_: Any) -> None:
        raise OSError("no room")

    monkeypatch.setattr(debug._pictures, "draw", cannot)
    with nngraph.setDebug(True), pytest.warns(UserWarning, match="no room"):
        fail(bad_net())


# The first NaN


def logarithm() -> nngraph.gModule:
    x = nn.Identity()()
    scaled = nn.MulConstant(2)(x)
    logged = nngraph.function(torch.log)(scaled)
    squashed = nn.Tanh()(logged)
    nngraph.annotateNodes()
    return nngraph.gModule([x], [squashed])


@pytest.mark.parametrize(("value", "kind"), [(-1.0, "NaN"), (0.0, "infinity")])
def test_forward(value: float, kind: str) -> None:
    g, x = logarithm(), torch.tensor([[1.0, value]])
    g.forward(x)
    with nngraph.detect_anomaly(), pytest.raises(nngraph.GraphError) as raised:
        g.forward(x)
    message = str(raised.value)
    assert message.startswith(f"{kind} in the output of a node\n")
    assert "<Node 'logged', log, declared at" in message
    assert __file__ in message
    assert f"input: (1, 2) of float32, from {2 * value:.4g} to 2" in message
    assert f"1 of 2 {'NaN' if kind == 'NaN' else 'infinite'}" in message
    g.forward(x)


def test_backward() -> None:
    x = nn.Identity()()
    root = nngraph.function(torch.sqrt)(x)
    other = nn.Tanh()(x)
    nngraph.annotateNodes()
    g = nngraph.gModule([x], [nn.MulConstant(3)(root), other])
    at, ones = torch.tensor([4.0, 0.0]), torch.ones(2)
    with nngraph.detect_anomaly():
        g.forward(at)
        with pytest.raises(nngraph.GraphError) as raised:
            g.backward(at, [ones, ones])
    message = str(raised.value)
    assert message.startswith("infinity in the backward pass, in the gradient of its input")
    assert "<Node 'root', sqrt, declared at" in message
    assert "gradient: (2,) of float32, from 0.75 to 0.75" in message
    # The gradient of the other element is right.
    g.forward(at)
    assert g.backward(at, [ones, ones])[0].item() == pytest.approx(
        0.75 + 1 - torch.tanh(at[0]) ** 2
    )


def test_backward_to_a_parameter() -> None:
    x = nn.Identity()()
    scale = torch.nn.Linear(1, 1)
    torch.nn.init.zeros_(scale.weight)
    torch.nn.init.zeros_(scale.bias)
    rooted = x - nngraph.module(scale) - nngraph.function(torch.sqrt)
    g = nngraph.gModule([x], [rooted])
    with nngraph.detect_anomaly(), pytest.raises(nngraph.GraphError, match=r"sqrt, declared"):
        g(torch.ones(1, 1)).sum().backward()


class NaNForWeight(torch.autograd.Function):
    """Multiplies by `weight`; the gradient of the weight alone is NaN."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return x * weight.detach()

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        return grad, torch.full((1,), float("nan"))


class BadWeight(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def updateOutput(self, input: torch.Tensor) -> Any:
        return NaNForWeight.apply(input, self.weight)


def test_backward_to_a_parameter_alone() -> None:
    x = nn.Identity()()
    g = nngraph.gModule([x], [BadWeight()(x).annotate(name="bad")])
    with nngraph.detect_anomaly():
        g.forward(torch.ones(2))
        with pytest.raises(nngraph.GraphError, match=r"its parameter weight(.|\n)*'bad'"):
            g.backward(torch.ones(2), torch.ones(2))
    parameter = next(g.parameters())
    assert not parameter._backward_hooks


def test_from_outside() -> None:
    g, x = logarithm(), torch.ones(1, 2)
    with nngraph.detect_anomaly():
        with pytest.raises(nngraph.GraphError, match=r"came from outside(.|\n)*<Node 'x'"):
            g.forward(torch.tensor([[1.0, float("nan")]]))
        g.forward(x)
        with pytest.raises(nngraph.GraphError, match=r"from outside(.|\n)*<Node 'squashed'"):
            g.backward(x, torch.full((1, 2), float("inf")))


def test_sound_runs_are_as_without(float64_default: None) -> None:
    x = nn.Identity()()
    h = nn.ReLU(True)(nn.Linear(3, 4)(x))
    a, b = nngraph.nest([h, nn.Dropout(0.5, False, True)(nn.Linear(3, 4)(x))]).split(2)
    g = nngraph.gModule([x], [nn.CAddTable()([a, b]), nn.LogSoftMax()(a)])
    at, grads = torch.randn(2, 3), [torch.randn(2, 4), torch.randn(2, 4)]
    results = []
    for context in (nngraph.detect_anomaly(), nngraph.setDebug(False)):
        torch.manual_seed(1)
        g.zeroGradParameters()
        with context:
            output = g.forward(at)
            gradient = g.backward(at, grads)
        results.append([*output, gradient, *[p.grad.clone() for p in g.parameters()]])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_nested_graphs_are_searched() -> None:
    inner, x = logarithm(), nn.Identity()()
    g = nngraph.gModule([x], [inner(x)])
    with nngraph.detect_anomaly(), pytest.raises(nngraph.GraphError, match="'logged', log"):
        g.forward(-torch.ones(2))


def test_observers_see_their_thread_alone() -> None:
    seen: list[Any] = []

    class Watch(nngraph.Observer):
        def after(self, graph: Any, node: Any, input: Any, output: Any) -> None:
            seen.append(node.name)

    g = logarithm()
    with nngraph.observing(Watch()):
        thread = threading.Thread(target=g, args=[torch.ones(2)])
        thread.start()
        thread.join()
        assert not seen
        g(torch.ones(2))
    g(torch.ones(2))
    assert [name for name in seen if name] == ["x", "scaled", "logged", "squashed"]


# Names


def test_annotateNodes_of_callers() -> None:
    def helper() -> None:
        nngraph.annotateNodes(2)

    inner_node = nn.Identity()()
    helper()
    assert inner_node.name == "inner_node"
    renamed = inner_node
    nngraph.annotateNodes()
    assert renamed.name == "inner_node"
