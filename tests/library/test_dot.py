"""Pictures by Graphviz: nngraph's style against golden texts, the reduction, files, notebooks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import networkx
import pytest
import torch
from helpers import (
    DTYPES,
    default_dtype,
    exists,
    golden,
    golden_names,
    run_lua,
    value,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

import pygraph_nn as nngraph
from pygraph_nn import nn
from pygraph_nn.pictures import Picture, picture_of
from pygraph_nn.pictures.styles.language import printable

ROOT = Path(nngraph.__file__).parents[1]

NAMES = [
    name for name in golden_names("graphs") if exists(golden("graphs", f"{name}.json")["code"])
]


# nngraph's style against the golden texts


def parse(text: str) -> tuple[list[str], dict[str, tuple[Any, ...]], Counter[str]]:
    """Return the first lines of a text, the label and attributes of each node, and the edges."""
    head, nodes, edges = [], {}, Counter()
    for line in text.splitlines():
        node = re.fullmatch(r'(n\d+)\[label="(.*?)"((?: \w+=(?:"[^"]*"|\S+))*) ?\];', line)
        if node:
            title, _, fields = node[2].partition("\\n")
            description, _, rest = fields.rpartition("\\n")
            attributes = dict(re.findall(r'(\w+)=("[^"]*"|\S+)', node[3]))
            nodes[node[1]] = (
                title,
                description,
                frozenset(split_fields(rest)),
                {key: text.strip('"') for key, text in attributes.items()},
            )
        elif re.fullmatch(r"n\d+ -> n\d+;", line):
            edges[line] += 1
        else:
            head.append(line.strip())
    return head, nodes, edges


def split_fields(text: str) -> list[str]:
    """Return the fields of a label; a line without ``key =`` continues the field before it."""
    fields: list[str] = []
    for line in text.split("\\l"):
        if re.match(r"\w+ = ", line):
            fields.append(line)
        else:
            fields[-1] += "\n" + line
    return fields


def from_lua_text(text: str, name: str) -> str:
    """Return a golden text with its indices counted from 0."""
    text = text.replace(f"[{name}]", "[golden]")
    text = re.sub(r"SelectTable\((\d+)\)", lambda m: f"SelectTable({int(m[1]) - 1})", text)
    text = re.sub(r"selectindex = (\d+)", lambda m: f"selectindex = {int(m[1]) - 1}", text)
    text = re.sub(r'_-(\d+)"', lambda m: f'_-{int(m[1]) - 1}"', text)
    return re.sub(r"\((\d+)\)(?=:| ->)", lambda m: f"({int(m[1]) - 1})", text)


def assert_same_picture(ours: str, theirs: str, name: str) -> None:
    head, nodes, edges = parse(ours)
    their_head, their_nodes, their_edges = parse(from_lua_text(theirs, name))
    assert head == their_head
    assert edges == their_edges
    assert list(nodes) == list(their_nodes)
    for key, (title, description, fields, attributes) in nodes.items():
        their_title, their_description, their_fields, their_attributes = their_nodes[key]
        assert title == their_title
        assert description == their_description
        assert fields == their_fields, key
        if "[[C]]" in their_attributes.get("tooltip", "") or "/" in their_attributes.get(
            "tooltip", ""
        ):
            # The line is unknown to Lua, or is a line of nngraph itself.
            assert attributes.pop("tooltip").startswith("[")
            their_attributes.pop("tooltip")
        assert attributes == their_attributes


def texts(g: Any, name: str, values: Any = None) -> dict[str, str]:
    return {
        "fg": nngraph.todot(g.fg, name, values=values),
        "bg": nngraph.todot(g.bg, name, values=values),
        "fg_no_title": nngraph.todot(g.fg, values=values),
        "simple_fg": nngraph.simple_print.todot(g.fg, name, values=values),
        "simple_bg": nngraph.simple_print.todot(g.bg, name, values=values),
    }


@pytest.mark.parametrize("name", NAMES)
def test_nngraphs_text_before_a_run(name: str) -> None:
    case = golden("graphs", f"{name}.json")
    g = run_lua(case["code"])["g"]
    for kind, text in texts(g, name).items():
        assert_same_picture(text, case["dot_before_forward"][kind], name)


@pytest.mark.parametrize("name", NAMES)
def test_nngraphs_text_after_a_run(name: str) -> None:
    case = golden("graphs", f"{name}.json")
    with default_dtype(DTYPES[case["tensor_type"]]):
        space = run_lua(case["code"])
        g, step = space["g"], case["steps"][0]
        input, gradient = value(step["input"]), value(step["gradOutput"])
        if space.get("net", g) is not g:
            input, gradient = inside_container(space["net"], g, input, gradient)
        if name == "criterion_in_graph":
            input = [input[0], input[1] - 1]
        if name == "lookup_mean":
            input = input - 1
        traced = nngraph.trace(g, input, gradient)
        for kind, text in texts(g, name, traced).items():
            assert_same_picture(text, case["dot_after_first_step"][kind], name)


def inside_container(net: Any, g: Any, input: Any, gradient: Any) -> tuple[Any, Any]:
    """Return the input and the gradOutput of `g`, the last module of the container `net`."""
    seen: dict[str, Any] = {}
    hook = g.register_forward_hook(
        lambda _, args, output: seen.update(input=args[0], output=output)
    )
    net.forward(input)
    hook.remove()
    return seen["input"].detach(), torch.ones_like(seen["output"])


def test_shapes_alone_fill_the_labels() -> None:
    x = nn.Identity()()
    h = nn.Linear(3, 4)(x)
    g = nngraph.gModule([x], [h])
    by_hand = dict.fromkeys(g.forwardnodes, (2, 3)) | {h: (2, 4)}
    for shapes in (by_hand, g.infer_shapes((2, 3))):
        text = nngraph.todot(g, values=shapes)
        assert "module = nn.Linear(3 -> 4)\\lreverseMap = {}\\linput = {Tensor[2x3]}" in text
        assert "input = {Tensor[2x4]}" in text
    assert [box.details for box in picture_of(g).boxes] == [
        ("2 × 3",),
        ("16 parameters", "2 × 4"),
        ("2 × 4",),
    ]


def test_values_that_are_no_numbers_are_marked() -> None:
    x = nn.Identity()()
    g = nngraph.gModule([x], [nn.Tanh()(x)])
    for number, mark in ((float("nan"), "NaN"), (float("inf"), "inf"), (-float("inf"), "-inf")):
        traced = nngraph.trace(g, torch.tensor([1.0, number]))
        assert f"Tensor[2]{mark}" in nngraph.todot(g, values=traced)


# The reduction


def lstm_cell() -> Any:
    x, prev_c, prev_h = nn.Identity()(), nn.Identity()(), nn.Identity()()
    i2h, h2h = nn.Linear(5, 12)(x), nn.Linear(3, 12)(prev_h)
    gates = nn.CAddTable()([i2h, h2h])
    parts = nn.SplitTable(1)(nn.Reshape(4, 3)(gates))
    in_gate = nn.Sigmoid()(nn.SelectTable(0)(parts))
    in_transform = nn.Tanh()(nn.SelectTable(1)(parts))
    forget_gate = nn.Sigmoid()(nn.SelectTable(2)(parts))
    out_gate = nn.Sigmoid()(nn.SelectTable(3)(parts))
    next_c = nn.CAddTable()(
        [nn.CMulTable()([forget_gate, prev_c]), nn.CMulTable()([in_gate, in_transform])]
    )
    next_h = nn.CMulTable()([out_gate, nn.Tanh()(next_c)])
    nngraph.annotateNodes()
    return nngraph.gModule([x, prev_c, prev_h], [next_c, next_h])


def wires(picture: Picture) -> set[tuple[str, str, str]]:
    """Return the wires, with the names of boxes, or the text of those without a name."""
    names = {box.id: box.name or box.text for box in picture.boxes}
    return {(names[w.source], names[w.target], w.label) for w in picture.wires}


def test_a_cell_is_reduced_to_its_gates() -> None:
    picture = picture_of(lstm_cell())
    assert [box.text for box in picture.boxes if box.kind == "input"] == ["x", "prev_c", "prev_h"]
    assert [box.text for box in picture.boxes if box.kind == "output"] == ["next_c", "next_h"]
    assert {box.text for box in picture.boxes if box.kind == "module"} == {
        "Linear 5 → 12",
        "Linear 3 → 12",
    }
    edges = wires(picture)
    for i, gate in enumerate(["in_gate", "in_transform", "forget_gate", "out_gate"]):
        assert ("gates", gate, f"part {i}") in edges
    assert {w.is_state for w in picture.wires if w.source.startswith("n")} == {True, False}
    assert len(edges) == 18


def test_tables_put_together_and_taken_apart_leave_no_trace() -> None:
    a, b = nn.Identity()(), nn.Identity()()
    c, d = nn.Identity()([a, b]).split(2)
    g = nngraph.gModule([a, b], [nn.CSubTable()([d, c])] if hasattr(nn, "CSubTable") else [
        nn.JoinTable(0)([d, c])
    ])  # fmt: skip
    picture = picture_of(g)
    assert {(s, label) for s, _, label in wires(picture)} >= {("input 0", "1"), ("input 1", "0")}


def test_one_minus_is_one_sign() -> None:
    x = nn.Identity()()
    g = nngraph.gModule([x], [nn.AddConstant(1)(nn.MulConstant(-1)(x))])
    assert [box.text for box in picture_of(g).boxes] == ["input", "1−", "output"]
    x = nn.Identity()()
    negative = nn.MulConstant(-1)(x)  # used twice, so both are shown
    g = nngraph.gModule([x], [nn.CAddTable()([nn.AddConstant(1)(negative), negative])])
    assert {box.text for box in picture_of(g).boxes} >= {"×−1", "+1", "+"}


def test_foreign_modules_and_functions_are_called_by_their_names() -> None:
    x = nn.Identity()()
    h = nngraph.module(torch.nn.Sigmoid())(nngraph.module(torch.nn.Linear(2, 3))(x))
    h = nngraph.function(torch.tanh)(nngraph.function(torch.cumsum)(h))
    picture = picture_of(nngraph.gModule([x], [h]))
    assert [(box.kind, box.text) for box in picture.boxes[1:-1]] == [
        ("module", "Linear"),
        ("symbol", "σ"),
        ("module", "cumsum"),
        ("symbol", "tanh"),
    ]
    assert picture.boxes[1].details == ("9 parameters",)


def test_groups_become_frames() -> None:
    x = nn.Identity()()
    with nngraph.group("outer"):
        h = nn.Tanh()(x)
        with nngraph.group("inner"):
            h = nn.Sigmoid()(h)
    picture = picture_of(nngraph.gModule([x], [h]))
    assert picture.frames == [("outer",), ("outer", "inner")]
    assert [box.frame for box in picture.boxes] == [(), ("outer",), ("outer", "inner"), ()]


def test_nested_graphs_hold_their_picture() -> None:
    inner = lstm_cell()
    x, s = nn.Identity()(), nn.Identity()()
    c, h = s.split(2)
    g = nngraph.gModule([x, s], [inner([x, c, h])])
    (box,) = [box for box in picture_of(g).boxes if box.kind == "graph"]
    assert box.inner is not None
    assert len(box.inner.boxes) == len(picture_of(inner).boxes)
    assert {label for _, target, label in wires(picture_of(g)) if target == "graph"} >= {"x"}


@pytest.mark.parametrize("name", NAMES)
def test_the_reduction_keeps_what_leads_where(name: str) -> None:
    g = run_lua(golden("graphs", f"{name}.json")["code"])["g"]
    picture = picture_of(g)
    ids = [box.id for box in picture.boxes]
    assert len(set(ids)) == len(ids)
    reduced = networkx.MultiDiGraph()
    reduced.add_nodes_from(ids)
    for wire in picture.wires:
        reduced.add_edge(wire.source, wire.target)
    assert set(reduced) == set(ids), "a wire to nowhere"
    full = networkx.DiGraph(g.fg.edges)
    shown = {box.id: box.node for box in picture.boxes if box.kind in ("symbol", "module", "graph")}
    for a, first in shown.items():
        for b, second in shown.items():
            there = networkx.has_path(full, first, second)
            here = networkx.has_path(reduced, a, b)
            # Folding a table may remove a path through it that no value takes.
            assert here == there or (there and takes_tables_apart(g))
    modules = [node for node in g.forwardnodes if node.module is not None]
    covered = {node for box in picture.boxes for node in box.nodes}
    covered |= {node for wire in picture.wires for node in wire.via}
    assert set(modules) <= covered


def takes_tables_apart(g: Any) -> bool:
    return any(node.selectindex is not None or "Select" in node.kind() for node in g.forwardnodes)


# Drawing


def dot_is_there() -> bool:
    return any(
        os.access(Path(folder) / "dot", os.X_OK) for folder in os.environ["PATH"].split(os.pathsep)
    )


needs_dot = pytest.mark.skipif(not dot_is_there(), reason="Graphviz's program dot is missing")


@needs_dot
@pytest.mark.parametrize("style", ["readable", "nngraph"])
def test_files(tmp_path: Path, style: str) -> None:
    g = lstm_cell()
    g.dot("A cell", tmp_path / "cell", style=style)
    assert (tmp_path / "cell.dot").read_text().startswith("digraph G {")
    svg = (tmp_path / "cell.svg").read_text()
    assert "<svg" in svg
    assert "A cell" in svg
    g.dot(fname=tmp_path / "cell.png", style=style)
    assert (tmp_path / "cell.png").read_bytes().startswith(b"\x89PNG")
    g.dot(fname=tmp_path / "v1.2", style=style, formats=["pdf"])
    assert (tmp_path / "v1.2.pdf").read_bytes().startswith(b"%PDF")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cell.dot",
        "cell.png",
        "cell.svg",
        "v1.2.dot",
        "v1.2.pdf",
    ]


@needs_dot
def test_every_name_can_be_drawn(tmp_path: Path) -> None:
    x = nn.Identity()().annotate(name='<"x" & \\ y>')
    with nngraph.group('a "group" \\'):
        h = nn.Tanh()(x).annotate(name="é{|}")
    g = nngraph.gModule([x], [h])
    for style in ("readable", "nngraph"):
        g.dot('"title" \\', tmp_path / style, style=style)
        assert "é{|}" in (tmp_path / f"{style}.svg").read_text()


def drawn(drawing: Any) -> dict[str, Any]:
    """Return the drawing as Graphviz lays it out: nodes by name, with their places."""
    laid_out = json.loads(drawing.pipe(format="json"))
    return {thing["name"]: thing for thing in laid_out["objects"] if "pos" in thing}


@needs_dot
def test_clones_are_drawn_one_column_a_step() -> None:
    clones = nngraph.clone_many_times(recurrent_network(), 3)
    boxes = drawn(nngraph.dot(clones))
    x = {name: float(box["pos"].split(",")[0]) for name, box in boxes.items()}
    for step in range(3):
        assert len({x[f"t{step}"], x[f"t{step}in0"], x[f"t{step}out0"]}) == 1
    assert x["t0in1"] < x["t0"] < x["t1"] < x["t2"] < x["t2out1"]  # the state at both ends


def recurrent_network() -> nngraph.gModule:
    x, prev_s = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="prev_s")
    h: Any = x
    states = []
    for layer, prev in enumerate(prev_s.split(2), 1):
        with nngraph.group(f"rnn {layer}"):
            h = nn.Tanh()(nn.CAddTable()([nn.Linear(3, 3)(h), nn.Linear(3, 3)(prev)]))
            states.append(h.annotate(name="next_h"))
    y = nn.Linear(3, 3)(h).annotate(name="y")
    return nngraph.gModule([x, prev_s], [y, nngraph.nest(states).annotate(name="next_s")])


def test_parts_of_the_next_state_are_named_by_their_layers() -> None:
    labels = [
        label for _, target, label in wires(picture_of(recurrent_network())) if target == "next_s"
    ]
    assert set(labels) == {"h¹", "h²"}


@needs_dot
def test_overview_first() -> None:
    g = recurrent_network()
    detailed, folded = nngraph.dot(g), nngraph.dot(g, fold=True)
    assert "Linear 3 → 3" in detailed.source
    assert {"group:rnn 1", "group:rnn 2"} <= drawn(folded).keys()
    assert not {"group:rnn 1", "group:rnn 2"} & drawn(detailed).keys()
    assert "24 parameters" in folded.source
    run = nngraph.trace(g, [torch.zeros(5, 3), [torch.zeros(5, 3)] * 2])
    assert "5 × 3" in nngraph.dot(g, fold=True, values=run).source
    many = nngraph.clone_many_times(g, 30)
    assert len(drawn(nngraph.dot(many))) == 5  # x, prev_s, the step, y, next_s
    assert "step ×30" in nngraph.dot(many).source
    assert len(drawn(nngraph.dot(many, fold=False))) == 92


def test_what_cannot_be_drawn_is_named_briefly() -> None:
    clones = nngraph.clone_many_times(recurrent_network(), 3)
    for wrong in (5, [], [*clones, 5], {"g": clones}, "g"):
        with pytest.raises(nngraph.GraphError, match="expecting a gModule") as refusal:
            nngraph.dot(wrong)  # type: ignore[arg-type]
        assert len(str(refusal.value)) < 200
    with pytest.raises(nngraph.GraphError, match="values of 3 clones are a list"):
        nngraph.dot(clones, values={})
    with pytest.raises(nngraph.GraphError, match="1 runs for 3 clones"):
        nngraph.dot(clones, values=[None])
    with pytest.raises(nngraph.GraphError, match="draws one gModule"):
        nngraph.dot(clones, style="nngraph")


def test_wrong_options_are_refused(tmp_path: Path) -> None:
    g = lstm_cell()
    with pytest.raises(nngraph.GraphError, match="style 'pretty' is unknown"):
        g.dot(style="pretty")
    with pytest.raises(nngraph.GraphError, match="draws a gModule"):
        nngraph.dot(g.fg, style="readable")
    with pytest.raises(nngraph.GraphError, match="expecting a gModule"):
        nngraph.dot(nn.Tanh())  # type: ignore[arg-type]
    with pytest.raises(nngraph.GraphError, match="format 'gif' is unknown"):
        g.dot(fname=tmp_path / "x", formats=["gif"])


@needs_dot
def test_a_notebook_shows_the_picture() -> None:
    bundle = lstm_cell()._repr_mimebundle_()
    assert "<svg" in bundle["image/svg+xml"]
    assert bundle["text/plain"].startswith("nn.gModule {")


def test_without_graphviz_the_text_is_written_and_the_error_says_what_to_do(tmp_path: Path) -> None:
    program = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import pygraph_nn as nngraph
from pygraph_nn import nn
x = nn.Identity()()
g = nngraph.gModule([x], [nn.Tanh()(x)])
bundle = g._repr_mimebundle_()
assert list(bundle) == ["text/plain", "text/html"]
assert "<details open>" in bundle["text/html"]
try:
    g.dot("title", "picture")
except nngraph.GraphError as error:
    print(error)
"""
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for way in ("apt-get install graphviz", "brew install graphviz", "conda install graphviz"):
        assert way in done.stdout
    assert (tmp_path / "picture.dot").read_text().startswith("digraph G {")
    assert not (tmp_path / "picture.svg").exists()


