"""`zaremba diagram`: every diagram shows what its graph contains."""

from __future__ import annotations

import html
import itertools
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import graphviz
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import pygraph_nn as nngraph
from pygraph_nn import nn
from zaremba_port import Settings, model
from zaremba_port.assignment.diagrams import diagram_page, diagram_source, render_diagram
from zaremba_port.assignment.diagrams.cell import cell_source
from zaremba_port.assignment.diagrams.scene import stacked
from zaremba_port.assignment.diagrams.stack import stack_source
from zaremba_port.cli.main import main
from zaremba_port.errors import UserError

ROOT = Path(__file__).parents[2]
SMALL = ["--rnn-size", "4", "--vocab-size", "9"]
SETTINGS = Settings(rnn_size=4, vocab_size=9, dropout=0.5)


class Drawing(NamedTuple):
    """The nodes and edges of a diagram, as the program dot reads them."""

    nodes: dict[str, str]
    edges: list[tuple[str, str, dict[str, str]]]
    attributes: dict[str, dict[str, str]]
    source: str

    @property
    def texts(self) -> Counter[str]:
        return Counter(self.nodes.values())

    def by_text(self, **having: str) -> list[tuple[str, str]]:
        """Return the texts at the ends of each edge with these attributes, sorted."""
        return sorted(
            (self.nodes[a], self.nodes[b])
            for a, b, attributes in self.edges
            if having.items() <= attributes.items()
        )


def plain(label: str) -> str:
    """Return the text of a label, with a space before each index."""
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", re.sub("</?[IB]>", "", label))).split())


def read(source: str) -> Drawing:
    graph = json.loads(graphviz.Source(source).pipe(format="dot_json", quiet=True))
    objects = {thing["_gvid"]: thing for thing in graph["objects"]}
    nodes = {thing["name"]: thing for thing in objects.values() if "shape" in thing}
    return Drawing(
        {id: text for id, node in nodes.items() if (text := plain(node["label"]))},
        [
            (objects[edge["tail"]]["name"], objects[edge["head"]]["name"], edge)
            for edge in graph["edges"]
            if edge.get("style") != "invis"
        ],
        nodes,
        source,
    )


def draw(kind: str, settings: Settings = SETTINGS, steps: int = 3, notation: str = "paper"):
    return read(diagram_source(kind, settings, steps, notation))


def draw_unrolled(settings: Settings = SETTINGS, **options):
    return draw("unrolled", settings, **options)


DASHED, STATE = {"style": "dashed"}, {"penwidth": "3"}


# The cell

LEGEND = (
    "affine map gate, n units memory cell element by element ━━ state, passed on from step to step"
)


def test_the_cell_has_the_paper_s_equations():
    # A name with indices reads: letter, above, below.
    f, i, o = (f"{name} gate {name[0]} = σ" for name in ("forget", "input", "output"))
    g, split = "input modulation g = tanh", "f : n i : n g : n o : n"
    assert draw("cell").by_text() == sorted(
        [
            ("h l−1 t", "W n → 4n"),
            ("h l t−1", "U n → 4n"),
            ("W n → 4n", "+"),
            ("U n → 4n", "+"),
            ("+", split),
            (split, i),
            (split, f),
            (split, o),
            (split, g),
            (f, "×"),
            ("c l t−1", "×"),
            (i, "×"),
            (g, "×"),
            ("×", "+"),
            ("×", "+"),
            ("+", "c l t"),
            ("+", "tanh"),
            ("tanh", "×"),
            (o, "×"),
            ("×", "h l t"),
        ]
    )


def test_the_cell_in_the_code_s_names():
    texts = draw("cell", notation="code").texts
    gates = ["in_gate σ", "forget_gate σ", "out_gate σ", "in_transform tanh"]
    ends = ["x", "prev_h", "prev_c", "next_h", "next_c"]
    maps, split = ["i2h 4 → 16", "h2h 4 → 16"], "part 2 part 0 part 1 part 3"
    signs = ["+ gates", "+", "×", "×", "×", "tanh"]
    frame = ["LSTM cell", "memory cell", LEGEND.replace(", n units", "")]
    assert texts == Counter([*gates, *ends, *maps, split, *signs, *frame])


