"""Tensors in Lua against NumPy: indices from 1, results in place or new, Torch7's forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("lupa")

from pygraph_nn import lua

A = np.arange(1.0, 13.0).reshape(3, 4)
V = np.array([3.0, 1.0, 2.0])
CASES = {
    # index and shape
    "a[2]": A[1],
    "a[{2, 3}]": A[1, 2],
    "a[{{}, 2}]": A[:, 1],
    "a[{{2, 3}, {1, 2}}]": A[1:3, 0:2],
    "a[{-1, {2, -1}}]": A[-1, 1:],
    "a[a:gt(6)]": A[A > 6],
    "a:narrow(2, 2, 2)": A[:, 1:3],
    "a:sub(1, 2, -2, -1)": A[0:2, 2:4],
    "a:select(2, 4)": A[:, 3],
    "a:index(1, torch.LongTensor{3, 1})": A[[2, 0]],
    "a:t()": A.T,
    "a:view(4, 3)": A.reshape(4, 3),
    "a:view(-1)": A.reshape(-1),
    "v:repeatTensor(2, 1)": np.tile(V, (2, 1)),
    "torch.cat(a, a, 1)": np.concatenate([A, A], 0),
    "torch.cat({v, v})": np.concatenate([V, V]),
    "a:split(2, 2)[2]": A[:, 2:4],
    "v:view(3, 1):expand(3, 2)": np.repeat(V[:, None], 2, 1),
    # numbers and sizes
    "a:size(2)": 4,
    "#v:size()": 1,
    "a:size()[1]": 3,
    "a:dim()": 2,
    "a:nElement()": 12,
    "torch.Tensor():dim()": 0,
    # arithmetic: new and in place
    "torch.add(v, 2)": V + 2,
    "torch.add(v, 2, v)": V + 2 * V,
    "torch.add(v, v)": V + V,
    "v:clone():add(0.5, v)": V + 0.5 * V,
    "torch.Tensor():add(v, 1)": V + 1,
    "torch.cmul(v, v)": V * V,
    "v:clone():cdiv(v + 1)": V / (V + 1),
    "v * 2 - v / 2": V * 2 - V / 2,
    "a * torch.ones(4)": A @ np.ones(4),
    "v * v": V @ V,
    "(-v)": -V,
    "torch.pow(v, 2)": V**2,
    "v:clone():addcmul(2, v, v)": V + 2 * V * V,
    "v:clone():addcdiv(-1, v, v + 1)": V - V / (V + 1),
    "torch.addmv(0.5, v, 2, a, torch.ones(4))": 0.5 * V + 2 * (A @ np.ones(4)),
    "torch.ger(v, v)": np.outer(V, V),
    "torch.exp(v)": np.exp(V),
    "torch.exp(0)": 1,
    "v:clone():clamp(1.5, 2.5)": np.clip(V, 1.5, 2.5),
    "torch.round(2.5)": 3,
    "torch.Tensor{-2.5, 0.5}:round()": np.array([-3.0, 1.0]),
    # reductions
    "a:sum()": A.sum(),
    "a:sum(1)": A.sum(0, keepdims=True),
    "a:mean(2)": A.mean(1, keepdims=True),
    "v:std()": V.std(ddof=1),
    "v:norm()": np.linalg.norm(V),
    "a:norm(1)": np.abs(A).sum(),
    "({a:max(2)})[2]": np.array([[4], [4], [4]]),
    "({v:sort()})[2]": np.array([2, 3, 1]),
    "({v:topk(1, 1, true)})[1]": np.array([3.0]),
    "v:min()": 1,
    "torch.cumsum(v)": np.cumsum(V),
    "v:dot(v)": V @ V,
    "torch.dist(v, v + 1)": np.sqrt(3),
    # making
    "torch.range(1, 4)": np.arange(1.0, 5.0),
    "torch.linspace(0, 1, 3)": np.array([0, 0.5, 1]),
    "torch.eye(2)": np.eye(2),
    "torch.zeros(torch.LongStorage{2, 2})": np.zeros((2, 2)),
    "torch.Tensor{{1, 2}, {3, 4}}": np.array([[1.0, 2.0], [3.0, 4.0]]),
    "v:clone():resize(2)": V[:2],
    "v.new():resizeAs(v):fill(2)": np.full(3, 2.0),
    "torch.IntTensor{7, 8}:double() / 2": np.array([3.5, 4]),
    "torch.IntTensor{7, 8} / 2": np.array([3, 4]),
    "torch.ByteTensor{250}:add(10)": np.array([4]),
    # numbers lose their fraction where the tensor holds integers
    "torch.IntTensor{1, 2} * 1.5": np.array([1, 2]),
    "2.5 - torch.LongTensor{3}": np.array([-1]),
    "torch.LongTensor{3}:add(-1.5)": np.array([2]),
    "torch.LongTensor{7}:mul(2.9)": np.array([14]),
    "torch.LongTensor{7} / 2.5": np.array([3]),
    "torch.Tensor{5, -5} % 3": np.array([2.0, 1.0]),
    "torch.pow(2, v)": 2.0**V,
    "torch.pow(torch.Tensor(), v, 2)": V**2,
    # one factor: of what it stands before
    "torch.addmv(10, v, a, torch.ones(4))": 10 * V + A.sum(1),
    "torch.addmv(v, 10, a, torch.ones(4))": V + 10 * A.sum(1),
    "v:clone():addmv(10, a, torch.ones(4))": V + 10 * A.sum(1),
    "v:clone():addmv(10, v, a, torch.ones(4))": 10 * V + A.sum(1),
}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> lua.Program:
    body = "".join(f"cases[{name!r}] = function() return {name} end\n" for name in CASES)
    path = tmp_path_factory.mktemp("lua") / "cases.lua"
    path.write_text(
        "require 'torch'\nlocal a = torch.range(1, 12):view(3, 4)\n"
        "local v = torch.Tensor{3, 1, 2}\n"
        f"local cases = {{}}\n{body}return cases\n"
    )
    return lua.run(path)


@pytest.mark.parametrize("name", CASES)
def test_values(name: str, program: lua.Program) -> None:
    result: Any = program[name]()
    expected = CASES[name]
    if isinstance(result, torch.Tensor):
        assert tuple(result.shape) == np.shape(expected)
        assert np.allclose(result.numpy(), expected)
    else:
        assert result == pytest.approx(expected)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("torch.zeros(3)[4]", "index 4 out of bounds"),
        ("torch.zeros(3)[0]", "index 0 out of bounds"),
        ("torch.zeros(3):sum(2)", "dimension 2 out of range"),
        ("torch.zeros(3):narrow(1, 3, 2)", "narrow: 2 from 3"),
        ("torch.zeros(3):add(torch.FloatTensor(3))", "expecting torch.DoubleTensor"),
        ("torch.zeros(3):copy(torch.zeros(2))", "sizes do not match"),
        ("torch.zeros(2, 3):index(1, torch.LongTensor{3})", "index out of range"),
        ("torch.Tensor{'a'}", "expecting numbers"),
        ("torch.LongTensor{1} / 0", "division of torch.LongTensor of size 1 by 0"),
    ],
)
def test_wrong_arguments_are_named_in_terms_of_lua(code: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.lua"
    path.write_text(f"local x = 1\nlocal y = {code}\nreturn y\n")
    with pytest.raises(lua.LuaError, match=words) as caught:
        lua.run(path)
    assert str(caught.value).startswith("wrong.lua:2: ")


def test_tensors_print_as_in_torch7(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "print.lua"
    path.write_text("print(torch.Tensor{{1, 2}, {3, 4.5}})\nprint(torch.LongStorage{2, 3})\n")
    lua.run(path)
    assert capsys.readouterr().out == (
        " 1.0000  2.0000\n 3.0000  4.5000\n[torch.DoubleTensor of size 2x2]\n\n"
        " 2\n 3\n[torch.LongStorage of size 2]\n\n"
    )
