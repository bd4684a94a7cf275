"""HTML pages of graphs: their data, and their behaviour in a headless Chromium."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import Reader

import pygraph_nn as nngraph
from pygraph_nn import nn
from pygraph_nn.pictures import picture_of
from pygraph_nn.pictures.page_template import joined_script
from pygraph_nn.pictures.statistics import statistics


def lstm(x: Any, prev_c: Any, prev_h: Any, size: int) -> tuple[Any, Any]:
    i2h, h2h = nn.Linear(size, 4 * size)(x), nn.Linear(size, 4 * size)(prev_h)
    gates = nn.CAddTable()([i2h, h2h])
    parts = nn.SplitTable(1)(nn.Reshape(4, size)(gates))
    in_gate = nn.Sigmoid()(nn.SelectTable(0)(parts))
    in_transform = nn.Tanh()(nn.SelectTable(1)(parts))
    forget_gate = nn.Sigmoid()(nn.SelectTable(2)(parts))
    out_gate = nn.Sigmoid()(nn.SelectTable(3)(parts))
    remembered, new = nn.CMulTable()([forget_gate, prev_c]), nn.CMulTable()([in_gate, in_transform])
    next_c = nn.CAddTable()([remembered, new])
    next_h = nn.CMulTable()([out_gate, nn.Tanh()(next_c)])
    nngraph.annotateNodes()
    return next_c, next_h


def two_layers(size: int = 4) -> nngraph.gModule:
    """Return a network of two LSTM layers, from x and its state to its output and next state."""
    x, prev_s = nn.Identity()(), nn.Identity()()
    nngraph.annotateNodes()
    h: Any = x
    next_s: list[Any] = []
    state = prev_s.split(4)
    for layer in range(2):
        with nngraph.group(f"lstm {layer + 1}"):
            c, h = lstm(h, *state[2 * layer : 2 * layer + 2], size)
        next_s += [c, h]
    out = nn.LogSoftMax()(nn.Linear(size, 3)(h))
    return nngraph.gModule([x, prev_s], [out, nngraph.nest(next_s).annotate(name="next_s")])


def seed() -> None:
    torch.manual_seed(0)
    nngraph.manualSeed(0)


def traced(g: nngraph.gModule, size: int = 4) -> nngraph.Trace:
    zeros = [torch.zeros(2, size) for _ in range(4)]
    return nngraph.trace(g, [torch.randn(2, size), zeros], [torch.ones(2, 3), zeros])


def unrolled_by_hand(steps: int) -> nngraph.gModule:
    """Return a gModule in which copies of one network are called on nodes."""
    copies = nngraph.clone_many_times(two_layers(), steps)
    xs = [nn.Identity()() for _ in copies]
    state = prev_s = nn.Identity()().annotate(name="prev_s")
    outs = []
    for x, copy in zip(xs, copies, strict=True):
        out, state = copy([x, state]).split(2)
        outs.append(out)
    sum = nn.CAddTable()(outs).annotate(name="sum")
    return nngraph.gModule([*xs, prev_s], [sum, state.annotate(name="next_s")])


# The contents of the page


def data_of(page: str) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert match is not None
    return json.loads(match[1])


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    g = two_layers()
    page = g.html(tmp_path / "two", title="A <title> & more", values=traced(g))
    assert (tmp_path / "two.html").read_text(encoding="utf-8") == page
    assert "<title>A &lt;title&gt; &amp; more</title>" in page
    assert not re.search(r"https?:|@import|url\(|<script src|<link rel=\"stylesheet", page)
    assert "{{" not in page


def test_both_orders_hold_every_box_once() -> None:
    for page in (nngraph.html_page(two_layers()), nngraph.html_page(unrolled_by_hand(3))):
        data = data_of(page)
        boxes = [item["id"] for item in data["items"] if item["kind"] != "group"]
        assert sorted(data["forward"]) == sorted(data["backward"]) == sorted(boxes)
        place = {id: i for i, id in enumerate(data["forward"])}
        back = {id: i for i, id in enumerate(data["backward"])}
        for wire in data["wires"]:
            assert place[wire["from"]] < place[wire["to"]] or "/" in wire["from"]
            assert back[wire["from"]] > back[wire["to"]] or "/" in wire["from"] + wire["to"]


def test_copies_are_found_in_both_ways_of_unrolling() -> None:
    copies = nngraph.clone_many_times(two_layers(), 3)
    others = nngraph.gModule([x := nn.Identity()()], [nn.Tanh()(two_layers_of_one(x))])
    assert not any("copyOf" in item for item in data_of(others.html())["items"])
    for page in (nngraph.html_page(copies), nngraph.html_page(unrolled_by_hand(3))):
        items = data_of(page)["items"]
        graphs = [item for item in items if item["kind"] == "graph"]
        assert len(graphs) == 3
        assert len({item["copyOf"] for item in graphs}) == 1
        inputs = [item["copyOf"] for item in items if item["kind"] == "input" and "copyOf" in item]
        assert len(inputs) == 3
        assert len(set(inputs)) == 1


def two_layers_of_one(x: Any) -> Any:
    """Call two graphs of the same structure, each with its own parameters, on `x`."""
    for _ in range(2):
        inner = nn.Identity()()
        x = nngraph.gModule([inner], [nn.Linear(2, 2)(inner)])(x)
    return x


def test_statistics() -> None:
    nan, inf = float("nan"), float("inf")
    (row,) = statistics(torch.tensor([[1.0, 3.0], [nan, inf]]))
    assert row == ("2 × 2", 2.0, 1.0, 1.0, 3.0, 1, 1)
    assert statistics([torch.tensor([2, 4]), []]) == [("2", 3.0, 1.0, 2.0, 4.0, 0, 0)]
    assert statistics(torch.tensor([nan])) == [("1", None, None, None, None, 1, 0)]
    assert statistics(None) == []


def test_what_is_no_graph_is_refused() -> None:
    for wrong in (nn.Tanh(), [], [nn.Tanh()], 5):
        with pytest.raises(nngraph.GraphError, match="expecting a gModule or a list of clones"):
            nngraph.html_page(wrong)  # type: ignore[arg-type]
    with pytest.raises(nngraph.GraphError, match="1 runs for 2 clones"):
        nngraph.html_page(nngraph.clone_many_times(two_layers(), 2), values=[None])


def test_values_that_do_not_fit_the_graph_are_refused() -> None:
    g = two_layers()
    with pytest.raises(
        nngraph.GraphError, match=r"values of a gModule are a Trace or a dict .* got"
    ):
        nngraph.html_page(g, values=[traced(g)])
    with pytest.raises(nngraph.GraphError, match=r"values of 2 clones are a list .* got"):
        nngraph.html_page(nngraph.clone_many_times(g, 2), values=traced(g))


def test_a_prompt_shows_one_line_and_a_notebook_the_page() -> None:
    g = two_layers()
    page = g.html(title="Two layers")
    assert isinstance(page, str)
    assert page.startswith("<!DOCTYPE html>")
    assert repr(page).startswith('<page "Two layers", ')
    assert len(repr(page)) < 100
    frame = re.search('<iframe title="Two layers" srcdoc="(.*?)"', page._repr_html_(), re.S)  # type: ignore[attr-defined]
    assert frame is not None
    assert html.unescape(frame[1]) == page
    shown = g._repr_mimebundle_()["text/html"]
    assert "srcdoc=" in shown
    assert "<summary>Interactive page" in shown


# The page in a browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function from a page's name to its file, which it writes once."""
    folder = tmp_path_factory.mktemp("pages")

    def page(name: str) -> Path:
        path = folder / f"{name}.html"
        if not path.exists():
            seed()
            if name == "two_layers":
                g = two_layers()
                g.html(path, values=traced(g))
            elif name == "by_hand":
                unrolled_by_hand(4).html(path)
            else:
                copies = nngraph.clone_many_times(two_layers(), 20)
                nngraph.html_page(copies, path, values=[traced(copy) for copy in copies])
        return path

    return page