def test_a_long_chain_is_reduced_and_traced() -> None:
    x = nn.Identity()()
    h = x
    for _ in range(5000):
        h = nn.Tanh()(h)
    g = nngraph.gModule([x], [h])
    traced = nngraph.trace(g, torch.ones(2), torch.ones(2))
    assert len(picture_of(g, traced).boxes) == 5002
    assert len(nngraph.todot(g, values=traced).splitlines()) > 10000


def test_shapes_of_the_last_forward_are_shown() -> None:
    x = nn.Identity()()
    g = nngraph.gModule([x], [nn.Linear(4, 3)(x)])
    assert "7 × 3" not in g.dot().source
    g.forward(torch.ones(7, 4))
    assert "7 × 3" in g.dot().source


# Names of any kind


TRICKY = [
    'a"b',
    "a\\",
    "\\N",
    "a\nb",
    "<b>",
    "</b>",
    "node",
    "graph",
    "}",
    "]",
    '"];x=y',
    "\x01",
    "\ud800",
]
ANY_TEXT = st.text(max_size=12) | st.sampled_from(TRICKY)


def named(name: str, attributes: dict[str, str]) -> nngraph.gModule:
    x = nn.Identity()().annotate(name=name)
    with nngraph.group(name):
        y = nn.Linear(2, 3)(x).annotate(name=name, graphAttributes=attributes)
    return nngraph.gModule([x], [nn.Tanh()(y).annotate(name="end")])


