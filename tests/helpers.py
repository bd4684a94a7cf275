"""Helpers of the tests: golden data of Torch7 and its Lua code, browsers, kernels, servers."""

from __future__ import annotations

import ast
import contextlib
import functools
import gzip
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import pygraph_nn as nngraph
from pygraph_nn import nn
from pygraph_nn.recurrent.native import (
    Library,
    Unavailable,
    bfloat16_unavailable,
    capability,
    kernels_unavailable,
    load,
    loading,
)

ROOT = Path(__file__).resolve().parents[1]
# Data too large for the repository, or not ours to give away; see CONTRIBUTING.md.
SHARED = Path(os.environ.get("ZAREMBA_TEST_DATA") or ROOT.parent / "shared")
GOLDEN = SHARED / "golden"
PTB = SHARED / "data" / "ptb"
# The part of the golden data that every copy of the tests has, compressed.
SHIPPED_GOLDEN = Path(__file__).parent / "data" / "golden"

needs_golden = pytest.mark.skipif(
    not GOLDEN.is_dir(), reason="only part of Torch7's golden data is here; see ZAREMBA_TEST_DATA"
)
needs_ptb = pytest.mark.skipif(
    not PTB.is_dir(), reason="the Penn Treebank is not here; see ZAREMBA_TEST_DATA"
)

DTYPES = {
    "torch.DoubleTensor": torch.float64,
    "torch.FloatTensor": torch.float32,
    "torch.LongTensor": torch.int64,
    "torch.IntTensor": torch.int32,
    "torch.ShortTensor": torch.int16,
    "torch.CharTensor": torch.int8,
    "torch.ByteTensor": torch.uint8,
}
# By the golden README, sums differ between BLAS libraries by 1e-12 (double) and 1e-5 (float).
TOLERANCE = {torch.float64: 1e-11, torch.float32: 1e-5}


def golden(*parts: str) -> Any:
    """Return the parsed JSON file at the path `parts` in the golden folder, all or shipped."""
    if GOLDEN.is_dir():
        return json.loads(GOLDEN.joinpath(*parts).read_text())
    shipped = SHIPPED_GOLDEN.joinpath(*parts)
    return json.loads(gzip.decompress(shipped.with_name(f"{shipped.name}.gz").read_bytes()))


def golden_names(folder: str) -> list[str]:
    """Return the names of the golden files in `folder`: all of them, or those that are shipped."""
    if GOLDEN.is_dir():
        return sorted(path.stem for path in (GOLDEN / folder).glob("*.json"))
    return sorted(p.name.removesuffix(".json.gz") for p in (SHIPPED_GOLDEN / folder).glob("*.gz"))


def value(data: Any) -> Any:
    """Return a golden value as tensors, lists and numbers."""
    if isinstance(data, dict) and "size" in data:
        numbers = [float(x) for x in data["data"]]
        tensor = torch.tensor(numbers, dtype=torch.float64).to(DTYPES[data["type"]])
        return tensor.reshape(data["size"]) if data["size"] else tensor
    if isinstance(data, list):
        return [value(element) for element in data]
    return float(data) if data in ("nan", "inf", "-inf") else data


def assert_close(ours: Any, theirs: Any, tolerance: float | None = None, what: str = "") -> None:
    """Assert that nested tensors have the same shapes and close elements.

    `tolerance` is relative to the largest of 1 and the absolute values of `theirs`; the default
    depends on the dtype of `theirs`. `what` names the value in messages.
    """
    if isinstance(theirs, (list, tuple)):
        assert isinstance(ours, (list, tuple)), f"{what}: {ours!r} is no table"
        assert len(ours) == len(theirs), what
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            assert_close(a, b, tolerance, f"{what}[{i}]")
        return
    ours, theirs = as_tensor(ours).detach(), as_tensor(theirs)
    if tolerance is None:
        tolerance = TOLERANCE.get(theirs.dtype, 0.0)
    assert tuple(ours.shape) == tuple(theirs.shape), f"{what}: {ours.shape} != {theirs.shape}"
    if theirs.numel():
        scale = max(1.0, theirs.double().abs().max().item())
        error = (ours.double() - theirs.double()).abs().max().item()
        assert error <= tolerance * scale, f"{what}: off by {error}, scale {scale}"


def as_tensor(number: Any) -> torch.Tensor:
    """Return a Python number as a tensor of float64, and a tensor unchanged."""
    return number if torch.is_tensor(number) else torch.tensor(number, dtype=torch.float64)


