"""The names of nodes: one for each, the same in state_dict, torch.fx, DOT and HTML."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import pygraph_nn as nngraph
from pygraph_nn import GraphError, nn


def chain(*names: str) -> nngraph.gModule:
    """A Linear for each of `names`, then a split into two parts."""
    h = x = nn.Identity()()
    for name in names:
        h = nn.Linear(2, 2)(h).annotate(name=name)
    a, b = nn.SplitTable(1)(nn.Reshape(2, 1)(h)).split(2)
    return nngraph.gModule([x], [nn.CAddTable()([a.annotate(name="part"), b])])


def keys(g: nngraph.gModule) -> list[str]:
    """The names of the Linears by state_dict."""
    return [key.removesuffix(".weight") for key in g.state_dict() if key.endswith(".weight")]


def names_of_fx(g: nngraph.gModule) -> list[str]:
    graph = g.to_fx().graph
    graph.lint()
    return [node.name for node in graph.nodes if node.op not in ("placeholder", "output")]


def boxes_of_page(g: nngraph.gModule) -> list[dict[str, Any]]:
    data = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', g.html(), re.DOTALL)
    assert data is not None
    return [item for item in json.loads(data[1])["items"] if item["kind"] == "module"]


t = torch.tensor([[1.0, 2.0]])

# An annotation, the key, and the text in pictures.
CASES = [
    ("h", "h", "h"),
    ("class", "class_2", "class_2"),
    ("None", "None_2", "None_2"),
    ("self", "self_2", "self_2"),
    ("3", "_3", "_3"),
    ("0", "_0", "_0"),
    ("2nd gate", "_2nd_gate", "2nd gate"),
    ("L one", "L_one", "L one"),
    ("x.y", "x_y", "x.y"),
    ("c'", "c", "c'"),
    ("é", "é", "é"),
    ("e\u0301", "é", "e\u0301"),
    ("σ", "σ", "σ"),
    ("hₜ", "ht", "hₜ"),
    ("ﬁ", "fi", "ﬁ"),
    ("+", "node", "+"),
    (" ", "node", "node"),
    ("a\x01b", "a_b", "a\\x01b"),
    ("\ud800", "node", "\\ud800"),
    ("_h", "h", "h"),
    ("__init__", "init", "init"),
    *(
        (name, f"{name}_2", f"{name}_2")
        for name in dir(nngraph.gModule)
        if "_" not in (name[0], name[-1])
    ),
    # Attributes of an object, of a GraphModule, and properties without a value.
    *((name, f"{name}_2", f"{name}_2") for name in ("training", "bg", "fg", "steps", "meta")),
    *((name, f"{name}_2", f"{name}_2") for name in ("code", "recompile", "innode", "gradBias")),
    ("input", "input", "input"),
    ("sum", "sum", "sum"),
]


@pytest.mark.parametrize(("name", "key", "shown"), CASES, ids=lambda x: ascii(x))
def test_one_node_has_one_name(name: str, key: str, shown: str) -> None:
    g = chain(name)
    node = next(node for node in g.forwardnodes if node.name == name)
    assert g.node_names()[node].key == key
    assert keys(g) == [key]
    assert names_of_fx(g)[1] == key
    assert torch.equal(g.to_fx()(t), g(t))
    assert torch.equal(copy.deepcopy(g.to_fx())(t), g(t))
    assert f"({key}): nn.Linear" in repr(g)
    source = g.dot().source.replace("&#x27;", "'").replace("\\\\", "\\")
    assert f"<B>{shown}</B>" in source
    assert key in source
    (box,) = boxes_of_page(g)
    assert box["name"].encode("unicode_escape") in (
        shown.encode("unicode_escape"),
        name.encode("unicode_escape"),
    )
    assert key in box["nodes"][0]


def test_names_that_are_the_same() -> None:
    g = chain("x y", "x_y", "x-y", "h", "h_2", "h", "output", "output", "part")
    expected = ["x_y", "x_y_2", "x_y_3", "h", "h_2", "h_3", "output_2", "output_3", "part"]
    assert keys(g) == expected
    assert [name for name in names_of_fx(g) if name in expected] == expected
    assert names_of_fx(g).count("part_2") == 1  # of the split
    drawn = ["x y", "x_y_2", "x-y_3", "h", "h_2", "h_3", "output_2", "output_3", "part"]
    assert [box["name"] for box in boxes_of_page(g)] == drawn
    source = g.dot().source
    assert all(f"<B>{name}</B>" in source for name in drawn)
    assert all(f'label="{name} (' in g.dot(style="nngraph").source for name in drawn)
    assert "part_2" in source


def test_an_empty_name_is_none() -> None:
    g = chain("")
    assert keys(g) == ["1"]
    assert [name.key for name in g.node_names().values()] == ["part"]


def test_the_key_of_a_folded_node_is_in_the_tooltip_of_its_source() -> None:
    x = nn.Identity()()
    a, b = nn.Identity()(x).annotate(name="a table").split(2)
    g = nngraph.gModule([x], [nn.CAddTable()([a.annotate(name="in gate"), b.annotate(name="b")])])
    assert {"a_table", "in_gate", "b"} <= set(names_of_fx(g))
    for text in (g.dot().source, g.html()):
        assert "in gate (in_gate): part 0 of a split" in text
        assert "a table (a_table): nn.Identity" in text
        assert "b (b)" not in text


def test_groups_are_part_of_the_key() -> None:
    x = nn.Identity()()
    with nngraph.group("lstm 1"), nngraph.group("3"):
        h = nn.Linear(2, 2)(x).annotate(name="i2h")
    g = nngraph.gModule([x], [nn.Linear(2, 2)(h).annotate(name="lstm_1_3_i2h")])
    assert keys(g) == ["lstm_1_3_i2h", "lstm_1_3_i2h_2"]
    assert [box["name"] for box in boxes_of_page(g)] == ["i2h", "lstm_1_3_i2h_2"]
    assert "i2h (lstm_1_3_i2h): nn.Linear" in g.dot().source


def test_a_later_annotation_changes_pictures_and_fx() -> None:
    """The keys of state_dict stay, so that files can still be loaded."""
    g = chain("h", "k")
    h, k = (node for node in g.forwardnodes if node.name in ("h", "k"))
    h.annotate(name="k")
    assert keys(g) == ["h", "k"]
    assert [g.node_names()[node].key for node in (h, k)] == ["k_2", "k"]
    assert names_of_fx(g)[1:3] == ["k_2", "k"]
    assert torch.equal(g.to_fx()(t), g(t))


def test_two_nodes_with_one_module() -> None:
    shared, x = nn.Linear(2, 2), nn.Identity()()
    y = shared(shared(x).annotate(name="first")).annotate(name="second")
    g = nngraph.gModule([x], [y])
    assert keys(g) == ["first"]
    assert names_of_fx(g)[1:] == ["first", "second"]
    assert torch.equal(g.to_fx()(t), g(t))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=5) | st.sampled_from(["h", "h_2", "a b", "_", "ª"]), max_size=5))
def test_any_names(names: list[str]) -> None:
    g = chain(*names)
    used = [name.key for name in g.node_names().values()]
    assert len(set(used)) == len(used) == sum(map(bool, names)) + 1
    assert all(key.isidentifier() for key in used)
    assert set(used) <= set(names_of_fx(g))
    assert [key for key in keys(g) if not key.isdigit()] == used[:-1]
    assert torch.equal(g.to_fx()(t), g(t))
    loaded = chain(*names)
    loaded.load_state_dict(g.state_dict())
    source, page = g.dot().source, g.html()
    assert all(key in source and key in page for key in used)


# Names that are no strings


@pytest.mark.parametrize("name", [5, None, b"h", ["h"], nn.Tanh(), torch.ones(1)], ids=repr)
def test_a_name_is_a_string(name: Any) -> None:
    x = nn.Identity()().annotate(name="x")
    for annotate in (lambda: x.annotate(name=name), lambda: x.annotate({"name": name})):
        with pytest.raises(GraphError, match=r"<Node 'x'.*should be a string but is of type"):
            annotate()
    assert x.name == "x"
    with pytest.raises(GraphError, match=r"group: .* string .*test_node_names.py:"):
        nngraph.group(name)
    if name is not None:
        with pytest.raises(GraphError, match="gModule: a name should be a string"):
            nngraph.gModule([x], [x], name=name)
        with pytest.raises(GraphError, match=r"nngraph.function: a name should be a string"):
            nngraph.function(torch.exp, name=name)
    g = nngraph.gModule([x], [x])
    if name is not None:
        if not isinstance(name, nn.Module):  # which torch makes a child
            with pytest.raises(GraphError, match="gModule: a name should be a string"):
                g.name = name
        x.annotations["name"] = name
        with pytest.raises(GraphError, match="should be a string"):
            g.dot()
        with pytest.raises(GraphError, match="should be a string"):
            nngraph.gModule([x], [x])


def test_annotateNodes_passes_names_on_to_the_check() -> None:
    namespace = {"nn": nn, "nngraph": nngraph}
    code = "{5: nn.Identity()()}"

    class Locals(dict):  # type: ignore[type-arg]
        """Local variables of a class body, which may have any keys."""

    scope = Locals(eval(code, namespace))
    with pytest.raises(GraphError, match="should be a string but is of type int: 5"):
        exec("nngraph.annotateNodes()", namespace, scope)


def test_graphAttributes_are_a_dict() -> None:
    with pytest.raises(GraphError, match=r"graphAttributes are a dict such as .*got str"):
        nn.Identity()().annotate(graphAttributes="red")


# Tooltips of splits


def test_tooltips_of_splits_of_splits() -> None:
    """nngraph's node.lua: the label of the source, ``-i`` for part i, ``split at`` for a split."""
    x = nn.Identity()()
    line = int(x.declared_at.rpartition(":")[2])
    _, b = x.split(2)
    c, d = b.split(2)
    (e,) = (c.split(1),)
    f, g_ = d.split(2)
    g = nngraph.gModule([x], [_, e, f, g_])
    tips = re.findall(r'tooltip="([^"]*)"', nngraph.todot(g))
    file = "[test_node_names.py]"
    x_tip = f"{file}:{line}_"
    expected = [
        x_tip,
        f"{x_tip} split at {file}:{line + 2}-mnode",
        f"{x_tip}-0",
        f"{x_tip}-1",
        f"{x_tip}-1 split at {file}:{line + 3}-mnode",
        f"{x_tip}-1-0",
        f"{x_tip}-1-1",
        f"{x_tip}-1-1 split at {file}:{line + 5}-mnode",
        f"{x_tip}-1-1-0",
        f"{x_tip}-1-1-1",
    ]
    assert [tip for tip in expected if tips.count(tip) != 1] == []
