"""The small packages of Lua programs: Penlight's strings, optim's records, numbers in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("lupa")

from pygraph_nn import lua


def results(folder: Path, expressions: str, before: str = "", **options: Any) -> Any:
    """Return what the expressions are in Lua, in a list."""
    path = folder / "program.lua"
    path.write_text(
        "require 'nn' require 'optim'\nlocal stringx, utils = require 'pl.stringx', "
        f"require 'pl.utils'\n{before}\n"
        f"return {{ f = function() return {{ {expressions} }} end }}\n",
        encoding="latin-1",
    )
    return lua.run(path, **options)["f"]()


def test_bytes_inside_letters_are_no_white_space(tmp_path: Path) -> None:
    # In UTF-8, the last bytes of these letters are 0xa0 and 0x85, spaces of Unicode.
    text = "caf\u00e0 d\u00c5 x".encode().decode("latin-1")
    found = results(
        tmp_path,
        f"stringx.split('{text}'), stringx.strip(' {text[:5]} '), stringx.splitlines('{text}')",
    )
    assert found == [text.split(" "), text[:5], [text]]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("stringx.lstrip('xxab', 'x')", "ab"),
        ("stringx.rstrip('ab \\n')", "ab"),
        ("utils.split('a b   c')", ["a", "b", "c"]),
        ("utils.split('1, 2,3', ',%s*')", ["1", "2", "3"]),
        ("utils.split('a.b.c', '.', true)", ["a", "b", "c"]),
        ("utils.split('a,b,c', ',', true, 2)", ["a", "b,c"]),
        ("utils.split('a,,b,', ',')", ["a", "", "b"]),
    ],
)
def test_strings_of_penlight(expression: str, expected: Any, tmp_path: Path) -> None:
    assert results(tmp_path, expression) == [expected]


@pytest.mark.parametrize("text", ["a\\n\\nb", "a\\n\\nb\\n"])
def test_lines_do_not_end_with_an_empty_one(text: str, tmp_path: Path) -> None:
    before = f"local all = {{}} for x in stringx.lines('{text}') do all[#all + 1] = x end"
    assert results(tmp_path, "all", before) == [["a", "", "b"]]


def test_numbers_are_read_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "numbers.txt").write_text("3 4\n-1.5e3 0x10 abc\n")
    before = "local f = io.open('numbers.txt') local a, b, c, d = f:read('*n', '*n', '*n', '*n')"
    found = results(
        tmp_path, "a, b, c, d, tostring(f:read('*n')), f:read('*l')", before, allow_io=True
    )
    assert found == [3, 4, -1500, 16, "nil", "abc"]


def test_a_confusion_matrix_leaves_out_classes_that_did_not_occur(tmp_path: Path) -> None:
    before = """
    local c = optim.ConfusionMatrix { 'cat', 'dog', 'cow' }
    c:batchAdd(torch.Tensor { { 1, 0, 0 }, { 0, 1, 0 }, { 1, 0, 0 } }, torch.Tensor { 1, 2, 2 })
    local text = tostring(c)
    """
    mean, total, text = results(tmp_path, "c.averageValid, c.totalValid, text", before)
    assert (mean, total) == (pytest.approx(0.75), pytest.approx(2 / 3))
    assert "[ 1 1 0]  50.000%  [dog]" in text
    assert "global correct: 66.667%" in text


def test_a_logger_writes_its_file(tmp_path: Path) -> None:
    before = """
    local log = optim.Logger('log.txt')
    log:add { loss = 1.5, accuracy = 2 }
    log:add { accuracy = 3, loss = 1 }
    """
    results(tmp_path, "1", before, allow_io=True)
    assert (tmp_path / "log.txt").read_text() == "accuracy\tloss\t\n2\t1.5\t\n3\t1\t\n"


def test_checkgrad_finds_a_wrong_gradient(tmp_path: Path) -> None:
    right = "optim.checkgrad(function(x) return x:dot(x), x * 2 end, torch.ones(3))"
    wrong = right.replace("* 2", "* 3")
    assert results(tmp_path, f"({right}), ({wrong})") == [
        pytest.approx(0, abs=1e-7),
        pytest.approx(0.2),
    ]


def test_gradient_descent_with_a_decay_for_each_parameter(tmp_path: Path) -> None:
    before = """
    local x = torch.Tensor { 1, 2 }
    optim.sgd(function() return 0, torch.ones(2) end, x,
      { learningRate = 0.1, weightDecays = torch.Tensor { 0, 0.5 } })
    local ok, words = pcall(optim.sgd, function() end, x, { nesterov = true, momentum = 0.9 })
    """
    x, words = results(tmp_path, "x, words", before)
    assert torch.allclose(x, torch.tensor([0.9, 1.8], dtype=torch.float64))
    assert "dampening = 0" in words


def test_a_layer_takes_one_pair_or_several(tmp_path: Path) -> None:
    one, two = results(
        tmp_path,
        "nn.Transpose({ 1, 2 }):forward(torch.zeros(2, 3)), "
        "nn.Transpose({ 1, 2 }, { 2, 3 }):forward(torch.zeros(2, 3, 4))",
    )
    assert one.shape == (3, 2)
    assert two.shape == (3, 4, 2)
