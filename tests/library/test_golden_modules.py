"""Every layer against Torch7: outputs, gradients, accumulation, evaluation, printing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers import (
    DTYPES,
    assert_close,
    default_dtype,
    evaluate_lua,
    golden,
    golden_names,
    needs_golden,
    printed_from_lua,
    value,
)

import pygraph_nn as nngraph
from pygraph_nn import nested, nn

CASES = [
    pytest.param(case, id=f"{name}-{i}")
    for name in golden_names("modules")
    for i, case in enumerate(golden("modules", f"{name}.json")["cases"])
]
# In-place layers of Torch7 also overwrite gradOutput to save memory; ours leave it alone.
COUNTS_INDICES = ("nn.LookupTable",)
COUNTS_CLASSES = (
    "nn.ClassNLLCriterion",
    "nn.CrossEntropyCriterion",
    "nn.MultiMarginCriterion",
    "nn.MultiLabelMarginCriterion",
)


def build(case: dict[str, Any]) -> Any:
    nngraph.manualSeed(case["seed"])
    return evaluate_lua(case["new"])


def as_input(case: dict[str, Any]) -> Any:
    data = value(case["input"])
    return data - 1 if case["new"].startswith(COUNTS_INDICES) else data


@pytest.mark.parametrize("case", CASES)
def test_like_torch7(case: dict[str, Any]) -> None:
    with default_dtype(DTYPES[case["tensor_type"]]):
        if "target" in case:
            check_criterion(case)
        else:
            check_module(case)


def check_module(case: dict[str, Any]) -> None:
    module = build(case)
    initial = [parameter.detach().clone() for parameter in module.parameters()]
    random_normal = any(layer in case["new"] for layer in ("LookupTable",))
    for ours, theirs in zip(initial, value(case["params"]), strict=True):
        # Normals go through the C library's log and cos, whose last bit may differ.
        assert_close(ours, theirs, 1e-15 if random_normal and ours.dtype == torch.float64 else 0.0)
    input = as_input(case)
    nngraph.manualSeed(case["seed"] + 1000)
    with nngraph.reference_mode():
        output = module.forward(input)
    assert_close(output, value(case["output"]), what="output")
    if "input_changed_to" in case:
        assert_close(input, value(case["input_changed_to"]), what="input afterwards")
    if "params_changed_by_forward_to" in case:
        changed = value(case["params_changed_by_forward_to"])
        assert_close(list(module.parameters()), changed, what="parameters afterwards")
    grad_output = value(case["gradOutput"])
    module.zeroGradParameters()
    grad_input = module.backward(input, grad_output)
    if not case["new"].startswith(COUNTS_INDICES):
        assert_close(grad_input, value(case["gradInput"]), what="gradInput")
    else:
        assert all((g == 0).all() for g in nested.leaves(grad_input))
    assert_gradients(module, case["gradParams"])
    check_buffers(module, case.get("buffers_after_training_step", {}))
    again = case.get("gradParams_after_second_backward")
    if again:
        module.backward(input, value(case["gradOutput"]))
        assert_gradients(module, again)
    module.evaluate()
    assert_close(module.forward(as_input(case)), value(case["output_evaluate"]), what="evaluate")


def assert_gradients(module: nn.Module, theirs: Any) -> None:
    # MapTable lists the parameters of its shared copies again.
    expected = value(theirs or [])[: len(list(module.parameters()))]
    assert_close([p.grad for p in module.parameters()], expected, what="gradParams")


def check_buffers(module: nn.Module, theirs: dict[str, Any]) -> None:
    for name, data in theirs.items():
        expected = value(data)
        if expected.numel():  # Dropout(0) leaves its noise empty
            assert_close(getattr(module, name), expected, what=name)


def check_criterion(case: dict[str, Any]) -> None:
    criterion = build(case)
    input, target = value(case["input"]), value(case["target"])
    if case["new"].startswith(COUNTS_CLASSES):
        target = target - 1
    assert_close(criterion.forward(input, target), torch.as_tensor(value(case["output"])).double())
    assert_close(criterion.backward(input, target), value(case["gradInput"]), what="gradInput")
    as_module = case.get("as_module")
    if not as_module:
        return
    module = nn.ModuleFromCriterion(criterion)
    assert_close(module.forward([input, target]), value(as_module["output"]), what="as module")
    grads = module.backward([input, target], torch.tensor([0.75]).to(nested.leaves(input)[0]))
    if "backward_error" not in as_module:
        assert_close(grads[0], value(as_module["gradInput"])[0], what="as module: gradInput")
    # Where Torch7 fails, on integer targets, ours gives zeros as well.
    assert not torch.as_tensor(grads[1]).any()


@pytest.mark.parametrize("case", CASES)
def test_printing_like_torch7(case: dict[str, Any]) -> None:
    assert str(build(case)) == printed_from_lua(case["tostring"])


@needs_golden
def test_every_golden_layer_is_checked() -> None:
    checked = {case.id.rsplit("-", 1)[0] for case in CASES}
    assert checked == set(golden_names("modules"))
    assert len(checked) >= 87
    assert len(CASES) >= 178
