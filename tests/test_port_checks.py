"""The checks of the ports find wrong gradients and wrong values."""

from __future__ import annotations

import pytest
import torch
from port_checks import check_module, check_step, with_gradients

from pygraph_nn import nn

pytestmark = pytest.mark.usefixtures("float64_default")
X = torch.tensor([[0.3, -0.2]], dtype=torch.float64)


def plain(x, p):
    return (x @ p["0.weight"].T + p["0.bias"]).tanh()


def net() -> nn.Sequential:
    return nn.Sequential().add(nn.Linear(2, 3)).add(nn.Tanh())


def test_a_right_network_passes() -> None:
    check_module(net(), X, plain)


def test_a_gradient_that_is_not_the_derivative_is_found() -> None:
    with pytest.raises(AssertionError, match="input 0"):
        check_module(net().add(nn.GradientReversal()), X, plain)


def test_a_network_that_computes_something_else_is_found() -> None:
    with pytest.raises(AssertionError, match="not close"):
        check_module(net(), X, lambda x, p: plain(x, p) * 1.001)


def test_a_step_with_a_forgotten_gradient_is_found() -> None:
    network = net()
    network.zeroGradParameters()
    with pytest.raises(AssertionError, match=r"0\.weight"):
        check_step(
            lambda: network.forward(X).sum().item(),
            with_gradients(network),
            lambda p: plain(X, p).sum(),
        )