def test_every_box_is_drawn_and_has_a_name(reader: Reader, pages: Any) -> None:
    reader.open(pages("two_layers"))
    picture = picture_of(two_layers())
    assert len(reader.all(".box")) == len(picture.boxes) + len(picture.frames)
    assert all(reader.names())
    assert len(reader.all("#picture .arrow")) == len(picture.wires)


def test_a_click_tells_about_a_node(reader: Reader, pages: Any) -> None:
    reader.open(pages("two_layers"))
    seed()
    g = two_layers()
    run = traced(g)
    node = next(node for node in g.forwardnodes if node.name == "i2h")
    reader.box("i2h").click()
    about = reader.text("#about")
    for expected in ("i2h", "nn.Linear(4 -> 16)", "in: 2 × 4", "out: 2 × 16", "80 parameters"):
        assert expected in about
    assert "weight 16 × 4 64" in about
    assert re.search(r"test_html_page\.py:\d+", about)
    (shape, mean, _, _, high, _, _) = statistics(run.outputs[node])[0]
    assert shape == "2 × 16"
    assert f"{high:.4g}" in about
    assert statistics(run.gradOutput(node))[0][1] != mean
    assert "Value" in about
    assert "Gradient" in about
    reader.press("\ue00c")  # Esc
    assert reader.text("#about") == ""