def test_the_gru():
    drawn = draw("gru", SETTINGS.with_changes({"cell": "gru"}))
    maps = ["W n → 3n", "U n → 2n", "V n → n"]
    splits = ["z : n r : n", "r : n z : n h̃ : n"]
    ends = ["h l−1 t", "h l t−1", "h l t"]
    signs = ["+"] * 4 + ["×"] * 3 + ["1−"]
    gates = ["update gate z = σ", "reset gate r = σ", "candidate h̃ = tanh"]
    frame = ["GRU cell", LEGEND.replace("memory cell ", "")]
    assert drawn.texts == Counter([*maps, *splits, *ends, *signs, *gates, *frame])
    assert (gates[0], "1−") in drawn.by_text()


def test_maps_tell_their_sizes():
    texts = draw("cell", SETTINGS.with_changes({"embedding_size": 6})).texts
    assert texts["W 6 → 4n"] == texts["U n → 4n"] == 1


def peephole(x, prev_c, prev_h, *, input_size, rnn_size):
    """A cell whose gates see c, and whose forget gate is 1 minus its input gate."""
    seen = nn.CAddTable()(
        [nn.Linear(input_size, rnn_size)(x), nn.Linear(rnn_size, rnn_size)(prev_h)]
    )
    in_gate = nn.Sigmoid()(nn.CAddTable()([seen, nn.CMul(rnn_size)(prev_c)]))
    forget_gate = nn.AddConstant(1)(nn.MulConstant(-1)(in_gate))
    next_c = nn.CAddTable()([
        nn.CMulTable()([forget_gate, prev_c]), nn.CMulTable()([in_gate, nn.Tanh()(seen)])
    ])  # fmt: skip
    next_h = nn.ReLU()(next_c)
    nngraph.annotateNodes()
    return next_c, next_h


def test_another_cell_gives_another_picture(monkeypatch):
    before = draw("cell")
    monkeypatch.setitem(model.CELLS, "lstm", peephole)
    after = draw("cell")
    assert after.source != before.source
    unchanged = {"h l−1 t", "h l t−1", "c l t−1", "h l t", "c l t", "+", "×", "tanh"}
    i, f = "input gate i = σ", "forget gate f = 1−"
    assert set(after.texts) == unchanged | {"W n → n", "U n → n", "CMul", i, f, "relu"}
    assert {("c l t−1", "CMul"), ("CMul", "+"), (i, f)} <= set(after.by_text())


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_path_leads_through_the_picture_where_one_leads_through_the_graph(cell):
    settings = SETTINGS.with_changes({"cell": cell})
    drawn = draw("cell", settings)
    after = {id: {b for a, b, _ in drawn.edges if a == id} for id in drawn.nodes}
    for _ in drawn.nodes:
        after = {id: next | {b for a in next for b in after[a]} for id, next in after.items()}
    gates = {text for text in drawn.texts if re.search("= (σ|tanh)$", text)}
    frame = {text for text in drawn.texts if text.endswith((" cell", "to step"))}
    for id in [id for id, text in drawn.nodes.items() if text in frame]:
        del drawn.nodes[id]
    ends = [id for id, text in drawn.nodes.items() if re.fullmatch(r"[hc] l t", text)]
    inputs = [id for id, text in drawn.nodes.items() if "−1" in text]
    assert len(gates) == (4 if cell == "lstm" else 3)
    assert all(set(ends) & after[id] for id in drawn.nodes if id not in ends)
    assert all(
        any(id in after[start] for start in inputs) for id in drawn.nodes if id not in inputs
    )


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_built_in_cells_are_laid_out_by_hand(cell):
    """Every wire starts and ends in the middle of a side, and has horizontal or vertical parts."""
    source = diagram_source("cell", SETTINGS.with_changes({"cell": cell}))
    graph = json.loads(graphviz.Source(source).pipe(format="json", quiet=True))
    names = {thing["_gvid"]: thing for thing in graph["objects"]}
    for edge in graph["edges"]:
        drawing = [op["points"] for op in edge["_draw_"] if op["op"] in "bB"]
        points = [tuple(point) for spline in drawing for point in spline]
        assert all(a[0] == b[0] or a[1] == b[1] for a, b in itertools.pairwise(points))
        tip = tuple(map(float, edge["pos"].split()[0].removeprefix("e,").split(",")))
        box = names[edge["head"]]
        x, y = map(float, box["pos"].split(","))
        assert tip[0] == pytest.approx(x) or tip[1] == pytest.approx(y)


