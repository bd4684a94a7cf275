"""Layers in Lua whose methods call those of the class that they replace or extend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("lupa")

from pygraph_nn import lua


def run(folder: Path, text: str) -> Any:
    path = folder / "program.lua"
    path.write_text(f"require 'nn'\nlocal x = torch.range(1, 2):view(1, 2)\n{text}")
    return lua.run(path)


def test_a_method_replaced_in_one_object_may_call_the_old_one(tmp_path: Path) -> None:
    program = run(
        tmp_path,
        """
        local l = nn.Linear(2, 2)
        local old, oldGradient = l.updateOutput, l.updateGradInput
        local oldAccumulate = l.accGradParameters
        l.updateOutput = function(self, x) return old(self, x):mul(2) end
        l.updateGradInput = function(self, x, g) return oldGradient(self, x, g) * 3 end
        l.accGradParameters = function(self, x, g, s) oldAccumulate(self, x, g, s * 5) end
        local net = nn.Sequential():add(l):add(nn.Identity())
        net:zeroGradParameters()
        local y, g = net:forward(x), net:backward(x, torch.ones(1, 2))
        return { x = x, y = y, g = g, w = l.weight, b = l.bias, gw = l.gradWeight }
        """,
    )
    x, w, b = program["x"], program["w"].detach(), program["b"].detach()
    assert torch.allclose(program["y"], 2 * (x @ w.T + b))
    assert torch.allclose(program["g"], 3 * torch.ones(1, 2, dtype=w.dtype) @ w)
    assert torch.allclose(program["gw"], 5 * x.expand(2, 2))


def test_the_parents_method_sets_output_and_gradient(tmp_path: Path) -> None:
    program = run(
        tmp_path,
        """
        local Twice, parent = torch.class('nn.Twice', 'nn.Linear')
        function Twice:updateOutput(x)
          parent.updateOutput(self, x)
          self.output:mul(2)
          return self.output
        end
        function Twice:updateGradInput(x, g)
          parent.updateGradInput(self, x, g)
          self.gradInput:mul(2)
          return self.gradInput
        end
        local l = nn.Twice(2, 2)
        return { x = x, y = l:forward(x), g = l:backward(x, torch.ones(1, 2)), w = l.weight,
                 b = l.bias }
        """,
    )
    x, w, b = program["x"], program["w"].detach(), program["b"].detach()
    assert torch.allclose(program["y"], 2 * (x @ w.T + b))
    assert torch.allclose(program["g"], 2 * torch.ones(1, 2, dtype=w.dtype) @ w)


def test_dropout_extended_in_lua_has_one_mask_in_both_directions(tmp_path: Path) -> None:
    program = run(
        tmp_path,
        """
        local D, parent = torch.class('nn.OwnDropout', 'nn.Dropout')
        function D:updateOutput(x) return parent.updateOutput(self, x) end
        local d, ones = nn.OwnDropout(0.5), torch.ones(50)
        torch.manualSeed(3)
        local y = d:forward(ones)
        local after = torch.uniform()
        torch.manualSeed(3)
        d:forward(ones)
        local g = d:backward(ones, ones)
        return { y = y, g = g, after = after, same = torch.uniform() }
        """,
    )
    assert torch.equal(program["y"], program["g"])
    assert 0 < (program["y"] == 0).sum() < 50
    assert program["after"] == program["same"]


def test_there_is_no_member_after_the_last(tmp_path: Path) -> None:
    assert run(tmp_path, "return { tostring(nn.Sequential():add(nn.Tanh()):get(2)) }")[1] == "nil"


def test_arguments_of_a_wrong_type_are_shown(tmp_path: Path) -> None:
    with pytest.raises(lua.LuaError, match=r"nn.Linear: arguments of a wrong type: 'a', 2"):
        run(tmp_path, "nn.Linear('a', 2)")
