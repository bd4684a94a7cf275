"""The plan of a recurrent network: its stages, its picture, and what cannot be planned."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from recurrent_oracle import language_model

import pygraph_nn as nngraph
from pygraph_nn import nn
from pygraph_nn.recurrent import make_plan
from zaremba_port import lstm


def test_the_plan_of_two_layers() -> None:
    plan = make_plan(language_model(lstm, 2, 2), {"prev_s": "next_s"})
    assert [stage.loop for stage in plan.stages] == [False, True, False, True, False]
    kinds = [[type(plan.ops[i].module) for i in stage.ops] for stage in plan.stages]
    assert nn.LookupTable in kinds[0]
    assert nn.Linear in kinds[0]
    assert nn.Linear in kinds[2]
    assert kinds[4][-3:] == [nn.Linear, nn.LogSoftMax, nn.ModuleFromCriterion]
    text = str(plan)
    assert text.count("loop over time") == 2
    assert "prev_s: state 0 needs its own value of the step before" in text
    assert all(stage.reason for stage in plan.stages)


def test_the_picture_of_a_plan() -> None:
    plan = make_plan(language_model(lstm, 2, 2), {"prev_s": "next_s"})
    source = plan.dot("two layers").source
    assert source.count("subgraph cluster_") == 5
    assert source.count("step after step") == 2
    assert source.count("style=dashed") == 4  # the delays of two c and two h
    assert 'label="two layers"' in source


def small() -> nngraph.gModule:
    x, prev = nn.Identity()().annotate(name="x"), nn.Identity()().annotate(name="prev")
    return nngraph.gModule([x, prev], [nn.CAddTable()([x, prev]).annotate(name="next")])


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"prev": "nxt"}, r"output 'nxt' is not one of the 1 outputs \('next'\)"),
        ({"prv": "next"}, r"input 'prv' is not one of the 2 inputs \('x', 'prev'\)"),
        ({5: 0}, "input 5 is not one of the 2 inputs"),
    ],
)
def test_unknown_names(state: Any, message: str) -> None:
    with pytest.raises(nngraph.GraphError, match=message):
        nngraph.recurrent(small(), state)


def test_a_state_given_back_in_another_structure() -> None:
    x, prev = nn.Identity()(), nn.Identity()()
    a, b = prev.split(2)
    core = nngraph.gModule([x, prev], [nn.CAddTable()([x, a, b])])
    net = nngraph.recurrent(core, {1: 0})
    with pytest.raises(nngraph.GraphError, match="expecting a table, to take element"):
        net([torch.ones(2, 1, 1), [torch.ones(1, 1), torch.ones(1, 1)]])


def test_sequences_of_different_lengths() -> None:
    x, y = nn.Identity()(), nn.Identity()()
    net = nngraph.recurrent(nngraph.gModule([x, y], [nn.CAddTable()([x, y])]), {})
    with pytest.raises(nngraph.GraphError, match=r"lengths \[2, 3\]"):
        net([torch.ones(2, 1, 1), torch.ones(3, 1, 1)])


def test_a_core_that_runs_its_nodes_in_its_own_way() -> None:
    core = small()
    core.run_node = lambda step, input: input
    with pytest.raises(nngraph.GraphError, match="run_node of its own"):
        nngraph.recurrent(core, {"prev": "next"})