def reordered(x, prev_c, prev_h, *, input_size, rnn_size):
    """The built-in LSTM, its gates in another order."""
    i2h, h2h = nn.Linear(input_size, 4 * rnn_size)(x), nn.Linear(rnn_size, 4 * rnn_size)(prev_h)
    gates = nn.CAddTable()([i2h, h2h])
    parts = nn.SplitTable(1)(nn.Reshape(4, rnn_size)(gates))
    forget_gate = nn.Sigmoid()(nn.SelectTable(0)(parts))
    out_gate = nn.Sigmoid()(nn.SelectTable(1)(parts))
    in_gate = nn.Sigmoid()(nn.SelectTable(2)(parts))
    in_transform = nn.Tanh()(nn.SelectTable(3)(parts))
    next_c = nn.CAddTable()([
        nn.CMulTable()([forget_gate, prev_c]), nn.CMulTable()([in_gate, in_transform])
    ])  # fmt: skip
    next_h = nn.CMulTable()([out_gate, nn.Tanh()(next_c)])
    nngraph.annotateNodes()
    return next_c, next_h


def test_an_lstm_with_another_order_of_gates_has_its_own_slices(monkeypatch):
    monkeypatch.setitem(model.CELLS, "lstm", reordered)
    texts = draw("cell", notation="code").texts
    # From above: forget gate, input gate, input modulation, output gate.
    assert texts["part 0 part 2 part 3 part 1"] == 1


# Layers


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_network_at_one_step(layers):
    drawn = draw("network", SETTINGS.with_changes({"layers": layers}))
    assert sum(text.startswith("LSTM") for text in drawn.nodes.values()) == layers
    assert len(drawn.by_text(**DASHED)) == layers + 1
    assert len(drawn.by_text(**STATE)) == 2 * layers
    assert drawn.texts["x t"] == drawn.texts["y t"] == drawn.texts["loss t"] == 1
    for layer in range(1, layers + 1):
        assert drawn.texts[f"h {layer} t−1 c {layer} t−1"] == 1
        assert drawn.texts[f"h {layer} t c {layer} t"] == 1
    assert ("y t", "negative log-likelihood") in drawn.by_text()


def test_the_network_tells_how_many_parameters_it_has():
    network = model.create_network(SETTINGS)
    counts = re.findall(r"([\d,]+) parameters", draw("network").source)
    total = sum(int(count.replace(",", "")) for count in counts)
    assert total == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(("layers", "steps"), [(1, 3), (2, 4), (3, 5)])
def test_unrolled(layers, steps):
    drawn = draw_unrolled(SETTINGS.with_changes({"layers": layers}), steps=steps, notation="code")
    for layer in range(1, layers + 1):
        assert drawn.texts[f"lstm {layer}"] == steps
        across = (f"lstm {layer}", f"lstm {layer}")
        assert drawn.by_text(**STATE).count(across) == steps - 1
    vertical = [("embedding", "lstm 1"), *(
        (f"lstm {layer}", f"lstm {layer + 1}") for layer in range(1, layers)
    )]  # fmt: skip
    dashed = drawn.by_text(**DASHED)
    assert all(dashed.count(pair) == steps for pair in vertical)
    assert len(dashed) == (layers + 1) * steps
    assert not set(drawn.by_text(**STATE)) & set(dashed)
    assert len(drawn.by_text(**STATE)) == layers * (steps + 1)
    assert [drawn.texts[f"x[{t}]"] for t in range(steps)] == [1] * steps
    assert [drawn.texts[f"y[{t}]"] for t in range(steps)] == [1] * steps
    assert [drawn.texts[f"err[{t}]"] for t in range(steps)] == [1] * steps
    pairs = drawn.by_text()
    assert pairs.count(("h2y pred", "err")) == pairs.count(("err", "err[0]")) * steps == steps


