"""gModule against Torch7 beyond forward and backward, one fact a test.

DEVIATES lists the facts that differ here, with the reason; docs/torch7_differences.md explains them
to users.
"""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import assert_close, default_dtype, golden, golden_names, value

import pygraph_nn as nngraph
from pygraph_nn import nn

FACT: dict[str, Any] = {
    fact["name"]: fact["value"]
    for name in golden_names("behaviour")
    for fact in golden("behaviour", f"{name}.json")["facts"]
}

DEVIATES = {
    "output_table_is_reused": "a result keeps its values; Torch7 overwrites it",
    "apply_order": "PyTorch's apply visits the modules inside a module before it",
    "fields": "attributes of a Python object; those of nngraph keep their names",
    "evaluate_reaches_modules": "g.training is PyTorch's flag: g.training() is g.train()",
    "float_and_forward": "a tensor's type is its dtype",
    "one_input_wrapped": "an error here too, which says what is wrong",
    "serialize_roundtrip": "pickle and torch.save take the place of torch.serialize",
}


def net(width: int = 3) -> nngraph.gModule:
    """Return the graph of most facts: Identity, Linear, Tanh, Dropout."""
    x = nn.Identity()()
    return nngraph.gModule([x], [nn.Dropout(0.5)(nn.Tanh()(nn.Linear(width, width)(x)))])


def two_outputs() -> nngraph.gModule:
    x = nn.Identity()()
    h = nn.Linear(3, 3)(x)
    return nngraph.gModule([x], [nn.Tanh()(h), nn.Sigmoid()(h)])


def linear(inputs: int = 3, outputs: int = 2) -> nngraph.gModule:
    x = nn.Identity()()
    return nngraph.gModule([x], [nn.Linear(inputs, outputs)(x)])


def names(modules: Any) -> list[str]:
    """Return the texts of modules as Lua prints them, with indices from 1."""
    return [str(module).replace("(1)", "(2)").replace("(0)", "(1)") for module in modules]


def test_every_fact_is_checked() -> None:
    checked = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert set(FACT) <= checked
    assert len(FACT) >= 28
    assert set(DEVIATES) <= set(FACT)


def test_output_table_is_reused() -> None:
    g = two_outputs()
    a, b = torch.randn(3), torch.randn(3)
    first = g.forward(a)
    before = [y.clone() for y in first]
    second = g.forward(b)
    assert first is not second
    assert first[0] is not second[0]
    assert_close(first, before)


def test_gradInput_table_identity() -> None:
    a, b = nn.Identity()(), nn.Identity()()
    g = nngraph.gModule([a, b], [nn.CAddTable()([a, b])])
    x, ones = [torch.ones(2), torch.ones(2)], torch.ones(2)
    g.forward(x)
    assert [g.backward(x, ones) is g.backward(x, ones)] == FACT["gradInput_table_identity"]


def test_input_table_not_kept() -> None:
    a, b = nn.Identity()(), nn.Identity()()
    g = nngraph.gModule([a, b], [nn.CMulTable()([a, b])])
    x, y = torch.full((2,), 3.0), torch.full((2,), 5.0)
    table = [x, y]
    g.forward(table)
    table[0] = torch.zeros(2)
    gradients = g.backward([x, y], torch.ones(2))
    assert [gradients[1].equal(x)] == FACT["input_table_not_kept"]


def test_evaluate_reaches_modules() -> None:
    g = net()
    dropout = g.get(3)
    g.evaluate()
    states = [g.training, dropout.training]
    g.train()
    assert [*states, g.training, dropout.training] == FACT["evaluate_reaches_modules"]


def test_listModules() -> None:
    assert [str(module) for module in net().listModules()] == FACT["listModules"]


def test_listModules_nested() -> None:
    inner = net()
    outer = nn.Sequential().add(nn.Linear(3, 3)).add(inner)
    listed = outer.listModules()
    theirs = FACT["listModules_nested"]
    assert listed[0] is outer
    assert theirs[0].startswith("nn.Sequential {\n  [input -> (1) -> (2) -> output]")
    assert "[input -> (0) -> (1) -> output]" in str(outer)
    assert names([listed[1]]) == [theirs[1]]
    assert listed[2] is inner
    assert str(inner) == theirs[2]
    assert names(listed[3:]) == theirs[3:]


