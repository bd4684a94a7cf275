"""`FlatSGD.report_gradients`: every gradient is reported once, and is complete when it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from recurrent_oracle import CLASSES, SIZE, language_model, words

import pygraph_nn as nngraph
from pygraph_nn import nn
from zaremba_port import gru, lstm

pytestmark = pytest.mark.usefixtures("float64_default")

Report = tuple[int, torch.Tensor, bool]
"""The index of a part, its gradients at the time, and whether the backward pass was over."""


def stepwise(
    x: nngraph.Node, prev_h: nngraph.Node, *, input_size: int, rnn_size: int
) -> tuple[nngraph.Node]:
    """A cell that no pattern matches: its layers run step by step, by autograd."""
    scale = nn.Mul()(prev_h)
    total = nn.CAddTable()(
        [nn.Linear(input_size, rnn_size)(x), nn.Linear(rnn_size, rnn_size)(scale)]
    )
    return (nn.SoftSign()(total),)


def tied(core: nngraph.gModule) -> None:
    by_shape: dict[torch.Size, nn.Linear] = {}
    for linear in [m for m in core.modules() if type(m) is nn.Linear]:
        other = by_shape.setdefault(linear.weight.shape, linear)
        if other is not linear:
            linear.weight = other.weight


def frozen(core: nngraph.gModule) -> None:
    next(m for m in core.modules() if type(m) is nn.Linear).weight.requires_grad_(False)


def reports_of(
    cell: Callable[..., Any], early: bool, change: Callable[[nngraph.gModule], None] | None
) -> tuple[list[list[Report]], list[torch.Tensor], Any]:
    """Train three steps; return the reports and the gradients of each."""
    states = 2 if cell is lstm else 1
    core = language_model(cell, 2, states)
    sgd = nngraph.FlatSGD(nngraph.recurrent(core, {"prev_s": "next_s"}))
    if change is not None:
        change(core)
    reports: list[list[Report]] = []
    is_over = False

    def on_ready(part: nngraph.GradientPart) -> None:
        reports[-1].append((part.index, part.gradients.clone(), is_over))

    sgd.report_gradients(on_ready, early=early)
    gradients = []
    for _ in range(3):
        reports.append([])
        is_over = False
        first = [torch.zeros(2, SIZE) for _ in range(2 * states)]
        loss, _ = sgd.forward([words(), words(), first])
        sgd.backward([loss], [torch.ones_like(loss)])
        is_over = True
        gradients.append(sgd.gradients.clone())
        sgd.update(0.1)
    return reports, gradients, sgd


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("change", [None, tied, frozen])
@pytest.mark.parametrize("cell", [lstm, gru, stepwise])
def test_parts_are_complete_and_hold_all_gradients(cell, early, change):
    reports, gradients, sgd = reports_of(cell, early, change)
    for of_step, total in zip(reports, gradients, strict=True):
        assert len({index for index, _, _ in of_step}) == len(of_step)
        covered = torch.zeros_like(total)
        parts = {part.index: part for part in sgd._parts.parts}
        assert set(parts) == {index for index, _, _ in of_step}
        for index, at_report, _ in of_step:
            view = parts[index].gradients
            start = view.storage_offset()
            part = slice(start, start + view.numel())
            assert torch.equal(at_report.flatten(), total[part])
            covered[part] += 1
        assert (covered[total != 0] == 1).all()
        assert (covered <= 1).all()


def test_early_parts_come_in_the_order_of_the_backward_pass():
    """From the second pass on: the softmax layer first, the embedding last."""
    reports, _, sgd = reports_of(lstm, True, None)
    widths = [part.gradients.shape for part in sgd._parts.parts]
    for of_step in reports[1:]:
        order = [widths[index] for index, _, _ in of_step]
        assert order[0] == ((SIZE + 1) * CLASSES,)
        assert order[-1] == (CLASSES, SIZE)


def test_parts_of_another_networks_gradients():
    core = language_model(lstm, 2, 2)
    _, gradients = core.getParameters()
    parts = nngraph.gradient_parts(core, gradients)
    assert sum(part.gradients.numel() for part in parts) == gradients.numel()
    assert [part.is_table for part in parts] == [True] + [False] * (len(parts) - 1)
    for part in parts:
        part.gradients.fill_(part.index + 1)
    assert (gradients > 0).all()


def test_rows_of_a_table():
    part = nngraph.GradientPart(0, torch.zeros(6, 2), is_table=True)
    part.gradients[4] = 1
    assert part.rows.tolist() == [4]
    part.replace_rows(torch.tensor([1, 5]), torch.ones(2, 2))
    assert part.rows.tolist() == [1, 5]