def test_the_paper_counts_steps_from_the_middle():
    texts = draw_unrolled(steps=5).texts
    assert [texts[f"x {t}"] for t in ("t−2", "t−1", "t", "t+1", "t+2")] == [1] * 5
    assert texts["h 2 t−3 c 2 t−3"] == texts["h 2 t+2 c 2 t+2"] == 1


def test_a_state_of_one_part_has_one_name_at_its_ends():
    texts = draw_unrolled(SETTINGS.with_changes({"cell": "gru", "layers": 1})).texts
    assert texts["GRU layer 1"] == 3
    assert texts["h 1 t−2"] == texts["h 1 t+1"] == 1


def test_without_dropout_no_arrow_is_dashed():
    drawn = draw_unrolled(SETTINGS.with_changes({"dropout": 0.0}))
    assert "dashed" not in drawn.source
    assert drawn.by_text() == draw_unrolled().by_text()


def dropping_in_time(x, prev_h, *, input_size, rnn_size):
    dropped = nn.Dropout(0.25)(prev_h)
    sums = [nn.Linear(input_size, rnn_size)(x), nn.Linear(rnn_size, rnn_size)(dropped)]
    next_h = nn.Tanh()(nn.CAddTable()(sums))
    nngraph.annotateNodes()
    return (next_h,)


def test_dropout_is_drawn_where_the_graph_has_it(monkeypatch):
    monkeypatch.setitem(model.CELLS, "lstm", dropping_in_time)
    drawn = draw_unrolled(SETTINGS.with_changes({"dropout": 0.0}))
    layer = "dropping_in_time layer"
    across = [(f"{layer} {i}", f"{layer} {i}") for i in (1, 2)]
    starts = [(f"h {i} t−2", f"{layer} {i}") for i in (1, 2)]
    assert drawn.by_text(**DASHED) == sorted([*across * 2, *starts])
    assert "dropout 0.25" in drawn.source


def fills(drawn: Drawing) -> dict[str, set[str]]:
    """Return the colours of the boxes with each text."""
    colours: dict[str, set[str]] = {}
    for id, attributes in drawn.attributes.items():
        if colour := attributes.get("fillcolor"):
            colours.setdefault(drawn.nodes[id], set()).add(colour)
    return colours


def test_the_same_weights_have_the_same_colour():
    drawn = draw_unrolled(notation="code")
    colours = fills(drawn)
    assert colours.pop("err") == {"#ffffff"}  # it has no weights
    assert set(colours) == {"embedding", "lstm 1", "lstm 2", "h2y pred"}
    assert all(len(of_row) == 1 for of_row in colours.values())
    assert len(set.union(*colours.values())) == 4
    assert "shared by 3 steps" in drawn.source


def test_networks_that_share_no_weights_are_not_said_to():
    drawn = read(stack_source(stacked([model.create_network(SETTINGS) for _ in range(2)]), "code"))
    assert "shared" not in drawn.source
    assert all(len(of_row) == 2 for text, of_row in fills(drawn).items() if "lstm" in text)


# Names with a meaning to Graphviz, HTML or XML

SIGNS = r"""" ' \ \N \G < > <b> </FONT> & &lt; &#65; ]]> { | } [ ; : -> # // /* -- %3""".split()
CHARACTERS = [*" \n\r\t\0\x1f\x7f\x85\ud800\uffff\u2028\u202e", "t", "1", "lstm", "é", "h̃", "😀"]
any_name = st.text(max_size=12) | st.lists(st.sampled_from(SIGNS + CHARACTERS), max_size=5).map(
    "".join
)


def drawn_texts(source: str) -> str:
    """Return all text that dot draws, with a NUL before each piece."""
    graph = json.loads(graphviz.Source(source).pipe(format="json", quiet=True))
    parts = [graph, *graph["objects"], *graph.get("edges", [])]
    lists = [part[key] for part in parts for key in part if key.endswith("ldraw_")]
    return "".join(f"\0{op['text']}" for ops in lists for op in ops if op["op"] == "T")