def test_apply_order() -> None:
    theirs = FACT["apply_order"]
    g = net()
    visited: list[Any] = []
    g.apply(visited.append)
    assert [str(m) for m in [visited[-1], *visited[:-1]]] == theirs
    # Torch7's order is that of modules() and of listModules().
    assert [str(m) for m in g.modules()] == theirs


def test_tostring_name() -> None:
    g = net()
    before = str(g)
    g.name = "my net"
    assert [before, str(g)] == FACT["tostring_name"]


def test_size_and_get() -> None:
    g = net()
    assert [len(g), g.size(), str(g.get(1))] == FACT["size_and_get"]


def differs(a: nngraph.gModule, b: nngraph.gModule) -> bool:
    pairs = zip(a.parameters(), b.parameters(), strict=True)
    return any(not torch.equal(p, q) for p, q in pairs)


def test_clone_independent() -> None:
    g = net()
    c = g.clone()
    with torch.no_grad():
        next(g.parameters()).fill_(7)
    assert [differs(g, c)] == FACT["clone_independent"]


def test_clone_sharing() -> None:
    g = net()
    c = g.clone("weight", "bias", "gradWeight", "gradBias")
    with torch.no_grad():
        next(g.parameters()).fill_(0.1)
    assert [not differs(g, c)] == FACT["clone_sharing"]
    c.evaluate()
    g.zeroGradParameters()
    x = torch.randn(2, 3)
    c.forward(x)
    c.backward(x, torch.ones(2, 3))
    assert g.get(1).gradWeight.equal(c.get(1).gradWeight)
    assert g.get(1).gradWeight.any()


def test_share() -> None:
    g1, g2 = net(), net()
    assert g1.share(g2, "weight") is g1
    a, b = g1.get(1), g2.get(1)
    shared = [
        p.untyped_storage().data_ptr() == q.untyped_storage().data_ptr()
        for p, q in ((a.weight, b.weight), (a.bias, b.bias))
    ]
    assert shared == FACT["share"]
    assert a.weight is not b.weight  # each module has its own gradients


def test_float_keeps_flat_sharing() -> None:
    with default_dtype(torch.float64):
        g = net()
    g.getParameters()
    g.float()
    storages = {p.untyped_storage().data_ptr() for p in g.parameters()}
    gradients = {p.grad.untyped_storage().data_ptr() for p in g.parameters()}
    assert [len(storages) == 1, g.type()] == FACT["float_keeps_flat_sharing"]
    assert len(gradients) == 1


def test_float_and_forward() -> None:
    with default_dtype(torch.float64):
        g = net()
    output = g.float().forward(torch.randn(2, 3, dtype=torch.float32))
    assert [output.type()] == FACT["float_and_forward"]
    assert output.dtype == torch.float32


def test_zeroGradParameters_updateParameters() -> None:
    before, gradients, after, x = value(FACT["zeroGradParameters_updateParameters"])
    with default_dtype(torch.float64):
        outputs, inputs = before[0].shape
        g = linear(inputs, outputs)
        with torch.no_grad():
            for parameter, theirs in zip(g.parameters(), before, strict=True):
                parameter.copy_(theirs)
        g.zeroGradParameters()
        g.forward(x)
        g.backward(x, torch.ones(len(x), outputs))
        assert_close([p.grad for p in g.parameters()], gradients)
        g.updateParameters(0.5)
        assert_close(list(g.parameters()), after)


def test_replace() -> None:
    g = net()
    replaced = g.replace(lambda m: nn.ReLU() if isinstance(m, nn.Tanh) else m)
    labels = ["-" if node.module is None else str(node.module) for node in g.forwardnodes]
    assert replaced is g
    assert [names(g.members()), labels] == FACT["replace"]
    x = torch.randn(4, 3)
    g.evaluate()
    assert_close(g.forward(x), torch.relu(g.get(1)(x)))


def test_map() -> None:
    pairs: list[str] = []
    net().map(net(), lambda mine, theirs: pairs.append(f"{mine} / {theirs}"))
    assert pairs == FACT["map"]