def test_groups_close_and_open(reader: Reader, pages: Any) -> None:
    reader.open(pages("two_layers"))
    everything = reader.names()
    reader.one('.box[aria-label="lstm 1, group"] .toggle').click()
    closed = reader.names()
    assert len(closed) < len(everything)
    assert closed.count("i2h, Linear 4 → 16, 80 parameters, 2 × 16, module") == 1
    assert reader.box("lstm 1").get_attribute("aria-expanded") == "false"
    assert reader.all("#picture .wire")
    reader.one("#toggle").click()
    assert reader.names() == everything
    reader.one("#collapse").click()
    assert reader.box("lstm 2").get_attribute("aria-expanded") == "false"
    reader.one("#expand").click()
    assert reader.names() == everything


def test_the_slider_walks_forward_and_back(reader: Reader, pages: Any) -> None:
    reader.open(pages("two_layers"))
    data = data_of(pages("two_layers").read_text(encoding="utf-8"))
    half = len(data["forward"])
    assert int(reader.one("#step").get_attribute("max")) == 2 * half
    assert reader.all(".box.lit") == []

    def lit(extra: str = "") -> set[str]:
        script = f"return [...document.querySelectorAll('.box.lit{extra}')].map(b => b.dataset.id)"
        return set(reader.js(script))

    groups = {item["id"] for item in data["items"] if item["kind"] == "group"}
    for step in (1, 10, half):
        reader.walk_to(step)
        assert lit() - groups == set(data["forward"][:step])
        assert lit(".now") == {data["forward"][step - 1]}
        assert f"forward {step} of {half}" in reader.text("#where")
    for step in (1, half):
        reader.walk_to(half + step)
        assert lit(".back") - groups == set(data["backward"][:step])
        assert f"backward {step} of {half}" in reader.text("#where")
    reader.one("#step").click()
    before = int(reader.one("#step").get_attribute("value"))
    reader.press("\ue012")  # arrow left
    assert int(reader.one("#step").get_attribute("value")) == before - 1


def test_play_walks_by_itself(reader: Reader, pages: Any) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    reader.open(pages("two_layers"))
    reader.one("#play").click()
    WebDriverWait(reader.driver, 20).until(lambda _: len(reader.all(".box.lit")) >= 2)
    reader.press("\ue00c")
    assert reader.one("#play").get_attribute("aria-pressed") == "false"


def test_finding(reader: Reader, pages: Any) -> None:
    reader.open(pages("two_layers"))
    reader.one("#collapse").click()
    reader.press("/")
    assert reader.focused() == "query"
    reader.press("forget")
    assert reader.text("#found") == "2 found"
    assert {box.get_attribute("data-id") for box in reader.all(".box.match")} == {
        "group:lstm 1",
        "group:lstm 2",
    }
    reader.press("\ue007")  # Enter opens the group around the first
    assert reader.text("#found") == "1 of 2"
    assert reader.text("#about h2") == "forget_gate"
    assert len(reader.all(".box.match")) == 2
    reader.press("\ue007")
    assert reader.text("#found") == "2 of 2"
    reader.press("\ue014")  # arrow right, from what was found
    assert reader.focused().startswith("remembered")
    reader.press("/", "forget", "\ue007", "\ue00c")
    assert reader.all(".box.match") == []
    assert reader.one("#query").get_attribute("value") == ""
    assert reader.focused().startswith("forget_gate")
    assert reader.text("#about h2") == "forget_gate"
    reader.press("\ue00c")
    assert reader.text("#about") == ""


def test_arrows_work_at_once(reader: Reader, pages: Any) -> None:
    reader.open(pages("two_layers"))
    reader.press("\ue014")
    assert reader.focused().startswith("x,")
    reader.press("\ue014")
    assert reader.focused().startswith("i2h")


def test_the_walk_tells_of_every_node(reader: Reader, pages: Any) -> None:
    reader.open(pages("two_layers"))
    data = data_of(pages("two_layers").read_text(encoding="utf-8"))
    items = {item["id"]: item for item in data["items"]}
    walk = [*data["forward"], *data["backward"]]
    for step in range(1, len(walk) + 1):
        reader.walk_to(step)
        item, about = items[walk[step - 1]], reader.text("#about")
        assert about.startswith(item.get("caption") or item["text"])
        assert item["shape"].split(" of ")[-1] in about
        back = step > len(data["forward"])
        assert ("Gradient" in about) == (back and "gradient" in item)
        assert "Value" in about
    reader.open(pages("by_hand"))
    reader.walk_to(3)
    assert "No run is recorded" in reader.text("#about")


