"""What a user hooks or overrides in a core takes effect over time, or is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import pygraph_nn as nngraph
from pygraph_nn import nn

STEPS, BATCH, SIZE = 4, 2, 3
Modules = dict[str, Any]


def modules() -> Modules:
    """The modules of a core, each by the name of its kind."""
    nngraph.manualSeed(1)
    a = nn.Identity()()
    return {
        "linear": nn.Linear(SIZE, SIZE),
        "recurrent linear": nn.Linear(SIZE, SIZE),
        "sequence": nn.Sequential(nn.Linear(SIZE, SIZE), nn.Tanh()),
        "graph": nngraph.gModule([a], [nn.Linear(SIZE, SIZE)(a)]),
        "identity": nn.Identity(),
        "criterion": nn.ClassNLLCriterion(),
    }


def core_of(m: Modules) -> nngraph.gModule:
    x, y, prev = nn.Identity()(), nn.Identity()(), nn.Identity()()
    i2h = m["identity"](m["graph"](m["sequence"](m["linear"](x))))
    h = nn.Tanh()(nn.CAddTable()([i2h, m["recurrent linear"](prev)]))
    loss = nn.ModuleFromCriterion(m["criterion"])
    err = loss([nn.LogSoftMax()(nn.Linear(SIZE, SIZE)(h)), y])
    m["loss"] = loss
    core = nngraph.gModule([x, y, prev], [err, nn.Identity()(h)])
    m["core"] = core
    return core


def hook(module: torch.nn.Module) -> None:
    module.register_forward_hook(
        lambda m, args, out: [2 * y for y in out] if isinstance(out, list) else 2 * out
    )


def override(module: Any) -> None:
    compute = module.updateOutput

    def doubled(*args: Any) -> Any:
        out = compute(*args)
        return [2 * y for y in out] if isinstance(out, list) else 2 * out

    module.updateOutput = doubled


def step_by_step(core: nngraph.gModule, data: list[torch.Tensor]) -> list[torch.Tensor]:
    x, y, state = data
    losses = []
    for t in range(STEPS):
        err, state = core([x[t], y[t], state])
        losses.append(err)
    return [torch.stack(losses), state]


def plainly(net: Any, data: list[torch.Tensor]) -> list[torch.Tensor]:
    return list(net(data))


def in_buffers(net: Any, data: list[torch.Tensor]) -> list[torch.Tensor]:
    return list(nngraph.FlatSGD(net).forward(data))


NAMES = (*modules(), "loss", "core")
TAKEN_APART = ("sequence", "graph", "identity")
# A criterion is no part of the graph that calls it: only its updateOutput is used.
CHANGES = [(name, change) for name in NAMES for change in (hook, override)]
CHANGES.remove(("criterion", hook))


def changed_after(
    module: Any, change: Callable[[Any], None], when: str, core: nngraph.gModule
) -> Any:
    """Plan `core`; make the change now if it is to come after the plan."""
    net = nngraph.recurrent(core, {2: 1})
    if when == "after the plan":
        change(module)
    return net


@pytest.mark.parametrize("run", [plainly, in_buffers])
@pytest.mark.parametrize("when", ["before the plan", "after the plan"])
@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_it_takes_effect_or_is_refused(
    name: str, change: Callable[[Any], None], when: str, run: Callable[..., list[torch.Tensor]]
) -> None:
    torch.manual_seed(0)
    data = [
        torch.randn(STEPS, BATCH, SIZE),
        torch.randint(SIZE, (STEPS, BATCH)),
        torch.randn(BATCH, SIZE),
    ]
    parts = modules()
    core = core_of(parts)
    unchanged = step_by_step(core, data)
    if when == "before the plan":
        change(parts[name])
    if name == "core" or (when == "after the plan" and name in TAKEN_APART):
        with pytest.raises(nngraph.GraphError, match="hook"):
            run(changed_after(parts[name], change, when, core), data)
        return
    results = run(changed_after(parts[name], change, when, core), data)
    expected = step_by_step(core, data)
    assert any(not torch.equal(a, b) for a, b in zip(expected, unchanged, strict=True))
    torch.testing.assert_close(results, expected)


def test_a_graph_with_its_own_computation_is_called() -> None:
    class Doubled(nngraph.gModule):
        def updateOutput(self, input: Any) -> Any:
            return 2 * super().updateOutput(input)

    a, x, prev = nn.Identity()(), nn.Identity()(), nn.Identity()()
    inner = Doubled([a], [nn.Linear(SIZE, SIZE)(a)])
    h = nn.Tanh()(nn.CAddTable()([inner(x), nn.Linear(SIZE, SIZE)(prev)]))
    core = nngraph.gModule([x, prev], [h])
    xs, state = torch.randn(STEPS, BATCH, SIZE), torch.randn(BATCH, SIZE)
    last = nngraph.recurrent(core, {1: 0})([xs, state])
    for x_t in xs:
        state = core([x_t, state])
    torch.testing.assert_close(last, state)
