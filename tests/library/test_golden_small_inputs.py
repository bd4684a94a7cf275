"""Vectors, numbers and tables where a layer usually gets matrices, against Torch7."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from helpers import (
    assert_close,
    default_dtype,
    golden,
    golden_names,
    needs_golden,
    run_lua,
    value,
)

import pygraph_nn as nngraph
from pygraph_nn import GraphError, nn

pytestmark = needs_golden

# Where ours differs: for "output" or "gradInput", the message of an error or the right value.
NUMBER = "autograd computes no gradient"
DIFFERS: dict[str, dict[str, Any]] = {
    # Torch7 selects a row, -1, and fails in backward.
    "selecttable_of_vector": {"output": "expecting a table, got torch.float64 tensor"},
    # In Lua, a table of one element and nil is a table of one element.
    "selecttable_of_mixed": {"gradInput": lambda case: [value(case["go3"]), None]},
    # Torch7's layers without a computation pass anything on, in both directions.
    "identity_string": {"gradInput": NUMBER},
    "identity_number_sequential": {"gradInput": NUMBER},
    "number_and_tensor_gmodule": {"gradInput": NUMBER},
    # Torch7 cannot scatter nothing.
    "maskedselect_none": {
        "gradInput": lambda case: [torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.uint8)]
    },
    # Torch7 returns what it did not compute: there was no forward pass.
    "squeeze_2_of_vector": {"gradInput": "without a forward pass"},
    # The output's values are garbage in Torch7.
    "squeeze_1_of_vector_of_one": {"output": lambda case: torch.tensor([4.0])},
}


def tensors_of(dtype: torch.dtype) -> Callable[..., torch.Tensor]:
    """Lua's constructor of tensors: of a table of values, or of sizes."""

    def make(*arguments: Any) -> torch.Tensor:
        if arguments and isinstance(arguments[0], list):
            return torch.tensor(arguments[0], dtype=dtype)
        return torch.zeros(arguments or (0,), dtype=dtype)

    return make


TORCH = SimpleNamespace(
    Tensor=tensors_of(torch.float64),
    ByteTensor=tensors_of(torch.uint8),
    LongTensor=lambda values: torch.tensor(values) - 1,  # indices count from 0
)


def node() -> nngraph.Node:
    return nn.Identity()()


def python(lua: str) -> str:
    """Return the Python of ``m, input, gradOutput = ...``, with which the Lua `code` begins."""
    code = lua.partition("; rec(")[0].removeprefix("local ")
    code = re.sub(r":(fill|zero)\(", r".\1_(", code)
    code = re.sub(r":(?=\w+\()", ".", code).replace("nil", "None")
    code = re.sub(r"(Tensor)({(?:[^{}]|{[^{}]*})*})", r"\1(\2)", code)
    code = code.replace("{", "[").replace("}", "]")
    block = r"\(function\(\) local ([\w, ]+) = ([^;]+); return (.*) end\)\(\)"
    return re.sub(block, r"(lambda \1: \3)(\2)", code)


def cases() -> list[Any]:
    if "small_inputs" not in golden_names("overrides"):
        return []
    recorded = golden("overrides", "small_inputs.json")["cases"]
    return [pytest.param(case, id=case["name"]) for case in recorded]


def check(run: Callable[[], Any], theirs: Any, what: str) -> None:
    """Compare a result with Torch7's, or with the message of a refusal."""
    if isinstance(theirs, dict) and "error" in theirs:
        with pytest.raises(GraphError, match=r"^nn\.|^nngraph\."):
            run()
    elif isinstance(theirs, str) and theirs != "a":
        with pytest.raises(GraphError, match=theirs):
            run()
    else:
        assert_equal(run(), value(theirs), what)


def assert_equal(ours: Any, theirs: Any, what: str) -> None:
    if isinstance(theirs, list):
        assert len(ours) == len(theirs), what
        for a, b in zip(ours, theirs, strict=True):
            assert_equal(a, b, what)
    elif theirs is None or isinstance(theirs, str):
        assert ours == theirs, what
    else:
        assert_close(ours, theirs, what=what)


@pytest.mark.parametrize("case", cases())
def test_small_inputs_as_in_torch7(case: dict[str, Any]) -> None:
    with default_dtype(torch.float64):
        nngraph.manualSeed(case["seed"])
        given = {name: value(case[name]) for name in ("x", "go3")}
        space = run_lua(python(case["code"]), torch=TORCH, node=node, **given)
        m, input, gradOutput = (space[name] for name in ("m", "input", "gradOutput"))
        theirs = dict(case["values"])
        if "LongTensor" not in case["code"]:
            assert_equal(input, value(theirs["input"]), "input")
        for name, other in DIFFERS.get(case["name"], {}).items():
            theirs[name] = other(case) if callable(other) else other
        check(lambda: m.forward(input), theirs["output"], "output")
        check(lambda: m.backward(input, gradOutput), theirs["gradInput"], "gradInput")