@contextlib.contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Make `dtype` torch's default dtype inside the block."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


# The positions of arguments that are indices, which Lua counts from 1. There a 0 is no index and
# stays 0, except for LookupTable, where it means no padding.
INDEX_ARGUMENTS = {
    "Concat": [0],
    "DepthConcat": [0],
    "GatedLinearUnit": [0],
    "Index": [0],
    "JoinTable": [0],
    "Max": [0],
    "Mean": [0],
    "Min": [0],
    "Narrow": [0, 1],
    "NarrowTable": [0],
    "MixtureTable": [0],
    "Padding": [0, 4],
    "Parallel": [0, 1],
    "Replicate": [1],
    "Select": [0, 1],
    "SelectTable": [0],
    "SplitTable": [0],
    "Squeeze": [0],
    "Sum": [0],
    "Unsqueeze": [0],
    "LookupTable": [2],
    "Transpose": [0, 1, 2],
}


class _FromZero(ast.NodeTransformer):
    """Shifts the indices in calls of layers, which Lua counts from 1, to count from 0."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute):
            for position in INDEX_ARGUMENTS.get(node.func.attr, []):
                if position < len(node.args):
                    node.args[position] = self._shift(node.func.attr, node.args[position])
        return node

    def _shift(self, layer: str, argument: ast.expr) -> ast.expr:
        index = ast.literal_eval(argument)
        if index is None:
            return argument
        if isinstance(index, list):
            return ast.List([ast.Constant(i - 1) for i in index], ast.Load())
        if index == 0:
            return ast.Constant(None if layer == "LookupTable" else 0)
        return ast.Constant(index - 1 if index > 0 else index)


def from_lua(code: str) -> ast.Module:
    """Return the Python syntax tree of golden `code`, with indices from 0."""
    return ast.fix_missing_locations(_FromZero().visit(ast.parse(code)))


class LuaTorch:
    """Stands in for Lua's torch, with the names that golden code uses."""

    @staticmethod
    def Tensor(values: list[float]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.get_default_dtype())

    zeros = staticmethod(torch.zeros)
    ones = staticmethod(torch.ones)


def run_lua(code: str, **names: Any) -> dict[str, Any]:
    """Run golden `code` with `names` defined, and return all its variables."""
    space: dict[str, Any] = {"nn": nn, "nngraph": _Nngraph, "torch": LuaTorch, **names}
    exec(compile(from_lua(code), "golden", "exec"), space)
    return space


def evaluate_lua(code: str) -> Any:
    """Return the value of the golden expression `code`."""
    return run_lua(f"result = {code}")["result"]


class _Nngraph:
    """Stands in for Lua's nngraph, with the names that golden code uses."""

    nest = staticmethod(nngraph.nest)
    JustTable = nn.JustTable
    JustElement = nn.JustElement


def exists(code: str) -> bool:
    """Return whether `nn` has every layer that golden `code` uses."""
    names = [n.attr for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Attribute)]
    return all(hasattr(nn, name) for name in names if name[:1].isupper() and name != "Tensor")


def printed_from_lua(text: str) -> str:
    """Return Torch7's text for a module with its indices, and places in containers, from 0."""

    def one_less(match: re.Match[str]) -> str:
        return f"{match[1]}{int(match[2]) - 1}"

    text = re.sub(r"(?m)((?:^[ |`]*|-> )\()(\d+)(?=\)(?::| ->))", one_less, text)
    return re.sub(r"(SelectTable\(|Unsqueeze\(dim )(\d+)", one_less, text)


def chromium(profile: Path, size: str) -> Iterator[Any]:
    """Yield a headless Chromium under selenium, which logs its console and network.

    Args:
        profile: an empty folder.
        size: the size of the window, "width,height".

    Skips the test where Chromium or selenium is missing.
    """
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    driver_program = shutil.which("chromedriver")
    if browser is None or driver_program is None:
        pytest.skip("Chromium or its chromedriver is missing (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in (
        "headless=new no-sandbox disable-gpu disable-quic no-first-run disable-sync "
        "disable-background-networking disable-component-update disable-dev-shm-usage "
        f"window-size={size} user-data-dir={profile}"
    ).split():
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver_program))
    yield driver
    driver.quit()