def test_inputs_and_outputs_of_steps_have_the_values_of_the_run() -> None:
    copies = nngraph.clone_many_times(two_layers(), 2)
    runs = [traced(copy) for copy in copies]
    items = {i["id"]: i for i in data_of(nngraph.html_page(copies, values=runs))["items"]}
    ends = [i for i in items.values() if not i.get("in") and i["kind"] in ("input", "output")]
    assert len(ends) >= 4
    assert all(end["value"] and end["gradient"] and end["shape"] for end in ends)
    for t, run in enumerate(runs):
        given = next(iter(run.inputs[run.g.innode]))
        assert items[f"t{t}in0"]["value"] == [list(row) for row in statistics(given)]


def test_the_footer_lists_what_works(reader: Reader, pages: Any, tmp_path: Path) -> None:
    reader.open(pages("two_layers"))
    assert "open, close" in reader.text("#keys")
    x = nn.Identity()()
    nngraph.gModule([x], [nn.Tanh()(x)]).html(tmp_path / "plain.html")
    reader.open(tmp_path / "plain.html")
    assert "open, close" not in reader.text("#keys")
    assert reader.text("#folding") == ""


AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed (npm ci)")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(reader: Reader, pages: Any, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    reader.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    for name in ("two_layers", "by_hand"):
        reader.open(pages(name))
        reader.press("\ue014")
        reader.js(AXE.read_text(encoding="utf-8"))
        found = reader.driver.execute_async_script(
            "const done = arguments[0];"
            "axe.run().then((r) => done(r.violations.map((v) => `${v.id}: ${v.nodes[0].html}`)))"
        )
        assert found == []
    reader.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_screen_reader_hears_the_wires(reader: Reader, pages: Any) -> None:
    reader.open(pages("two_layers"))
    relations = reader.box("gates").get_attribute("aria-description")
    source, _, targets = relations.partition("; to ")
    assert source == "from i2h, h2h"
    assert set(targets.split(", ")) == {"in_gate", "in_transform", "forget_gate", "out_gate"}


def test_the_keyboard_is_enough(reader: Reader, pages: Any) -> None:
    reader.open(pages("two_layers"))
    stops = []
    for _ in range(12):
        reader.press("\ue004")  # Tab
        stops.append(reader.focused())
    for stop in ("query", "expand", "collapse", "play", "step"):
        assert stop in stops
    assert sum(stop in reader.names() for stop in stops) == 1, "the picture is one stop"
    reader.box("x").click()
    reader.press("\ue014")  # arrow right, along the wire
    assert reader.focused().startswith("i2h")
    assert reader.text("#about h2") == "i2h"
    reader.press("\ue014")
    assert reader.focused().startswith("gates")
    reader.press("\ue012")
    assert reader.focused().startswith("i2h")
    reader.press("\ue015")  # arrow down
    assert reader.focused().startswith("h2h")
    reader.one('.box[aria-label="lstm 1, group"] .toggle').click()
    assert reader.focused() == "lstm 1, 160 parameters, 2 × 4, 12 nodes, group"
    reader.press("\ue007")
    assert reader.box("lstm 1").get_attribute("aria-expanded") == "true"
    reader.press(" ")
    assert reader.box("lstm 1").get_attribute("aria-expanded") == "false"
    before = reader.one("#scene").get_attribute("transform")
    reader.press("+")
    assert reader.one("#scene").get_attribute("transform") != before
    reader.press("0")


