"""The layout of HTML pages, measured in the browser: labels, columns of steps, readable text."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import Reader

import pygraph_nn as nngraph
from pygraph_nn import nn

SIZE = 4


def inputs(*names: str) -> list[Any]:
    return [nn.Identity()().annotate(name=name) for name in names]


def lstm_step(x: Any, prev_c: Any, prev_h: Any) -> tuple[Any, Any]:
    sum = nn.CAddTable()([nn.Linear(SIZE, 4 * SIZE)(x), nn.Linear(SIZE, 4 * SIZE)(prev_h)])
    i, g, f, o = nn.SplitTable(1)(nn.Reshape(4, SIZE)(sum)).split(4)
    kept = nn.CMulTable()([nn.Sigmoid()(f).annotate(name="forget_gate"), prev_c])
    new = nn.CMulTable()([nn.Sigmoid()(i).annotate(name="in_gate"), nn.Tanh()(g)])
    c = nn.CAddTable()([kept, new]).annotate(name="next_c")
    out_gate = nn.Sigmoid()(o).annotate(name="out_gate")
    return c, nn.CMulTable()([out_gate, nn.Tanh()(c)]).annotate(name="next_h")


def lstm() -> nngraph.gModule:
    ends = inputs("x", "prev_c", "prev_h")
    return nngraph.gModule(ends, list(lstm_step(*ends)))


def gru() -> nngraph.gModule:
    x, h = inputs("x", "prev_h")
    x_update, x_reset, x_candidate = nn.SplitTable(1)(
        nn.Reshape(3, SIZE)(nn.Linear(SIZE, 3 * SIZE)(x))
    ).split(3)
    h_update, h_reset = nn.SplitTable(1)(nn.Reshape(2, SIZE)(nn.Linear(SIZE, 2 * SIZE)(h))).split(2)
    nngraph.annotateNodes()
    update = nn.Sigmoid()(nn.CAddTable()([x_update, h_update])).annotate(name="update_gate")
    reset = nn.Sigmoid()(nn.CAddTable()([x_reset, h_reset])).annotate(name="reset_gate")
    gated = nn.Linear(SIZE, SIZE)(nn.CMulTable()([reset, h]))
    candidate = nn.Tanh()(nn.CAddTable()([x_candidate, gated])).annotate(name="candidate")
    keep = nn.AddConstant(1)(nn.MulConstant(-1)(update))
    parts = [nn.CMulTable()([update, candidate]), nn.CMulTable()([keep, h])]
    return nngraph.gModule([x, h], [nn.CAddTable()(parts).annotate(name="next_h")])


def network() -> nngraph.gModule:
    x, y, prev_s = inputs("x", "y", "prev_s")
    state, h, next_s = prev_s.split(4), x, []
    for layer in range(2):
        with nngraph.group(f"lstm {layer + 1}"):
            c, h = lstm_step(h, *state[2 * layer : 2 * layer + 2])
        next_s += [c, h]
    pred = nn.LogSoftMax()(nn.Linear(SIZE, 3)(h)).annotate(name="pred")
    err = nn.ClassNLLCriterion()([pred, y]).annotate(name="err")
    return nngraph.gModule([x, y, prev_s], [err, nngraph.nest(next_s).annotate(name="next_s")])


def attention() -> nngraph.gModule:
    query, keys, values = inputs("query", "keys", "values")
    projected = [nn.Linear(SIZE, SIZE)(node) for node in (query, keys)]
    scores = nn.MM(False, True)(projected).annotate(name="scores")
    weights = nn.SoftMax()(nn.MulConstant(0.5)(scores)).annotate(name="weights")
    context = nn.MM()([weights, nn.Linear(SIZE, SIZE)(values)]).annotate(name="context")
    return nngraph.gModule([query, keys, values], [context, weights])


def tree_lstm() -> nngraph.gModule:
    left_c, left_h, right_c, right_h = inputs("left_c", "left_h", "right_c", "right_h")
    gates = [
        nn.CAddTable()([nn.Linear(SIZE, SIZE)(left_h), nn.Linear(SIZE, SIZE)(right_h)])
        for _ in range(5)
    ]
    i, left, right, o = (nn.Sigmoid()(gate) for gate in gates[:4])
    new = nn.CMulTable()([i, nn.Tanh()(gates[4])])
    kept = [nn.CMulTable()([left, left_c]), nn.CMulTable()([right, right_c])]
    c = nn.CAddTable()([new, *kept]).annotate(name="c")
    h = nn.CMulTable()([o, nn.Tanh()(c)]).annotate(name="h")
    return nngraph.gModule([left_c, left_h, right_c, right_h], [c, h])


GRAPHS: dict[str, Callable[[], Any]] = {
    "lstm": lstm,
    "gru": gru,
    "network": network,
    "unrolled": lambda: nngraph.clone_many_times(network(), 3),
    "attention": attention,
    "tree lstm": tree_lstm,
}

OVERLAPS = """
const overlaps = [];
const labels = [...document.querySelectorAll(".label")];
// Without the space that fonts leave around small letters.
const inks = labels.map((label) => {
  const { x, y, width, height } = label.getBBox();
  return { text: label.textContent, x: x + 1, y: y + 2, r: x + width - 1, d: y + height - 1.5 };
});
const meet = (a, b) => a.x < b.r && b.x < a.r && a.y < b.d && b.y < a.d;
inks.forEach((a, i) => {
  for (const b of inks.slice(i + 1)) if (meet(a, b)) overlaps.push(`${a.text} and ${b.text}`);
});
for (const path of document.querySelectorAll(".wire")) {
  for (let s = 0; s <= path.getTotalLength(); s += 2) {
    const { x, y } = path.getPointAtLength(s);
    const label = inks.find((ink) => ink.x < x && x < ink.r && ink.y < y && y < ink.d);
    if (label) { overlaps.push(`a wire and ${label.text}`); break; }
  }
}
for (const rect of document.querySelectorAll(".box:not(.open) > rect.own")) {
  const { x, y, width, height } = rect.getBBox();
  for (const ink of inks) {
    if (meet(ink, { x, y, r: x + width, d: y + height })) overlaps.push(`a box and ${ink.text}`);
  }
}
return [labels.length, overlaps];
"""


def places(reader: Reader) -> dict[str, dict[str, float]]:
    """Return the rectangle of each box by its id, in the units of the drawing."""
    script = """
        return Object.fromEntries([...document.querySelectorAll(".box")].map((box) => {
          const { x, y, width, height } = box.querySelector("rect.own").getBBox();
          return [box.dataset.id, { x, y, width, height }];
        }));
    """
    found: dict[str, dict[str, float]] = reader.js(script)
    return found


@pytest.mark.parametrize("name", GRAPHS)
def test_labels_overlap_nothing(reader: Reader, tmp_path: Path, name: str) -> None:
    path = tmp_path / "page.html"
    nngraph.html_page(GRAPHS[name](), path)
    reader.open(path)
    if name == "unrolled":
        reader.one("#expand").click()
    count, overlaps = reader.js(OVERLAPS)
    assert overlaps == []
    assert count > 0 or name == "tree lstm"  # its sums need no labels
    if name == "unrolled":
        assert count < 30
        reader.one("#copies").click()
        assert reader.js(OVERLAPS)[1] == []


def test_each_step_is_a_column(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    nngraph.html_page(nngraph.clone_many_times(network(), 4), path)
    reader.open(path)
    reader.one("#copies").click()
    for _ in range(2):  # closed, then all open
        boxes = places(reader)
        steps = [
            {role: boxes[f"t{t}{role}"] for role in ("", "in0", "in1", "out0")} for t in range(4)
        ]
        for role in ("", "in0", "in1", "out0"):
            assert len({round(step[role]["y"], 1) for step in steps}) == 1
        for before, after in itertools.pairwise(steps):
            assert before["in0"]["x"] < before[""]["x"] < before["out0"]["x"] < after["in0"]["x"]
            assert after["in0"]["x"] == pytest.approx(after["in1"]["x"], abs=5)
        tops = sorted(box["y"] for id, box in boxes.items() if id in ("t3out0", "t3out1"))
        assert tops[1] >= tops[0] + boxes["t3out0"]["height"]
        reader.one("#expand").click()


def test_all_open_text_stays_readable(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    nngraph.html_page(nngraph.clone_many_times(network(), 6), path)
    reader.open(path)
    reader.one("#copies").click()
    reader.one("#expand").click()

    def height() -> float:
        script = "return document.querySelector('.box.module text').getBoundingClientRect().height"
        return float(reader.js(script))

    assert height() > 9
    left = "return document.querySelector('[data-id=t0in0]').getBoundingClientRect().left"
    assert 0 <= reader.js(left) < 200
    reader.one("#fit").click()
    assert height() < 5  # the whole graph, small


def test_indices_are_low_and_high(reader: Reader, tmp_path: Path) -> None:
    (x,) = inputs("hₜ₋₁²")
    nngraph.gModule([x], [nn.Tanh()(x).annotate(name="cₜˡ")]).html(tmp_path / "page.html")
    reader.open(tmp_path / "page.html")
    texts = reader.js("return [...document.querySelectorAll('.box text')].map(t => t.innerHTML)")
    parts = [t for t in reader.all(".box text tspan") if t.text.strip("\u200b")]
    assert [part.text for part in parts[:3]] == ["h", "t−1", "2"]
    assert not any(set(text) & set("ₜ₋₁²ˡ") for text in texts)
    letter, low, high = (part.rect for part in parts[:3])
    assert high["y"] < letter["y"] + letter["height"] / 2
    assert low["y"] + low["height"] > letter["y"] + letter["height"] * 0.9
    assert abs(low["x"] - high["x"]) < 3
