"""DRAW's attention: a grid of Gaussian filters that reads a patch of an image, and writes one.

Gregor et al. 2015, https://arxiv.org/abs/1502.04623, section 3.2; in Lua
https://github.com/vivanov879/draw.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from port_checks import check_module

import pygraph_nn as nngraph
from pygraph_nn import nn, torch7_random

pytestmark = pytest.mark.usefixtures("float64_default")
BATCH, SIZE, A, N = 3, 5, 6, 3  # images are A x A, patches N x N


def duplicate(x: nngraph.Node) -> nngraph.Node:
    """(BATCH, 1) to A equal columns, (BATCH, A), spelled as in the Lua program."""
    return nn.JoinTable(1)([nn.Identity()(x) for _ in range(A)])


def filterbanks(
    h: nngraph.Node, ascending: nngraph.Node
) -> tuple[nngraph.Node, nngraph.Node, nngraph.Node]:
    """The filters for x and y, (BATCH, N, A) each, and the intensity, (BATCH, 1).

    They depend on the state h, (BATCH, SIZE); `ascending` holds the places of the pixels,
    (BATCH, A).
    """

    def number(part: str) -> nngraph.Node:
        return nn.Linear(SIZE, 1)(h).annotate(name=part)

    def centre(part: str) -> nngraph.Node:
        return nn.MulConstant((A + 1) / 2)(nn.AddConstant(1)(duplicate(number(part))))

    delta = nn.MulConstant((A - 1) / (N - 1))(nn.Exp()(duplicate(number("delta"))))
    precision = nn.MulConstant(-1 / 2)(nn.Power(-2)(nn.Exp()(duplicate(number("sigma")))))

    def bank(g: nngraph.Node) -> nngraph.Node:
        filters = []
        for i in range(1, N + 1):
            mu_i = nn.CAddTable()([g, nn.MulConstant(i - N / 2 - 1 / 2)(delta)])
            d_i = nn.CAddTable()([nn.MulConstant(-1)(mu_i), ascending])
            exp_i = nn.Exp()(nn.CMulTable()([nn.Power(2)(d_i), precision]))
            # Far from the image a filter sums up to less than Normalize's usual 1e-10.
            normal = nn.Normalize(1, 1e-30)(exp_i)
            filters.append(nn.View(1, A).setNumInputDims(1)(normal))
        return nn.JoinTable(1)(filters)

    return bank(centre("x")), bank(centre("y")), nn.Exp()(number("gamma"))


def scaled(matrix: nngraph.Node, gamma: nngraph.Node, size: int) -> nngraph.Node:
    """Each matrix of a batch, (BATCH, size, size), times its number of `gamma`, (BATCH, 1)."""
    numbers = nn.Replicate(size, 1)(nn.Replicate(size, 1)(nn.View(-1)(gamma)))
    return nn.CMulTable()([matrix, numbers])


def attention() -> nngraph.gModule:
    """[image, (BATCH, A, A), h, ascending] to [patch, (BATCH, N, N), canvas, (BATCH, A, A)].

    What it writes on the canvas is a linear function of the patch.
    """
    image, h, ascending = nn.Identity()(), nn.Identity()(), nn.Identity()()
    with nngraph.group("read"):
        Fx, Fy, gamma = filterbanks(h, ascending)
        patch = scaled(nn.MM(False, True)([nn.MM()([Fy, image]), Fx]), gamma, N)
    with nngraph.group("write"):
        flat = nn.Reshape(N * N, batchMode=True)(patch)
        w = nn.Linear(N * N, N * N)(flat).annotate(name="w")
        Fx, Fy, gamma = filterbanks(h, ascending)
        square = nn.Reshape(N, N, batchMode=True)(w)
        written = nn.MM()([nn.MM(True, False)([Fy, square]), Fx])
        canvas = scaled(written, nn.Power(-1)(gamma), A)
    return nngraph.gModule([image, h, ascending], [patch, canvas])


def plain(input, p):
    image, h, _ = input

    def banks(name):
        numbers = {
            part: F.linear(h, p[f"{name}_{part}.weight"], p[f"{name}_{part}.bias"])[:, :, None]
            for part in ("x", "y", "delta", "sigma", "gamma")
        }
        grid = torch.arange(N)[None, :, None] - (N - 1) / 2
        offsets = grid * numbers["delta"].exp() * (A - 1) / (N - 1)
        filters = []
        for part in ("x", "y"):
            places = input[2][:, None] - (numbers[part] + 1) * (A + 1) / 2 - offsets
            filters.append((-(places / numbers["sigma"].exp()).square() / 2).exp())
        return *(f / f.sum(2, keepdim=True) for f in filters), numbers["gamma"].exp()

    Fx, Fy, gamma = banks("read")
    patch = gamma * torch.einsum("bna,bac,bmc->bnm", Fy, image, Fx)
    w = F.linear(patch.flatten(1), p["write_w.weight"], p["write_w.bias"]).view(BATCH, N, N)
    Fx, Fy, gamma = banks("write")
    return [patch, torch.einsum("bna,bnm,bmc->bac", Fy, w, Fx) / gamma]


def example() -> tuple[nngraph.gModule, list[torch.Tensor]]:
    nngraph.manualSeed(1)
    net, images = attention(), torch7_random.rand(BATCH, A, A)
    ascending = torch.arange(1.0, A + 1).expand(BATCH, A).clone()
    return net, [images, torch7_random.randn(BATCH, SIZE), ascending]


def test_gradients() -> None:
    net, input = example()
    check_module(net, input, plain)


def test_training_to_redraw_the_image() -> None:
    net, input = example()
    params, grads = net.getParameters()
    params.grad, criterion, losses = grads, nn.MSECriterion(), []
    optimizer = torch.optim.Adam([params], lr=0.02)
    for _ in range(100):
        grads.zero_()
        patch, canvas = net.forward(input)
        losses.append(criterion.forward(canvas, input[0]).item())
        net.backward(input, [torch.zeros_like(patch), criterion.backward(canvas, input[0])])
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]
