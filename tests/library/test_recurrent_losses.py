"""Losses of classes over time: ignored targets, targets out of range, unlikely classes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from recurrent_oracle import CLASSES, SIZE, by_steps, check, words

import pygraph_nn as nngraph
from pygraph_nn import nn

PLACES: dict[str, Any] = {
    "every step": slice(None),
    "one step": 1,
    "one row of each step": (slice(None), 0),
}

pytestmark = pytest.mark.usefixtures("float64_default")


def loss_over(criterion: nn.ClassNLLCriterion, scale: float = 1.0) -> nngraph.gModule:
    """The loss of a linear layer's log-softmax."""
    x, y = nn.Identity()(), nn.Identity()()
    scores = nn.Linear(SIZE, CLASSES)(nn.MulConstant(scale)(x))
    return nngraph.gModule([x, y], [criterion([nn.LogSoftMax()(scores), y])])


def rows(steps: int = 4, batch: int = 2) -> torch.Tensor:
    return torch.randn(steps, batch, SIZE, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("average", [True, False])
@pytest.mark.parametrize("ignored", [0, CLASSES - 1, CLASSES + 7, -1])
@pytest.mark.parametrize("where", list(PLACES))
def test_ignored_targets_count_nothing(where: str, ignored: int, average: bool) -> None:
    core = loss_over(nn.ClassNLLCriterion(None, average, ignored))
    target = words()
    target[PLACES[where]] = ignored
    check(core, [rows().requires_grad_(), target], {})
    if where == "every step":
        net = nngraph.recurrent(core, {})
        assert torch.equal(net([rows(), target]), torch.zeros(4, 1))
        sgd = nngraph.FlatSGD(net)
        losses = sgd.forward([rows(), target])
        assert torch.equal(losses, torch.zeros(4, 1))
        sgd.backward([losses], [torch.ones_like(losses)])
        assert torch.equal(sgd.gradients, torch.zeros_like(sgd.gradients))


def test_targets_of_another_type() -> None:
    core = loss_over(nn.ClassNLLCriterion(None, True, 2))
    for dtype in (torch.int32, torch.float64):
        check(core, [rows().requires_grad_(), words().to(dtype)], {})


def test_an_empty_batch_gives_what_the_core_gives() -> None:
    core = loss_over(nn.ClassNLLCriterion())
    input = [rows(2, 0), words(2, 0)]
    assert core([input[0][0], input[1][0]]).isnan()
    net = nngraph.recurrent(core, {})
    for losses in (net(input), nngraph.FlatSGD(net).forward(input)):
        assert losses.shape == (2, 1)
        assert losses.isnan().all()


@pytest.mark.parametrize("wrong", [CLASSES, -2])
def test_a_target_out_of_range_is_refused_in_the_same_words(wrong: int) -> None:
    core = loss_over(nn.ClassNLLCriterion())
    target = words()
    target[2, 1] = wrong

    def message(run: Any) -> str:
        with pytest.raises(nngraph.GraphError) as caught:
            run([rows(), target])
        return str(caught.value)

    with pytest.raises(nngraph.GraphError) as caught:
        core([rows()[2], target[2]])
    expected = str(caught.value).partition("\n  in ")[0] + ", run over time by recurrent"
    assert "a target is out of range: targets are " in expected
    net = nngraph.recurrent(core, {})
    assert message(net) == expected
    assert message(nngraph.FlatSGD(net).forward) == expected


def test_a_loss_too_large_for_a_probability() -> None:
    core = loss_over(nn.ClassNLLCriterion(), scale=1e4)
    expected = by_steps(core, [rows(), words()], {})[0]
    assert expected.max() > 1000
    losses = nngraph.FlatSGD(nngraph.recurrent(core, {})).forward([rows(), words()])
    torch.testing.assert_close(losses, expected)


def test_weights_given_to_a_criterion_later_count() -> None:
    criterion = nn.ClassNLLCriterion()
    core = loss_over(criterion)
    net = nngraph.recurrent(core, {})
    criterion.weights = torch.arange(1.0, CLASSES + 1)
    expected = by_steps(core, [rows(), words()], {})[0]
    for losses in (net([rows(), words()]), nngraph.FlatSGD(net).forward([rows(), words()])):
        torch.testing.assert_close(losses, expected)
