"""Programs of Torch7 in Lua: training, layers written in Lua, both Luas, what Python gets."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

lupa = pytest.importorskip("lupa")

from helpers import golden, needs_golden, value  # noqa: E402

import pygraph_nn as nngraph  # noqa: E402
from pygraph_nn import lua, nn  # noqa: E402

PROGRAMS = Path(__file__).parents[1] / "lua_programs"


def has(name: str) -> bool:
    try:
        __import__(f"lupa.{name}")
    except ModuleNotFoundError:
        return False
    return True


LUAS = [
    pytest.param(name, marks=pytest.mark.skipif(not has(name), reason=f"lupa has no {name}"))
    for name in ("luajit21", "lua51")
]


@pytest.fixture(autouse=True)
def unchanged() -> Iterator[None]:
    """Lua's settings end with Lua."""
    yield
    assert torch.get_default_dtype() is torch.float32
    assert torch.is_grad_enabled()


def run_text(folder: Path, text: str, **options: Any) -> lua.Program:
    path = folder / "program.lua"
    path.write_text(text)
    return lua.run(path, **options)


@needs_golden
@pytest.mark.parametrize("interpreter", LUAS)
@pytest.mark.parametrize(
    "name", ["r8_l2_d0_double", "r8_l2_d5_double", "r8_l2_d0_double_pred", "r8_l1_d0_float"]
)
def test_a_language_model_trains_as_under_torch7(name: str, interpreter: str) -> None:
    case = golden("lstm", f"{name}.json")
    program = lua.run(PROGRAMS / "language_model.lua", lua=interpreter)
    steps = len(case["training"])
    losses, norms, params = program["train"](case["config"], value(case["data"]), steps)
    tolerance = 1e-11 if "double" in name else 1e-5
    for mine, norm, theirs in zip(losses, norms, case["training"], strict=True):
        assert mine == pytest.approx(theirs["loss"], rel=tolerance)
        assert norm == pytest.approx(theirs["grad_norm"], rel=tolerance * 10)
    theirs = value(case["final_params"])
    assert params.dtype == theirs.dtype
    assert (params.detach() - theirs).abs().max() < tolerance * 10


def test_python_gets_a_gmodule_that_draws_saves_and_trains(tmp_path: Path) -> None:
    program = lua.run(PROGRAMS / "language_model.lua")
    config = {
        "vocab": 7, "rnn": 3, "layers": 1, "dropout": 0, "init_weight": 0.5, "batch": 2,
        "tensor_type": "torch.FloatTensor",
    }  # fmt: skip
    net = program["create_network"](config)
    assert isinstance(net, nngraph.gModule)
    assert "LookupTable" in net.dot().source
    assert net.forwardnodes[-2].declared_at.startswith(str(PROGRAMS / "language_model.lua"))
    state = [torch.zeros(2, 3), torch.zeros(2, 3)]
    words, targets = torch.tensor([0, 6]), torch.tensor([1, 2])  # from 0: this is Python
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = net([words, targets, state])[0]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    torch.save(net, tmp_path / "net.pt")
    again = torch.load(tmp_path / "net.pt", weights_only=False)
    assert again([words, targets, state])[0].item() == net([words, targets, state])[0].item()


@pytest.mark.parametrize("interpreter", LUAS)
def test_gradients_of_layers_written_in_lua(interpreter: str) -> None:
    program = lua.run(PROGRAMS / "own_layers.lua", lua=interpreter)
    net, rows = program["network"]()
    x = torch.tensor([1.0, 5.0, 1.0], dtype=torch.float64)  # a layer in Lua counts from 1
    parameters = list(net.parameters())
    assert rows.weight in {*parameters}

    def loss() -> torch.Tensor:
        return net(x).pow(2).sum()

    loss().backward()
    for parameter in parameters:
        for place in range(parameter.numel()):
            flat = parameter.data.view(-1)
            kept = flat[place].item()
            flat[place] = kept + 1e-6
            above = loss().item()
            flat[place] = kept - 1e-6
            below = loss().item()
            flat[place] = kept
            expected = (above - below) / 2e-6
            assert parameter.grad.view(-1)[place].item() == pytest.approx(expected, abs=1e-7)
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(program["square"](), (x,))
    assert torch.autograd.gradcheck(program["doubled"](), (x,))
    y = torch.randn(4, 3, dtype=torch.float64)
    criterion = program["criterion"]()
    assert torch.autograd.gradcheck(lambda z: criterion(z, y), (x,))