def test_annotateNodes() -> None:
    inp = nn.Identity()()
    hidden = nn.Linear(3, 3)(inp)
    res = nn.Tanh()(hidden)
    out = nn.Sigmoid()(res).annotate(name="explicit")
    nngraph.annotateNodes()
    g = nngraph.gModule([inp], [out])
    assert [node.name or "-" for node in g.forwardnodes] == FACT["annotateNodes"]


def test_dash_spelling() -> None:
    inp = -nn.Identity()
    y = inp - nn.Linear(3, 2) - nn.Tanh()
    assert names(nngraph.gModule([inp], [y]).members()) == FACT["dash_spelling"]


def test_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    g = net()
    assert [g.verbose] == FACT["verbose"]
    g.verbose = True
    g.forward(torch.ones(2, 3))
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == len(g.forwardnodes) - 1
    assert printed[1] == " V : nn.Linear(3 -> 3) -> (2, 3)"


def test_fields() -> None:
    g = net()
    ours = {name for name in FACT["fields"] if hasattr(g, name)}
    # `modules` is PyTorch's method, and `members()` returns Torch7's list.
    assert ours == set(FACT["fields"])
    assert len(list(g.members())) == len(g)


def test_single_output_not_a_table() -> None:
    with default_dtype(torch.float64):
        output = net().forward(torch.ones(2, 3, dtype=torch.float64))
    assert [output.type()] == FACT["single_output_not_a_table"]


def test_one_input_wrapped() -> None:
    x = nn.Identity()()
    g = nngraph.gModule([x], [nn.Tanh()(x)])
    assert FACT["one_input_wrapped"][0] is False
    with pytest.raises(nngraph.GraphError, match=r"nn.Tanh(.|\n)*got \[\(3,\)\] there"):
        g.forward([torch.ones(3)])


def test_accGradParameters_scale() -> None:
    g = linear()
    x, ones = torch.randn(2, 3), torch.ones(2, 2)
    g.zeroGradParameters()
    g.forward(x)
    g.backward(x, ones, 0.5)
    assert_close([g.get(1).gradBias.double()], value(FACT["accGradParameters_scale"]))
    g.accGradParameters(x, ones, 2)
    assert_close(g.get(1).gradBias, torch.full((2,), 5.0))
    assert g.updateGradInput(x, ones).shape == x.shape
    assert_close(g.get(1).gradBias, torch.full((2,), 5.0))


def test_lstm_clone_state_alias() -> None:
    first, second = nngraph.clone_many_times(two_outputs(), 2)
    state = first.forward(torch.ones(3))
    before = [s.clone() for s in state]
    second.forward(torch.zeros(3))
    same = all(torch.equal(a, b) for a, b in zip(state, before, strict=True))
    assert [same] == FACT["lstm_clone_state_alias"]


def test_getParameters_twice() -> None:
    g = linear()
    p1, _ = g.getParameters()
    p2, _ = g.getParameters()
    same = p1.untyped_storage().data_ptr() == p2.untyped_storage().data_ptr()
    p1.fill_(0.25)
    shows = bool((p2 == 0.25).all())
    lives = bool((next(g.parameters()) == 0.25).all())
    # In Torch7 the second call silently leaves the first tensor without the parameters.
    assert FACT["getParameters_twice"] == [False, False, False]
    assert [same, shows, lives] == [True, True, True]


def test_clearState_then_forward() -> None:
    g = net().evaluate()
    x = torch.ones(2, 3)
    first = g.forward(x)
    g.clearState()
    assert g.output is None
    assert [torch.equal(g.forward(x), first)] == FACT["clearState_then_forward"]


def test_serialize_roundtrip() -> None:
    g = linear()
    x = torch.randn(4, 3)
    first = g.forward(x)
    again = pickle.loads(pickle.dumps(g))
    for loaded in (again, copy.deepcopy(g)):
        assert loaded.output is None
        same = torch.equal(loaded.forward(x), first)
        linears, _ = loaded.findModules("nn.Linear")
        assert [same, str(linears[0])] == [FACT["serialize_roundtrip"][i] for i in (0, 2)]


def test_the_differences_are_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "torch7_differences.md").read_text()
    for name in ("parameters()", "train()", "type()", "apply(f)", "modules()", "listModules()"):
        assert f"`{name}`" in text, name
