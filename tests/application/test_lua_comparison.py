"""The comparison with the Lua program, for small programs in its manner."""

from __future__ import annotations

import hashlib
import html.parser
import json
import math
import re
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import Server, chromium
from hypothesis import given, settings
from hypothesis import strategies as st

import pygraph_nn as nngraph
from pygraph_nn import nested, nn, torch7_random
from zaremba_port import UserError, cli
from zaremba_port.assignment.lua_comparison import compare, html_page
from zaremba_port.assignment.lua_comparison import fetch as lua_fetch
from zaremba_port.assignment.lua_comparison import folder as lua_folder
from zaremba_port.assignment.lua_comparison.excerpts import lines_with, python_excerpt
from zaremba_port.assignment.lua_comparison.pairs import NAMES, PAIRS

MAIN = """\
-- A program of our own, in the manner of the original.
require('base')
local params = { layers=3, rnn_size = 7,
  lr=0.5 }  -- dropout=0.5 stands in a comment
local text = "<script>alert('a & b')</script>"

-- Gates at once.
local function lstm(x, c, h)
  local i2h=nn.Linear(1, 4)(x)
  local   h2h = nn.Linear(1, 4)(h)
  local gates = nn.CAddTable()({i2h, h2h}) -- gates = twice here, once in code
  return next_c, next_h
end

local reset_state = function(state)
  state.pos = 1
  for d = 1, 4 do start_s[d]:zero() end
end

local function helper() return "only here" end

local function bp(state) paramdx:zero() end
local function bp(state)
  reset_ds()
end
"""
BASE = "function g_f3(f)\n  return f\nend\n"
DATA = "local vocab_map = {}\nlocal function replicate(x)\n  local s = x\nend\n"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    folder = tmp_path / "program"
    folder.mkdir()
    for name, text in (("main", MAIN), ("base", BASE), ("data", DATA)):
        (folder / f"{name}.lua").write_text(text)
    return folder


def section(comparison: Any, name: str) -> Any:
    return next(s for s in comparison.pairs if name in s.pair.functions)


def connected(section: Any) -> set[tuple[str, str]]:
    return {
        (a.text.strip(), b.text.strip())
        for lua, python in section.matches
        for a in lua
        for b in python
    }


# The pairs


@pytest.mark.parametrize(
    ("pair", "pattern"),
    [(pair, python) for pair in PAIRS for _, python in pair.lines],
    ids=lambda value: value if isinstance(value, str) else ",".join(value.functions),
)
def test_a_pattern_marks_one_line_of_python(pair: Any, pattern: str) -> None:
    lines = [line for thing in pair.python for line in python_excerpt(thing).lines]
    assert [line.number for line in lines_with(pattern, lines)], "no line has it any more"
    assert len(lines_with(pattern, lines)) == 1, "several lines have it"


def test_every_pair_says_something() -> None:
    functions = [(pair.file, name) for pair in PAIRS for name in pair.functions]
    assert len(set(functions)) == len(functions)
    for pair in PAIRS:
        assert pair.notes
        assert bool(pair.python) == bool(pair.lines)
        assert all(note.count("`") % 2 == 0 for note in pair.notes)


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.lua)
def test_a_name_of_ours_exists(name: Any) -> None:
    modules = {"nn": nn, "nngraph": nngraph, "nested": nested, "torch": torch, "math": math}
    modules |= {"time": time, "torch7_random": torch7_random, "pathlib": __import__("pathlib")}
    assert eval(name.python, modules) is not None


def test_lines_are_compared_token_by_token(program: Path) -> None:
    comparison = compare(program)
    matches = connected(section(comparison, "lstm"))
    assert (
        "local i2h=nn.Linear(1, 4)(x)",
        "i2h = nn.Linear(input_size, 4 * rnn_size)(x)",
    ) in matches
    assert any(lua.startswith("local gates") for lua, _ in matches)  # the comment does not count
    assert "reshaped_gates =" in section(comparison, "lstm").unconnected
    outside = section(comparison, "")
    assert {lua.partition("=")[0].strip() for lua, _ in connected(outside)} == {
        "local params", "lr"
    }  # fmt: skip
    assert "dropout =" in outside.unconnected


def test_lines_that_share_one_form_a_group(program: Path) -> None:
    (program / "main.lua").write_text(
        "local function fp(state)\n local x = state\n local y = state\n return 1\nend\n"
    )
    matches = section(compare(program), "fp").matches
    assert [[line.number for line in lua] for lua, _ in matches] == [[1], [2, 3], [4]]