def test_copies_of_a_layer_in_lua_have_fields_of_their_own(tmp_path: Path) -> None:
    program = run_text(
        tmp_path,
        """
        require 'nn'
        local class, parent = torch.class('Counter', 'nn.Module')
        function class:__init() parent.__init(self) self.seen = {0} end
        function class:updateOutput(x) self.seen[1] = self.seen[1] + 1 return x end
        function class:updateGradInput(x, g) return g end
        local first = nn.Sequential():add(Counter())
        local second = first:clone()
        first:forward(torch.ones(1)) first:forward(torch.ones(1)) second:forward(torch.ones(1))
        return {first:get(1).seen[1], second:get(1).seen[1]}
        """,
    )
    assert program.result == [2, 1]


@pytest.mark.parametrize("interpreter", LUAS)
def test_circles_between_python_and_lua_are_freed(interpreter: str) -> None:
    program = lua.run(PROGRAMS / "own_layers.lua", lua=interpreter)
    runtime = program.runtime
    layer = program["square"]()
    with runtime.entered():
        proxy = runtime.to_lua(layer)
        proxy["itself"] = proxy  # Lua holds the layer, and the layer the table in Lua
    weak = weakref.ref(layer)
    del layer, proxy
    for _ in range(3):
        gc.collect()
        with runtime.entered():
            runtime.bridge.collect()
    assert weak() is None


def test_a_field_outlives_the_proxy_that_lua_had(tmp_path: Path) -> None:
    program = run_text(
        tmp_path,
        """
        require 'nn'
        local net = nn.Sequential():add(nn.Linear(2, 2))
        net:get(1).note = 'kept'
        collectgarbage() collectgarbage()
        return {net:get(1).note, net}
        """,
    )
    assert program.result[0] == "kept"


@pytest.mark.parametrize("interpreter", LUAS)
def test_saved_networks_come_back(tmp_path: Path, interpreter: str) -> None:
    text = (PROGRAMS / "own_layers.lua").read_text()
    program = run_text(
        tmp_path,
        text
        + """
        local net, rows = network()
        local x = torch.Tensor{2, 4}
        local data = {net = net, names = {'a', 'b'}, deep = {[0] = 1}, yes = true}
        data.text = 'caf\\233'
        data.itself = data
        torch.save('net.t7', data)
        local back = torch.load('net.t7')
        local string = torch.deserialize(torch.serialize(net))
        return {
          (net:forward(x) - back.net:forward(x)):abs():max(),
          (net:forward(x) - string:forward(x)):abs():max(),
          back.itself == back, back.text == data.text, back.names[2], back.deep[0], back.yes,
          torch.type(back.net:get(2) or back.net.modules[2]),
        }
        """,
        lua=interpreter,
        allow_io=True,
    )
    assert program.result == [0, 0, True, True, "b", 1, True, "RowTable"]
    plain = nngraph.load_t7(tmp_path / "net.t7", modules=False)
    assert plain["names"] == ["a", "b"]


def test_two_layers_share_by_set(tmp_path: Path) -> None:
    program = run_text(
        tmp_path,
        """
        require 'nn'
        local a, b = nn.Linear(2, 2), nn.Linear(2, 2)
        b:share(a, 'weight', 'bias', 'gradWeight', 'gradBias')
        local net = nn.Sequential():add(a):add(b)
        local flat, gradient = net:getParameters()
        flat:fill(0.5)
        net:forward(torch.ones(1, 2))
        net:backward(torch.ones(1, 2), torch.ones(1, 2))
        return {flat:nElement(), a.weight[{1, 1}], b.bias[2], gradient:sum() == 0, gradient}
        """,
    )
    count, weight, bias, none, gradient = program.result
    assert (count, weight, bias, none) == (6, 0.5, 0.5, False)
    reference = nn.Linear(2, 2)
    with torch.no_grad():
        reference.weight.fill_(0.5), reference.bias.fill_(0.5)
    reference(reference(torch.ones(1, 2))).sum().backward()
    expected = torch.cat([reference.weight.grad.view(-1), reference.bias.grad])
    assert torch.allclose(gradient.float(), expected)