def test_zoom_and_pan(reader: Reader, pages: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    reader.open(pages("two_layers"))
    picture = reader.one("#picture")
    moved = [reader.one("#scene").get_attribute("transform")]

    def now() -> str:
        return reader.one("#scene").get_attribute("transform")

    ActionChains(reader.driver).scroll_from_origin(
        ScrollOrigin.from_element(picture), 0, -300
    ).perform()
    moved.append(now())
    ActionChains(reader.driver).move_to_element_with_offset(
        picture, 0, 200
    ).click_and_hold().move_by_offset(60, 40).release().perform()
    moved.append(now())
    assert len(set(moved)) == 3
    scales = [float(re.search(r"scale\((.*?)\)", text)[1]) for text in moved]  # type: ignore[index]
    assert scales[1] > scales[0]
    assert scales[2] == scales[1]
    reader.one("#fit").click()
    assert now() == moved[0]


def test_an_unrolled_network_folds_its_copies(reader: Reader, pages: Any) -> None:
    reader.open(pages("unrolled"))
    assert {mark.text for mark in reader.all(".times")} == {"×20"}
    folded = reader.names()
    assert "step, 30 nodes, ×20 copies, nested graph" in " ".join(folded)
    assert len(folded) == 5  # x, prev_s, step, output and next_s
    reader.one("#expand").click()
    one_step = len(reader.all(".box"))
    reader.one("#copies").click()
    assert len(reader.all(".box")) > 600
    assert reader.all(".times") == []
    reader.walk_to(400)
    assert len(reader.all(".box.lit")) > 200
    reader.press("/", "out_gate", "\ue007")
    assert reader.text("#found") == "1 of 40"
    reader.one("#collapse").click()
    names = reader.names()
    assert sum(name.startswith("step ") for name in names) == 20
    # One instance opens, the others stay closed.
    reader.press("/", "step 7", "\ue007")  # brings it into view
    reader.one('.box[aria-label^="step 7,"] .toggle').click()
    assert len(reader.all('.box[aria-label^="step "][aria-expanded="true"]')) == 1
    reader.one("#copies").click()
    reader.one("#expand").click()
    assert len(reader.all(".box")) == one_step


def test_copies_called_on_nodes_fold_too(reader: Reader, pages: Any) -> None:
    reader.open(pages("by_hand"))
    assert [mark.text for mark in reader.all(".times")] == ["×4", "×4"]
    reader.one("#copies").click()
    assert len(reader.all(".box.graph")) == 4
    assert reader.all(".times") == []


def test_names_are_shown_as_they_are(reader: Reader, tmp_path: Path) -> None:
    x = nn.Identity()().annotate(name='</script><b>x</b> & "y" \'')
    g = nngraph.gModule([x], [nn.Tanh()(x).annotate(name="<i>")])
    g.html(tmp_path / "names.html", title="</title><b>")
    reader.open(tmp_path / "names.html")
    assert reader.all("b, i") == []
    assert reader.driver.title == "</title><b>"
    reader.all(".box")[0].click()
    assert reader.text("#about h2") == '</script><b>x</b> & "y" \''


def test_the_page_follows_the_choice_of_dark_or_light(reader: Reader, pages: Any) -> None:
    seen = []
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        reader.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        reader.open(pages("two_layers"))
        seen.append(reader.one("body").value_of_css_property("background-color"))
    reader.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert seen == ["rgba(255, 255, 255, 1)", "rgba(20, 24, 29, 1)"]


ASSETS = Path(nngraph.__file__).parent / "pictures" / "assets"


def test_the_script_holds_every_module_after_those_that_it_imports() -> None:
    script = joined_script()
    starts = {}
    for path in ASSETS.rglob("*.js"):
        first_line = path.read_text(encoding="utf-8").partition("\n")[0]
        assert re.fullmatch(r"// [A-Z].*\.", first_line), f"{path.name} says what it is for"
        assert script.count(first_line) == 1
        starts[path] = script.index(first_line)
    for path in starts:
        for name in re.findall(r'from "(\..+)";', path.read_text(encoding="utf-8")):
            assert starts[(path.parent / name).resolve()] < starts[path]
    assert not re.search(r"^\s*(import|export)\b|/\*\*\n", script, re.M)
    assert {path.name for path in ASSETS.iterdir() if path.is_file()} == {
        "main.js",
        "page.css",
        "page.html",
    }


def test_the_modules_of_the_script_can_share_one_scope() -> None:
    names = re.findall(r"^(?:const|let|function|class) (\w+)", joined_script(), re.M)
    assert len(names) > 100
    assert [name for name, count in Counter(names).items() if count > 1] == []


def test_the_last_run_is_shown_by_default() -> None:
    mean = "0.2449"  # tanh(0.25)
    x = nn.Identity()().annotate(name="x")
    g = nngraph.gModule([x], [nn.Tanh()(x).annotate(name="y")])
    clones = nngraph.clone_many_times(g, 2)
    assert mean not in nngraph.html_page(g)
    t = torch.full((2, 3), 0.25)
    g.forward(t)
    g.backward(t, torch.full((2, 3), 0.5))
    assert nngraph.html_page(g) == nngraph.html_page(
        g, values=nngraph.trace(g, t, torch.full((2, 3), 0.5))
    )
    assert mean in nngraph.html_page(g)
    clones[0].forward(t)
    assert mean in nngraph.html_page(clones)