def test_functions_are_found_in_any_form_and_file(program: Path) -> None:
    (program / "base.lua").write_text(BASE + "\nfunction fp(state)\nend\n")
    comparison = compare(program)
    assert section(comparison, "reset_state").lua[0].lines[0].number == 15
    assert section(comparison, "fp").lua[0].lines[0].file == "base.lua"
    assert section(comparison, "lstm").lua[0].lines[0].text == "-- Gates at once."
    assert section(comparison, "run_test").absent == ["run_test"]
    assert comparison.found == 6


def test_of_two_definitions_the_last_counts(program: Path) -> None:
    comparison = compare(program)
    assert section(comparison, "bp").lua[0].lines[0].number == 23
    assert [excerpt.title for excerpt in comparison.lua_only] == ["helper", "bp"]


def test_what_only_the_package_has_is_read_from_it(program: Path) -> None:
    modules = compare(program).python_only
    only = {(module.name, name) for module in modules for name, _ in module.definitions}
    assert ("runs.folder", "RunFolder") in only
    assert ("model", "gru") in only
    assert not {("model", "lstm"), ("unrolled", "Model"), ("train", "train")} & only


# The page


class Checker(html.parser.HTMLParser):
    """Collects ids, references and text, and checks that tags nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []
        assert len(set(self.ids)) == len(self.ids)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in ("meta", "link"):
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name == "href" and tag == "a":
                self.targets.append(value)
            assert name != "src"
            assert tag != "link" or name != "href" or value.startswith("data:")
            assert not name.startswith("on")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += data


def checked(folder: Path) -> Checker:
    text = html_page(compare(folder))
    page = Checker(text)
    assert {target.removeprefix("#") for target in page.targets} <= set(page.ids)
    return page


def test_the_page_is_sound_and_complete(program: Path) -> None:
    page = checked(program)
    for line in MAIN.splitlines():
        assert line.strip() in page.text
    assert "<script>alert('a & b')</script>" in page.text  # as text
    assert "These Lua files contain no function run_test." in page.text
    assert "Only in these Lua files" in page.text
    assert "functions of the original are missing" in page.text
    assert "Not connected, because" in page.text
    assert "gates = nn.CAddTable()([i2h, h2h])" in page.text


def test_the_page_reports_damaged_files(program: Path) -> None:
    (program / "main.lua").write_text(MAIN + "\nfunction open(\n")
    (program / "base.lua").unlink()
    (program / "data.lua").write_bytes(b"-- caf\xe9 \x00\x1b\n" + DATA.encode())
    page = checked(program)
    assert "main.lua, line 27: the 'function' which begins here has no 'end'" in page.text
    assert "base.lua is not in the folder" in page.text
    assert "data.lua is not UTF-8 text: bad byte 0xe9 at offset 6" in page.text
    assert "caf\ufffd \ufffd\ufffd" in page.text
    (program / "data.lua").write_text("x" * (lua_folder.LARGEST + 1))
    (program / "base.lua").mkdir()
    page = checked(program)
    assert "data.lua has over" in page.text
    assert "base.lua is not a file" in page.text
    (program / "main.lua").write_bytes(b"")
    assert "24 of the 24 functions of the original are missing" in checked(program).text


def test_code_is_coloured(program: Path) -> None:
    (program / "base.lua").write_text("function g_f3(f) return a < 1 and 'b' > 2 end -- c\n")
    shown = html_page(compare(program))
    assert '<span class="k">return</span> a &lt; <span class="m">1</span>' in shown
    assert '<span class="s">\'b\'</span> &gt; <span class="m">2</span>' in shown
    assert '<span class="k">end</span> <span class="c">-- c</span>' in shown
    assert '<span class="k">def</span> <span class="nf">lstm</span>(' in shown


fragments = st.sampled_from(
    ["function f()", "end", "\n", "<", "&", "'", '"', "[[", "]]", "--[[", "--", "\0", "é",
     "local function fp(state)\n"]
)  # fmt: skip


@settings(max_examples=12, deadline=None)
@given(st.lists(fragments | st.text(max_size=5)))
def test_any_file_gives_a_page(tmp_path_factory: Any, parts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "main.lua").write_text(" ".join(parts), encoding="utf-8")
    checked(folder)


def test_the_original_is_recognised(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not compare(program).folder.is_original
    use_checksums(monkeypatch)
    assert compare(program).folder.is_original
    assert "The Lua code is the original program" in checked(program).text


def use_checksums(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"main.lua": MAIN, "base.lua": BASE, "data.lua": DATA}
    for name, text in texts.items():
        digest = hashlib.sha256(text.encode()).hexdigest()
        monkeypatch.setitem(lua_fetch.LUA_SHA256, name, digest)


# The command


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def test_the_command_writes_the_page(program: Path, tmp_path: Path, capsys: Any) -> None:
    output = tmp_path / "page.html"
    assert run("compare", program, "-o", output) == 0
    assert "5 of 24 functions found" in capsys.readouterr().out
    assert output.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{}/none"], "no such folder: {}/none"),
        (["{}/program/main.lua"], "is a file: give the folder"),
        (["{}"], "holds none of main.lua, base.lua, data.lua"),
        ([], "give either FOLDER"),
        (["{}/program", "--fetch"], "give either FOLDER"),
        (["{}/program", "-o", "{}/none/page.html"], "there is no folder {}/none"),
        (["{}/program", "-o", "{}"], "cannot write {}: "),
    ],
)
def test_mistakes_take_one_line(
    program: Path, tmp_path: Path, capsys: Any, arguments: list[str], message: str
) -> None:
    assert run("compare", *(a.replace("{}", str(tmp_path)) for a in arguments)) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message.replace("{}", str(tmp_path)) in error


@pytest.fixture
def server(program: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Serve the program, and list the requested paths."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            asked.append(self.path)

    server = Server(partial(Handler, directory=str(program)))
    monkeypatch.setenv("ZAREMBA_LUA_URL", f"{server.url}/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    use_checksums(monkeypatch)
    yield asked
    server.stop()


def test_fetched_once_and_checked(
    server: list[str], program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    cache, output = tmp_path / "cache", tmp_path / "page.html"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setattr("pooch.os_cache", lambda project: cache / project)
    for _ in range(2):
        assert run("compare", "--fetch", "-o", output) == 0
        assert server == ["/main.lua", "/base.lua", "/data.lua"]
    assert "The Lua code is the original program" in output.read_text(encoding="utf-8")
    (cache / "zaremba_port" / "lua" / "base.lua").write_text("damaged")
    assert run("compare", "--fetch", "-o", output) == 0
    assert server[3:] == ["/base.lua"]


def test_a_failed_download_is_reported(
    server: list[str], program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (program / "base.lua").write_text("another")
    with pytest.raises(UserError, match=r"base\.lua: its SHA256 checksum is not"):
        lua_fetch.fetch_lua(tmp_path / "cache")
    (program / "base.lua").unlink()
    with pytest.raises(UserError, match="the server answered 404"):
        lua_fetch.fetch_lua(tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache" / "lua").iterdir()] == ["main.lua"]
    monkeypatch.setenv("ZAREMBA_LUA_URL", "http://127.0.0.1:1")
    with pytest.raises(UserError, match="no connection to the server"):
        lua_fetch.fetch_lua(tmp_path / "other")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write to the cache folder"):
        lua_fetch.fetch_lua(tmp_path / "file")


# In a browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    yield from chromium(tmp_path_factory.mktemp("browser"), "1280,900")


@pytest.fixture
def shown(browser: Any, program: Path, tmp_path: Path) -> Iterator[Any]:
    path = tmp_path / "page.html"
    path.write_text(html_page(compare(program)), encoding="utf-8")
    browser.get_log("performance")
    browser.get(path.as_uri())
    yield browser
    assert browser.get_log("browser") == [], "the console is not empty"
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = [
        e["params"]["request"] for e in events if e["method"] == "Network.requestWillBeSent"
    ]
    urls = {request["url"] for request in requests}
    assert {url for url in urls if not url.startswith(("data:", "chrome:"))} == {path.as_uri()}


def lit(browser: Any) -> list[str]:
    return [
        element.get_property("textContent").strip()
        for element in browser.find_elements("css selector", ".row.lit code")
    ]


GATES = ["local gates = nn.CAddTable()({i2h, h2h}) -- gates = twice here, once in code",
         "gates = nn.CAddTable()([i2h, h2h])  # (batch, 4 * rnn_size)"]  # fmt: skip


def test_pointing_at_a_line_lights_its_partner(shown: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    rows = shown.find_elements("css selector", "#lstm .row[data-group]")
    gates = [row for row in rows if "gates = nn" in row.text]
    for row in gates:
        shown.execute_script("arguments[0].scrollIntoView({block: 'center'})", row)
        ActionChains(shown).move_to_element(row).perform()
        assert lit(shown) == GATES
        assert len(shown.find_elements("css selector", "#lstm path.lit")) == 1
    ActionChains(shown).move_to_element(shown.find_element("css selector", "h3")).perform()
    assert lit(shown) == []


def test_matching_lines_are_level_and_no_curves_cross(shown: Any) -> None:
    tops = shown.execute_script(
        "return [...document.querySelectorAll('#lstm .row[data-group]')].map((row) =>"
        " [row.dataset.group, row.closest('figure').className, row.getBoundingClientRect().top])"
    )
    lua = {group: top for group, side, top in tops if side == "lua"}
    python = {group: top for group, side, top in tops if side == "python"}
    assert len(lua) == len(python) > 3
    assert all(abs(lua[group] - python[group]) < 1 for group in lua)
    drawn = shown.execute_script(
        "return [...document.querySelectorAll('.pair')].map((pair) =>"
        " [...pair.querySelectorAll('.wires path:not(.crossing)')].map((path) => {"
        "  const at = (s) => path.getPointAtLength(s).y;"
        "  return [at(0), at(path.getTotalLength())]; }))"
    )
    for curves in drawn:
        assert not any((a - c) * (b - d) < -1e-6 for a, b in curves for c, d in curves)
    assert not shown.find_elements("css selector", "details.doc[open]")
    assert shown.find_elements("css selector", "#lstm details.doc")


def test_the_page_opens_with_the_network_and_ends_with_helpers(program: Path) -> None:
    sections = re.findall(r'<section class="pair" id="([^"]*)"', html_page(compare(program)))
    assert sections[0] == "lstm"
    assert sections.index("create_network") < sections.index("fp") < sections.index("outside-main")
    assert sections[-1].startswith("g_")
    page = html_page(compare(program))
    start = page.index('id="outside-main"')
    beside = page[start : page.index("</section>", start)]
    assert "PRESETS" in beside
    assert "did_you_mean" not in beside  # of a method


def test_the_keyboard_goes_from_match_to_match(shown: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    def press(key: str) -> Any:
        shown.switch_to.active_element.send_keys(key)
        return shown.switch_to.active_element

    shown.execute_script("document.querySelector('#lstm .lua a.t').focus()")
    assert shown.switch_to.active_element.get_attribute("aria-label").startswith("match 1: zaremba")
    press(Keys.ARROW_DOWN)
    press(Keys.ARROW_DOWN)
    press(Keys.ARROW_DOWN)
    assert lit(shown) == GATES
    assert "main.lua line 11" in press(Keys.ARROW_RIGHT).get_attribute("aria-label")
    assert lit(shown) == GATES
    assert "zaremba_port/model.py" in press(Keys.ENTER).get_attribute("aria-label")
    press(Keys.ESCAPE)
    assert lit(shown) == []
    press(Keys.HOME)
    assert len(lit(shown)) == 2
    stops = shown.find_elements("css selector", "#lstm a.t[tabindex='0']")
    assert len(stops) == 2  # one for every panel


def test_a_tap_holds_the_light(shown: Any) -> None:
    code = shown.find_elements("css selector", "#lstm .lua .row[data-group='2'] code")[0]
    shown.execute_script("arguments[0].scrollIntoView({block: 'center'})", code)
    box = code.rect
    scrolled = shown.execute_script("return scrollY")
    point = {"x": box["x"] + 60, "y": box["y"] - scrolled + 8}
    shown.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    try:
        for expected in (2, 0):
            for kind, points in (("touchStart", [point]), ("touchEnd", [])):
                event = {"type": kind, "touchPoints": points}
                shown.execute_cdp_cmd("Input.dispatchTouchEvent", event)
            until(lambda expected=expected: len(lit(shown)) == expected)
    finally:
        shown.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def until(holds: Any) -> None:
    end = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 800, 390])
def test_text_fits_and_can_be_read(shown: Any, scheme: str, width: int) -> None:
    shown.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    shown.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        assert shown.execute_script("return document.documentElement.scrollWidth") <= width
        contrasts = shown.execute_script(CONTRASTS)
        assert min(contrasts.values()) >= 4.5, contrasts
    finally:
        shown.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        shown.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


CONTRASTS = """
const luminance = (color) => {
  const [r, g, b] = color.match(/[\\d.]+/g).map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const value = (name) => {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return luminance(color);
};
const found = {};
for (const ink of ["--ink", "--soft", "--k", "--s", "--m", "--c", "--f", "--b", "--accent"])
  for (const paper of ["--paper", "--panel", "--lit"]) {
    if (paper === "--lit" && ink === "--accent") continue;
    const [a, b] = [value(ink), value(paper)];
    found[ink + " on " + paper] = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  }
return found;
"""
