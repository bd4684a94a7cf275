"""Checks of a ported network, in float64: central differences, and plain PyTorch.

Both checks use Torch7's protocol, `forward` and `backward`, as the ported programs do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

import pygraph_nn as nngraph
from pygraph_nn import nested

Parameters = Mapping[str, torch.Tensor]

SEED = 1  # of Torch7's generator before every run, so that a sampler draws the same noise
STEP = 1e-5  # of the central differences


def check_module(
    net: nngraph.nn.Module, input: Any, oracle: Callable[[Any, Parameters], Any]
) -> None:
    """Check the outputs of `net` and the gradients of its inputs and parameters.

    `oracle` computes the outputs in plain PyTorch, from the input and the parameters by name.
    """
    parameters = dict(net.named_parameters())
    outputs = run(net, input)
    grad_outputs = nested.map_leaves(weights_like, outputs)
    net.zeroGradParameters()
    grad_input = net.backward(input, grad_outputs)

    def weighted_sum(outputs: Any) -> torch.Tensor:
        pairs = zip(nested.leaves(outputs), nested.leaves(grad_outputs), strict=True)
        return sum((y * weight).sum() for y, weight in pairs)

    named = {f"input {i}": (x, grad) for i, (x, grad) in enumerate(float_pairs(input, grad_input))}
    named |= {name: (p.data, p.grad) for name, p in parameters.items()}
    check_differences(lambda: weighted_sum(run(net, input)), named)

    leaves, copies = nested.map_leaves(leaf, input), {n: leaf(p) for n, p in parameters.items()}
    expected = oracle(leaves, copies)
    for y, y_expected in zip(nested.leaves(outputs), nested.leaves(expected), strict=True):
        torch.testing.assert_close(y, y_expected.detach(), rtol=1e-11, atol=1e-11)
    weighted_sum(expected).backward()
    floats = [x for x in nested.leaves(leaves) if x.is_floating_point()]
    check_gradients(named, [*floats, *copies.values()])


def check_step(
    step: Callable[[], float],
    tensors: Mapping[str, tuple[torch.Tensor, torch.Tensor]],
    oracle: Callable[[Parameters], torch.Tensor],
) -> None:
    """Check a training step: its loss, and the gradients that it leaves in `tensors`.

    `tensors` holds pairs of a value and its gradient by name. `step` computes the gradients anew
    and returns the loss; `oracle` computes the loss in plain PyTorch from the values by name.
    """
    loss = step()
    named = {name: (value, grad.clone()) for name, (value, grad) in tensors.items()}
    check_differences(step, named)
    copies = {name: leaf(value) for name, (value, _) in tensors.items()}
    expected = oracle(copies)
    assert loss == pytest.approx(expected.item(), rel=1e-11)
    expected.backward()
    check_gradients(named, list(copies.values()))


def with_gradients(net: torch.nn.Module) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return the parameters of `net` and their gradients by name, for `check_step`."""
    return {name: (parameter.data, parameter.grad) for name, parameter in net.named_parameters()}


def check_differences(
    loss: Callable[[], Any], named: Mapping[str, tuple[torch.Tensor, torch.Tensor]]
) -> None:
    """Check each gradient along a random direction against a central difference of `loss`."""
    generator = torch.Generator().manual_seed(SEED)
    for name, (value, grad) in named.items():
        direction = torch.randn(value.shape, generator=generator, dtype=torch.float64)
        before = value.clone()
        losses = []
        for offset in (STEP, -STEP):
            value.copy_(before + offset * direction)
            losses.append(float(loss()))
        value.copy_(before)
        slope = (losses[0] - losses[1]) / (2 * STEP)
        assert slope == pytest.approx((grad * direction).sum().item(), rel=1e-6, abs=1e-8), name


def check_gradients(
    named: Mapping[str, tuple[torch.Tensor, torch.Tensor]], leaves: list[torch.Tensor]
) -> None:
    """Compare the gradients in `named` with the ``.grad`` of `leaves`, in order."""
    for (name, (_, grad)), x in zip(named.items(), leaves, strict=True):
        assert x.grad is not None, f"the oracle does not use {name}"
        torch.testing.assert_close(
            grad, x.grad, rtol=1e-10, atol=1e-11, msg=lambda text, name=name: f"{name}: {text}"
        )


def run(net: nngraph.nn.Module, input: Any) -> Any:
    nngraph.manualSeed(SEED)
    return net.forward(input)


def weights_like(x: torch.Tensor) -> torch.Tensor:
    """Weights for a sum of outputs that differ from element to element."""
    return torch.arange(1.0, x.numel() + 1, dtype=x.dtype).cos().view_as(x)


def leaf(x: torch.Tensor) -> torch.Tensor:
    return x.detach().clone().requires_grad_() if x.is_floating_point() else x


def float_pairs(a: Any, b: Any) -> list[tuple[torch.Tensor, torch.Tensor]]:
    pairs = zip(nested.leaves(a), nested.leaves(b), strict=True)
    return [(x, y) for x, y in pairs if x.is_floating_point()]