def xml_text(text: str) -> str:
    return re.sub("[^\t\n -~\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)


def as_drawn(name: str) -> str:
    """Return the pieces that dot draws for `name`: its lines, a space for an empty one."""
    lines = xml_text(name).replace("\t", " ").split("\n")
    return "".join(f"\0{line or ' '}" for line in lines)


@settings(max_examples=50)
@given(st.lists(any_name, min_size=6, max_size=6), st.sampled_from(["paper", "code"]))
@example(['lstm "1"', "x\\", "<i>", "a\nb", "&amp;", "\\N"], "code")
@example(["", " ", "\n", "\0", "\ud800", "prev_"], "paper")
@example(["", " ", "\n", "\0", "\ud800", "prev_"], "code")
@example(["n1", "n2", "n3", "box", "layer", "0"], "code")
@example(["]", "]>", "[", "]]>", "a]", "]"], "code")
@example(["", "", "", "", "0", ""], "code")
def test_any_names_are_drawn_as_they_are(names: list[str], notation: str) -> None:
    group, input, state, *of_modules = names
    x, prev = nn.Identity()().annotate(name=input), nn.Identity()().annotate(name=f"prev_{state}")
    with nngraph.group(group):
        affine = nn.Linear(2, 3)(x).annotate(name=of_modules[0])
        total = nn.CAddTable()([affine, prev]).annotate(name=of_modules[1])
        next = nn.Sigmoid()(total).annotate(name=f"next_{state}")
    output = nn.Tanh()(next).annotate(name=of_modules[2])
    g = nngraph.gModule([x, prev], [output, next])

    cell, network = drawn_texts(cell_source(g, notation, 3)), stacked([g])
    unrolled = stacked(nngraph.clone_many_times(g, 2))
    stacks = [drawn_texts(stack_source(scene, notation)) for scene in (network, unrolled)]
    if notation == "paper":
        for drawn in stacks:
            assert all(xml_text(word).lower() in drawn.lower() for word in group.split())
        return
    for name in filter(None, [input, *of_modules]):
        assert as_drawn(name) in cell
    for drawn in stacks:
        assert as_drawn(group) in drawn
        assert as_drawn(f"prev_{state}") in drawn
        assert as_drawn(f"next_{state}") in drawn
    assert as_drawn(input or "input 0") in stacks[0]
    assert as_drawn(f"{input or 'input 0'}[1]") in stacks[1]


# The command


def zaremba(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zaremba_port", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def svg_texts(path: Path) -> list[str]:
    tree = ElementTree.parse(path)
    return [t.text or "" for t in tree.iter("{http://www.w3.org/2000/svg}text")]


def test_a_process_draws_the_cell(tmp_path):
    done = zaremba("diagram", "cell", "--rnn-size", "4", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "the diagram is diagram-cell.svg\n",
        "",
    )
    texts = Counter(svg_texts(tmp_path / "diagram-cell.svg"))
    assert (texts["σ"], texts["tanh"], texts["+"], texts["×"]) == (3, 2, 2, 3)
    assert all(texts[letter] == 2 for letter in "ifog")  # a gate and its slice


def test_a_process_draws_a_cell_of_its_own(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import sys\n"
        "from pygraph_nn import nn\n"
        "from zaremba_port import model\n"
        "from zaremba_port.cli import main\n"
        "def lstm(x, prev_c, prev_h, *, input_size, rnn_size):\n"
        "    next_c, next_h = usual(x, prev_c, prev_h, input_size=input_size, rnn_size=rnn_size)\n"
        "    return next_c, nn.CMulTable()([next_h, nn.Exp()(x)])\n"
        "usual, model.CELLS['lstm'] = model.lstm, lstm\n"
        "sys.exit(main(['diagram', 'cell', '--rnn-size', '4']))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "mine.py"], cwd=tmp_path, env=environment, check=True)
    texts = Counter(svg_texts(tmp_path / "diagram-cell.svg"))
    assert (texts["exp"], texts["×"]) == (1, 4)


def test_without_dot_a_process_says_how_to_get_it(tmp_path):
    done = zaremba("diagram", "gru", "--rnn-size", "4", cwd=tmp_path, PATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "apt-get install graphviz" in done.stderr
    assert not list(tmp_path.iterdir())


def test_pages_need_no_dot(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["diagram", "gru", "--rnn-size", "4", "-o", str(tmp_path / "gru.html")]) == 0
    assert "update_gate" in (tmp_path / "gru.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("notation", ["paper", "code"])
@pytest.mark.parametrize("kind", ["cell", "network", "unrolled", "gru"])
def test_every_diagram_is_drawn(kind, notation, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sizes = SMALL if kind in ("network", "unrolled") else SMALL[:2]
    assert main(["diagram", kind, "--notation", notation, *sizes]) == 0
    tree = ElementTree.parse(tmp_path / f"diagram-{kind}.svg").getroot()
    width, height = (float(tree.attrib[name].removesuffix("pt")) for name in ("width", "height"))
    assert width <= 961
    assert height <= 541
    assert width > 640  # as wide as a slide, and not a narrow column


@pytest.mark.parametrize(
    ("ending", "start"), [("png", b"\x89PNG"), ("PDF", b"%PDF"), ("html", b"<!DOCTYPE html")]
)
def test_the_ending_says_the_format(ending, start, tmp_path, capsys):
    path = tmp_path / f"net.v2.{ending}"
    assert main(["diagram", "unrolled", "-o", str(path), "--steps", "2", *SMALL]) == 0
    assert path.read_bytes().lower().startswith(start.lower())
    assert capsys.readouterr().out == f"the diagram is {path}\n"


@pytest.mark.parametrize("kind", ["cell", "network", "unrolled"])
def test_pages_in_both_notations(kind):
    code, paper = (diagram_page(kind, SETTINGS, 2, notation) for notation in ("code", "paper"))
    assert '"out_gate"' in code
    assert "σ" in paper
    assert '"out_gate"' not in paper
    assert ("hₜ₋₁ˡ" if kind == "cell" else "hₜ₋₁²") in paper
    if kind == "unrolled":
        assert all(f'"text":"{name}"' in paper for name in ("xₜ₋₁", "xₜ", "yₜ", "lossₜ₋₁"))
        assert "xₜ 1" not in paper
    assert paper.count('"state":true') == code.count('"state":true') > 0
    assert paper.count('"copyOf"') == code.count('"copyOf"')
    gates = f"{SETTINGS.batch_size} × {4 * SETTINGS.rnn_size}"
    assert f'"shape":"{gates}"' in code
    assert f'"shape":"{gates}"' in paper


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cel"], "no diagram is called 'cel'; did you mean 'cell'?"),
        (["zzz"], "there are cell, network, unrolled, gru"),
        (["runs/zzz"], "runs/zzz is neither a run folder nor a diagram, which are cell, network"),
        (["cell", "-o", "cell.svgg"], "did you mean 'svg'?"),
        (["cell", "-o", "cell"], "the ending must be one of .svg, .png, .pdf, .html"),
        (["cell", "-o", "nowhere/cell.svg"], "there is no folder nowhere"),
        (["cell", "--notation", "papr"], "did you mean 'paper'?"),
        (["cell", "--dtype", "float64"], "--dtype is an option of other commands"),  # train has it
        (["cell", "--steps", "3"], "--steps is for unrolled, not for cell"),
        (["gru", "--layers", "3"], "--layers is for network and unrolled, not for gru"),
        (["gru", "--cell", "lstm"], "--cell lstm is not for gru"),
        (["unrolled", "--steps", "0"], "--steps is 0, it must be at least 1"),
        (["network", "--layers", "0"], "layers is 0, it must be at least 1"),
        (["network", "--preset", "midium"], "did you mean 'medium'?"),
        (["network", "--layer", "2"], "did you mean '--layers'?"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["diagram", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error
    assert not list(tmp_path.iterdir())


def test_a_folder_is_no_file(tmp_path, capsys):
    (tmp_path / "a.svg").mkdir()
    assert main(["diagram", "cell", "-o", str(tmp_path / "a.svg")]) == 2
    assert "it is a folder" in capsys.readouterr().err


def test_what_dot_says_of_a_broken_source_is_told():
    with pytest.raises(UserError, match=r"dot failed: .*syntax error"):
        render_diagram("digraph {", "svg")