class Reader:
    """A reader of the page, who uses it by pointer and keyboard."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, path: Path) -> None:
        self.driver.get(path.as_uri())

    def all(self, selector: str) -> list[Any]:
        return self.driver.find_elements("css selector", selector)

    def one(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def text(self, selector: str) -> str:
        return self.one(selector).text

    def box(self, name: str) -> Any:
        """Return the box whose name for screen readers starts with `name`."""
        return self.one(f'.box[aria-label="{name}"], .box[aria-label^="{name},"]')

    def names(self) -> list[str]:
        return self.js("return [...document.querySelectorAll('.box')].map(b => b.ariaLabel)")

    def js(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def press(self, *keys: str) -> None:
        """Press keys; the focused element receives them."""
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def focused(self) -> str:
        return self.js("const e = document.activeElement; return e.ariaLabel || e.id")

    def walk_to(self, step: int) -> None:
        self.js(
            "const s = document.getElementById('step'); s.value = arguments[0];"
            "s.dispatchEvent(new Event('input', {bubbles: true}))",
            step,
        )


@functools.cache
def cpu_capabilities() -> list[str]:
    """The processors for which the kernels can be compiled and run here, by capability."""
    try:
        own = capability()
        load_once(own)
    except Unavailable:
        return []
    names = ["AVX2", "AVX512", "AVX512_BF16"]  # each includes those before it
    return names[: names.index(own) + 1]


@functools.cache
def load_once(capability: str) -> Library:
    """The kernels for `capability`, loaded once in this run of the tests."""
    return load(capability)


def use_compiled(name: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the kernels compiled for the capability `name`; skip, with the reason, without any."""
    try:
        functions = load_once(name or capability()).functions
    except Unavailable as reason:
        pytest.skip(f"no compiled kernels: {reason}")
    monkeypatch.setattr(loading, "library", lambda: functions)


def needs_kernels() -> pytest.MarkDecorator:
    """Mark tests that need the compiled kernels, to be skipped with the reason without them."""
    reason = kernels_unavailable()
    return pytest.mark.skipif(reason is not None, reason=f"no compiled kernels: {reason}")


def needs_bfloat16() -> pytest.MarkDecorator:
    """Mark tests that need the kernels in bfloat16, to be skipped with the reason without them."""
    reason = bfloat16_unavailable()
    return pytest.mark.skipif(reason is not None, reason=f"no kernels in bfloat16: {reason}")


def run_python(*arguments: str | Path, **environment: str) -> str:
    """Run Python with `arguments` in a process of its own; return what it prints.

    The test fails if the process does, also by a signal.
    """
    process = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, f"{process.returncode}: {process.stderr}"
    return process.stdout


class Server(http.server.ThreadingHTTPServer):
    """An HTTP server for one test: `stop` waits for its threads and raises their errors.

    A thread that prints a traceback while a later test parses Python would break that test: before
    Python 3.11.8, parsing in two threads fails (CPython issue 106905).
    """

    daemon_threads = False  # server_close does not wait for daemon threads

    def __init__(self, handler: Callable[..., http.server.BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.closing = threading.Event()
        self.errors: list[BaseException] = []
        self._loop = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self._loop.start()

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self.server_port}"

    def stop(self) -> None:
        """Stop serving, if it still serves, and raise an error of a request's handler, if any."""
        if not self.closing.is_set():
            self.closing.set()
            self.shutdown()
            self._loop.join()
            self.server_close()
        if self.errors:
            raise self.errors.pop()

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep the error for `stop`; socketserver calls this in place of printing it."""
        error = sys.exc_info()[1]
        assert error is not None
        self.errors.append(error)


def one_line(error: pytest.ExceptionInfo[Exception]) -> str:
    """The message of `error`, which must be a single line."""
    text = str(error.value)
    assert "\n" not in text
    return text


def data(*shape: int, seed: int = 0) -> torch.Tensor:
    """Return normal random numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def graph_of(*modules: torch.nn.Module) -> nngraph.gModule:
    """Return a gModule that runs `modules` one after the other."""
    first = h = nn.Identity()()
    for module in modules:
        h = module(h)
    return nngraph.gModule([first], [h])


def as_version_0_1(run: Path) -> Path:
    """Turn a run folder into one of version 0.1.0: fixed names, no manifest; return its path."""
    manifest = json.loads((run / "manifest.json").read_text())
    (run / manifest["saves"][0]["file"]).rename(run / "last.safetensors")
    if manifest["best"]:
        (run / manifest["best"]).rename(run / "best.safetensors")
    known = ("settings.json", "source.json", "vocabulary.txt", "cell.json", "last.safetensors",
             "best.safetensors", "metrics.jsonl", "train.log")  # fmt: skip
    for path in run.iterdir():
        if path.name not in known:
            path.unlink()
    return run
