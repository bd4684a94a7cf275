"""gModule against nngraph: orders, ids, parameters, values and gradients of the golden graphs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers import (
    DTYPES,
    assert_close,
    default_dtype,
    exists,
    golden,
    golden_names,
    needs_golden,
    run_lua,
    value,
)

import pygraph_nn as nngraph
from pygraph_nn import nn

NAMES = [
    name for name in golden_names("graphs") if exists(golden("graphs", f"{name}.json")["code"])
]
# Torch7 itself is wrong on these (see the golden README); the tests below check their values.
WRONG_IN_TORCH7 = {"same_module_twice", "zero_one_element_bypass"}


def build(case: dict[str, Any]) -> tuple[Any, Any]:
    nngraph.manualSeed(case["seed"])
    space = run_lua(case["code"])
    return space["g"], space.get("net", space["g"])


def kind(g: Any, node: nngraph.Node) -> str:
    if node.module is not None:
        return (
            "nn.gModule" if isinstance(node.module, nngraph.gModule) else node.module.torch7_name()
        )
    if node.nSplitOutputs:
        return "split"
    return "none" if node.selectindex is None else "select"


@pytest.mark.parametrize("name", NAMES)
def test_structure(name: str) -> None:
    case = golden("graphs", f"{name}.json")
    g, _ = build(case)
    graph = case["graph"]
    place = {id(node): i + 1 for i, node in enumerate(g.forwardnodes)}
    assert str(g) == case["tostring"]
    assert g.nInputs == case["nInputs"]
    assert [kind(g, node) for node in g.forwardnodes] == [n["kind"] for n in graph["forwardnodes"]]
    for node, theirs in zip(g.forwardnodes, graph["forwardnodes"], strict=True):
        assert [place[id(child)] for child in g.fg.children(node)] == theirs["children"]
        assert [place[id(source)] for source in node.inputs] == theirs["inputs_in_order"]
        assert g.fg.id(node) + 1 == theirs["fg_id"]
        assert node.name == theirs.get("name")
    for node, theirs in zip(g.backwardnodes, graph["backwardnodes"], strict=True):
        assert place[id(node)] == theirs["index"]
        assert g.bg.id(node) + 1 == theirs["bg_id"]
        assert [place[id(child)] for child in g.bg.children(node)] == theirs["children"]
    for ours, theirs in ((g.fg, graph["fg"]), (g.bg, graph["bg"])):
        assert [place[id(node)] for node in ours.nodes] == theirs["nodes_by_id"]
        edges = [[place[id(a)], place[id(b)]] for a, b in ours.edges]
        assert edges == theirs["edges_in_order"]


@pytest.mark.parametrize("name", NAMES)
def test_values(name: str) -> None:
    case = golden("graphs", f"{name}.json")
    with default_dtype(DTYPES[case["tensor_type"]]):
        g, net = build(case)
        initial = [p.detach().clone() for p in net.parameters()]
        theirs = value(case["parameter_values_from_seed"])
        if name not in {"same_module_twice", "shared_clone"}:  # which Torch7 lists twice
            assert_close(initial, theirs, 1e-15, "initial parameters")
        flat, grad = net.getParameters()
        assert flat.numel() == case.get("flat_size", 0)
        if flat.numel():
            flat.copy_(value(case["flat"]))
            offsets = [p.storage_offset() + 1 for p in net.parameters()]
            assert offsets == sorted({p["offset"] for p in case["parameters_after_flatten"]})
            grad.zero_()
        if name in WRONG_IN_TORCH7:
            return
        for i, step in enumerate(case["steps"]):
            nngraph.manualSeed(step["dropout_seed"])
            input, grad_output = as_input(name, step), value(step["gradOutput"])
            with nngraph.reference_mode():
                assert_close(net.forward(input), value(step["output"]), what=f"output {i}")
            grad_input = net.backward(input, grad_output)
            if "gradInput" in step and name != "lookup_mean":
                ours, expected = without_targets(name, grad_input, value(step["gradInput"]))
                assert_close(ours, expected, what=f"gradInput {i}")
            if flat.numel() and "gradFlat" in step:
                assert_close(grad, value(step["gradFlat"]), what=f"gradients {i}")
        net.evaluate()
        input = as_input(name, case["steps"][1])
        assert_close(net.forward(input), value(case["output_evaluate_of_second_input"]))


def as_input(name: str, step: dict[str, Any]) -> Any:
    data = value(step["input"])
    if name == "criterion_in_graph":
        return [data[0], data[1] - 1]
    return data - 1 if name == "lookup_mean" else data


def without_targets(name: str, ours: Any, theirs: Any) -> tuple[Any, Any]:
    """Return the gradients without those of integer targets, whose zeros have the type of these."""
    return (ours[0], theirs[0]) if name.startswith("criterion") else (ours, theirs)


def test_a_module_used_twice_gives_the_mathematics() -> None:
    # In Torch7 the module has one output buffer, so that m(x) + tanh(m(2x)) uses m(2x) twice.
    m, x = nn.Linear(3, 3), nn.Identity()()
    g = nngraph.gModule([x], [nn.CAddTable()([m(x), nn.Tanh()(m(nn.MulConstant(2)(x)))])])
    t = torch.randn(2, 3)
    expected = m(t) + torch.tanh(m(2 * t))
    assert_close(g.forward(t), expected)
    weight_grad = torch.autograd.grad(expected.sum(), m.weight)[0]
    g.zeroGradParameters()
    g.backward(t, torch.ones(2, 3))
    assert_close(m.weight.grad, weight_grad)


def test_a_one_element_zero_stands_for_no_gradient() -> None:
    # Torch7 fails here with a nil gradient.
    x = nn.Identity()()
    h = nn.Linear(3, 4)(x)
    g = nngraph.gModule([x], [nn.Tanh()(h), h])
    t = torch.randn(2, 3)
    g.forward(t)
    short = g.backward(t, [torch.ones(2, 4), torch.zeros(1)])
    assert_close(short, g.backward(t, [torch.ones(2, 4), torch.zeros(2, 4)]))


@needs_golden
def test_all_graphs_of_present_layers_are_checked() -> None:
    assert len(NAMES) >= 25
