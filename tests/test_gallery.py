"""The graphs of the gallery run, and their gradients are those of finite differences."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import torch

import pygraph_nn as nngraph

GALLERY = Path(__file__).parent.parent / "examples" / "gallery"


@pytest.mark.parametrize("path", sorted(GALLERY.glob("*.py")), ids=lambda path: path.stem)
def test_gradients(path: Path, float64_default: None) -> None:
    module = runpy.run_path(str(path))
    graph, inputs = module["graph"], module["inputs"]
    leaves = [inputs] if torch.is_tensor(inputs) else list(inputs)
    assert len(leaves) == graph.nInputs

    def run(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        nngraph.manualSeed(1)  # the same noise each time
        outputs = graph(list(tensors) if len(tensors) > 1 else tensors[0])
        return (outputs,) if torch.is_tensor(outputs) else tuple(outputs)

    assert torch.autograd.gradcheck(run, [leaf.requires_grad_() for leaf in leaves])


def test_every_entry_has_a_title_and_a_source() -> None:
    for path in GALLERY.glob("*.py"):
        title, _, rest = (runpy.run_path(str(path))["__doc__"] or "").partition("\n")
        assert ": " in title, path
        assert any(year in rest for year in map(str, range(1990, 2030))), path
