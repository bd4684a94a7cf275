"""Which values of each layer count from 1 in Torch7: the declarations, and what they translate."""

from __future__ import annotations

import inspect

import pytest
import torch
from helpers import INDEX_ARGUMENTS, golden, needs_golden, value

from pygraph_nn import GraphError, nn
from pygraph_nn.nn.core import CountsFromOne, data_from_lua, data_to_lua

CLASSES = {
    name: member
    for name in nn.__all__
    if isinstance(member := getattr(nn, name), type) and hasattr(member, "counts_from_one")
}


def positions(name: str) -> list[int]:
    parameters = list(inspect.signature(CLASSES[name].__init__).parameters)[1:]
    named = [parameters.index(a) for a in CLASSES[name].counts_from_one.arguments]
    return [0, 1, 2] if name == "Transpose" else named  # its only parameter takes all arguments


def test_arguments_are_those_by_which_golden_code_is_translated() -> None:
    declared = {name: positions(name) for name, c in CLASSES.items() if c.counts_from_one.arguments}
    declared.pop("ClassNLLCriterion")  # its ignoreIndex is not in golden code
    declared.pop("AlongDimension", None)
    assert declared == INDEX_ARGUMENTS


@needs_golden
def test_inputs_and_targets_by_golden_indices() -> None:
    table = golden("modules", "LookupTable.json")["cases"][0]
    layer, indices = nn.LookupTable(1, 1), value(table["input"])
    layer.weight = value(table["params"][0])
    assert layer.counts_from_one.inputs == (None,)
    assert torch.equal(layer(data_from_lua(indices)), value(table["output"]))
    with_targets = {
        name
        for name in CLASSES
        if CLASSES[name].counts_from_one.target  # target - 1 reproduces their golden losses
    }
    assert with_targets == {
        "ClassNLLCriterion",
        "ClassSimplexCriterion",
        "CrossEntropyCriterion",
        "MultiLabelMarginCriterion",
        "MultiMarginCriterion",
        "SpatialClassNLLCriterion",
    }


def test_values_there_and_back() -> None:
    counts = CountsFromOne(zero={"paddingValue": None, "ignoreIndex": -1})
    for lua, here in [(1, 0), (3, 2), (-1, -1), (None, None), ("key", "key"), ([1, 2], [0, 1])]:
        assert counts.from_lua("dim", lua) == here
        assert counts.to_lua("dim", here) == lua
    for name, here in [("paddingValue", None), ("ignoreIndex", -1)]:
        assert counts.from_lua(name, 0) == here
        assert counts.to_lua(name, here) == 0
    for wrong in (0, 1.5, True, [1, 0]):
        with pytest.raises(GraphError, match="dim = "):
            counts.from_lua("dim", wrong)


@pytest.mark.parametrize("dtype", [torch.int64, torch.float32, torch.uint8])
def test_data_there_and_back(dtype: torch.dtype) -> None:
    lua = torch.tensor([1, 4, 0], dtype=dtype)
    assert data_from_lua(lua).tolist() == [0, 3, -1]
    assert data_to_lua(data_from_lua(lua)).tolist() == [1, 4, 0]


def test_declared_fields_exist() -> None:
    made = {
        "Parallel": nn.Parallel(0, 1),
        "Padding": nn.Padding(0, 1),
        "Narrow": nn.Narrow(0, 1),
        "Transpose": nn.Transpose([0, 1]),
        "LookupTable": nn.LookupTable(2, 2),
        "Select": nn.Select(0, 0),
        "Replicate": nn.Replicate(2),
    }
    for name, cls in CLASSES.items():
        if cls.counts_from_one.fields:
            layer = made[name] if name in made else cls() if "Criterion" in name else cls(0)
            assert all(hasattr(layer, field) for field in cls.counts_from_one.fields), name
