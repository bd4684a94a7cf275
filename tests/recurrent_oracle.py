"""A recurrent network over time against the one-step network called step after step."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import pygraph_nn as nngraph
from pygraph_nn import nested, nn

SIZE, CLASSES = 3, 5
TOLERANCE = 1e-10  # in double precision


def by_steps(core: nngraph.gModule, input: list[Any], state: dict[int, int]) -> list[Any]:
    """The outputs of `core` called step after step; the oracle."""
    sequences = [i for i in range(len(input)) if i not in state]
    now = list(input)
    rows: list[list[Any]] = []
    for t in range(len(input[sequences[0]])):
        for i in sequences:
            now[i] = input[i][t]
        outputs = core(now) if len(now) > 1 else core(now[0])
        outputs = outputs if isinstance(outputs, list) else [outputs]
        rows.append(outputs)
        for i, o in state.items():
            now[i] = outputs[o]
    return [
        last if o in state.values() else torch.stack([row[o] for row in rows])
        for o, last in enumerate(rows[-1])
    ]


def results(core: nngraph.gModule, outputs: list[Any], input: list[Any]) -> list[torch.Tensor]:
    """A loss of all outputs, the outputs, and the gradients of parameters and inputs."""
    values = [leaf for output in outputs for leaf in nested.leaves(output)]
    # Weights that differ from element to element, so that none can stand for another.
    loss = sum(
        (value * torch.arange(1.0, value.numel() + 1).view(value.shape).cos()).sum()
        for value in values
    )
    leaves = [x for x in nested.leaves(input) if x.requires_grad]
    wanted = [*core.parameters(), *leaves]
    grads = torch.autograd.grad(loss, wanted, allow_unused=True)
    zeros = [torch.zeros_like(x) if g is None else g for x, g in zip(wanted, grads, strict=True)]
    return [torch.as_tensor(loss).detach(), *(v.detach() for v in values), *zeros]


def check(core: nngraph.gModule, input: list[Any], state: dict[int, int]) -> None:
    """Loss, outputs, last states and all gradients agree, by autograd and by a `FlatSGD`."""
    net = nngraph.recurrent(core, state)
    expected = results(core, by_steps(core, input, state), input)
    outputs = as_list(core, net(input))
    for a, b in zip(expected, results(core, outputs, input), strict=True):
        torch.testing.assert_close(b, a, rtol=TOLERANCE, atol=TOLERANCE)
    check_flat_sgd(net, input, expected)


def as_list(core: nngraph.gModule, outputs: Any) -> list[Any]:
    return outputs if len(core.outnode.inputs) > 1 else [outputs]


def check_flat_sgd(net: nngraph.Recurrent, input: list[Any], expected: list[torch.Tensor]) -> None:
    core = net.core
    sgd = nngraph.FlatSGD(net)
    for _ in range(2):  # the second time on used buffers
        outputs = as_list(core, sgd.forward(input))
        values = [leaf for output in outputs for leaf in nested.leaves(output)]
        weights = [torch.arange(1.0, v.numel() + 1).view(v.shape).cos() for v in values]
        for a, b in zip(expected[1:], values, strict=False):
            torch.testing.assert_close(b.detach(), a, rtol=TOLERANCE, atol=TOLERANCE)
        pairs = [(v, w) for v, w in zip(values, weights, strict=True) if v.requires_grad]
        sgd.backward(*zip(*pairs, strict=True))
    first = 1 + len(values)
    grads = expected[first : first + len(list(core.parameters()))]
    for (name, parameter), grad in zip(core.named_parameters(), grads, strict=True):
        torch.testing.assert_close(
            parameter.grad, grad, rtol=TOLERANCE, atol=TOLERANCE, msg=lambda m, n=name: f"{n}: {m}"
        )
    squares = sum(grad.square().sum() for grad in grads)
    assert sgd.norm().item() == pytest.approx(float(squares) ** 0.5, rel=1e-12)
    before = [p.detach().clone() for p in core.parameters()]
    sgd.update(0.5)
    for parameter, old, grad in zip(core.parameters(), before, grads, strict=True):
        torch.testing.assert_close(parameter.detach(), old - 0.5 * grad)


def language_model(cell: Any, layers: int, states: int) -> nngraph.gModule:
    x = nn.Identity()().annotate(name="x")
    y = nn.Identity()().annotate(name="y")
    prev_s = nn.Identity()().annotate(name="prev_s")
    parts = list(prev_s.split(states * layers)) if states * layers > 1 else [prev_s.split(1)]
    value, next_s = nn.LookupTable(CLASSES, SIZE)(x), []
    for layer in range(layers):
        prev = parts[states * layer : states * (layer + 1)]
        next = cell(nn.Dropout(0)(value), *prev, input_size=SIZE, rnn_size=SIZE)
        next_s += next
        value = next[-1]
    pred = nn.LogSoftMax()(nn.Linear(SIZE, CLASSES)(value))
    err = nn.ClassNLLCriterion()([pred, y]).annotate(name="err")
    return nngraph.gModule([x, y, prev_s], [err, nngraph.nest(next_s).annotate(name="next_s")])


def words(steps: int = 4, batch: int = 2) -> torch.Tensor:
    return torch.randint(CLASSES, (steps, batch), generator=torch.Generator().manual_seed(2))
