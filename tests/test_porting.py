"""The Python of docs/porting.md runs, and prints what the page shows."""

from __future__ import annotations

import doctest
from itertools import pairwise

import torch

import pygraph_nn as nngraph
from tools.imports import ROOT
from tools.run_readme import read_blocks

PAGE = ROOT / "docs" / "porting.md"


def test_the_python_of_the_page_runs() -> None:
    blocks = [block for block in read_blocks(PAGE.read_text("utf-8")) if block.language == "python"]
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    examples = []
    for block in blocks:
        for example in parser.get_examples(block.code):
            example.lineno += block.line  # failures name lines of the page
            examples.append(example)
    assert len(examples) > 80
    torch.manual_seed(1)
    nngraph.manualSeed(1)
    output: list[str] = []
    page = doctest.DocTest(examples, {}, PAGE.name, str(PAGE), 0, None)
    results = runner.run(page, out=output.append)
    assert results.failed == 0, "".join(output)


def test_every_idiom_is_shown_in_both_languages() -> None:
    languages = [block.language for block in read_blocks(PAGE.read_text("utf-8"))]
    assert set(languages) == {"lua", "python"}
    for language, after in pairwise(languages):
        assert "python" in (language, after), "a Lua block without its Python"


def test_the_page_lists_every_port() -> None:
    page, ports = PAGE.read_text("utf-8"), (ROOT / "tests" / "ports").glob("*.py")
    names = {path.name for path in ports} - {"test_neural_turing_machine.py"}
    assert names
    for name in names:
        assert f"](../tests/ports/{name})" in page, name