def drawn_by_graphviz(source: str) -> dict[str, Any]:
    """Return the drawing as the program ``dot`` reads it."""
    done = subprocess.run(
        ["dot", "-Tjson"], input=source.encode(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@needs_dot
@settings(max_examples=25)
@example("]", "]", "]")
@given(ANY_TEXT, ANY_TEXT, ANY_TEXT.filter(bool))
@pytest.mark.parametrize("style", ["readable", "nngraph"])
def test_any_name_gives_a_drawing_of_the_same_nodes(
    style: str, name: str, key: str, value: str
) -> None:
    key = "x" + key  # an attribute without a meaning to Graphviz
    drawing = drawn_by_graphviz(nngraph.dot(named(name, {key: value}), name, style=style).source)
    nodes = [thing["name"] for thing in drawing["objects"] if "nodes" not in thing]
    edges = len(drawing["edges"])
    if style == "nngraph":
        assert (nodes, edges) == (["n1", "n2", "n3", "n4", "n5"], 4)
    else:
        assert (len(nodes), edges) == (4, 3)
    if style == "nngraph":
        shown, held = (printable(text).replace("\\", "\\\\") for text in (key, value))
        assert [node[shown] for node in drawing["objects"] if shown in node] == [held]
    else:
        frames = [o for o in drawing["objects"] if "nodes" in o and o["name"].startswith("cluster")]
        assert [frame["label"].replace("\\\\", "\\") for frame in frames] == [printable(name)]


@pytest.mark.parametrize("name", ["a\x01b", "\ud800", "tab\there"])
def test_control_characters_are_shown_as_escapes(name: str) -> None:
    shown = name.encode("unicode_escape").decode()
    source = named(name, {}).dot().source
    assert shown in source
    assert name not in source
