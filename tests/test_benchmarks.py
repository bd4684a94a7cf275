"""benchmarks/ablations.py: every switch changes something, computes the same, and restores it."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.ablations import OPTIMISATIONS, Optimisation
from benchmarks.documents import replace_between
from benchmarks.training_candidates import random_words
from pygraph_nn.nn.core.base import Base
from pygraph_nn.recurrent import batched_stages, dispatch, functions, loop_stages
from pygraph_nn.recurrent.buffers import BufferedWorkspace
from pygraph_nn.recurrent.workspace import Workspace
from zaremba_port import TextState, create_network, preset
from zaremba_port.engines import FastModel, make_model, start_generators
from zaremba_port.language_model import LanguageModel

OWNERS = (batched_stages, dispatch, functions, loop_stages, BufferedWorkspace, Workspace, Base)
# Wide enough for the transposed copy, whose gradient the switch computes without.
SIZES = {"rnn_size": 8, "vocab_size": 1100, "batch_size": 4, "seq_length": 5}

rows = pytest.mark.parametrize("row", OPTIMISATIONS, ids=lambda row: row.name)


def new_model(row: Optimisation, **changes: object) -> tuple[LanguageModel, TextState]:
    settings = preset(row.preset).with_changes({**SIZES, **row.changes, **changes})
    start_generators(1)
    model = make_model(row.engine, create_network(settings), settings)
    return model, TextState(random_words(settings, 60))


def train(model: LanguageModel, text: TextState, steps: int) -> list[float]:
    results = []
    for _ in range(steps):
        results.append(model.fp(text))
        model.bp(text, 0.5)
        results.append(model.norm_dw)
    return results


def replaceable(model: LanguageModel) -> dict[tuple[object, str], object]:
    """Everything that a switch may replace."""
    owners: list[Any] = list(OWNERS)
    state: dict[tuple[object, str], object] = {}
    if isinstance(model, FastModel):
        layout = model._sgd._layout
        state["library", ""] = model._sgd._library_precision
        state["dense_from", ""] = layout.dense_from
        for i, slot in enumerate(layout.slots.values()):
            state["has rows", str(i)] = slot.rows is not None
    return state | {(owner, name): v for owner in owners for name, v in vars(owner).items()}


@rows
def test_a_switch_changes_something_and_restores_it(row):
    model, text = new_model(row)
    train(model, text, 1)
    before = replaceable(model)
    if row.name == "products by oneDNN" and before["library", ""] == "highest":
        pytest.skip("this processor computes products by the default library")
    with row.off(model):
        train(model, text, 1)
        inside = replaceable(model)
        assert any(inside[key] is not before[key] and inside[key] != before[key] for key in before)
    after = replaceable(model)
    assert after.keys() == before.keys()
    assert all(after[key] is before[key] or after[key] == before[key] for key in before)


@rows
def test_training_is_the_same_without_the_optimisation(row):
    """Also after the switch, which leaves no gradient behind."""
    with_it, text = new_model(row, dropout=0.0)
    expected = train(with_it, text, 6)
    without_it, text = new_model(row, dropout=0.0)
    with row.baseline(without_it):
        losses = train(without_it, text, 2)
        with row.off(without_it):
            losses += train(without_it, text, 2)
        losses += train(without_it, text, 2)
    assert losses == pytest.approx(expected, rel=1e-5)


def test_a_table_replaces_the_lines_between_its_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- a -->\nold\n<!-- b -->\nbelow\n")
    replace_between(page, "<!-- a -->", "<!-- b -->", "new\nrows")
    assert page.read_text() == "above\n<!-- a -->\nnew\nrows\n<!-- b -->\nbelow\n"


@pytest.mark.parametrize("text", ["", "<!-- a -->\n", "<!-- b -->\n", "<!-- b -->\n<!-- a -->\n"])
def test_a_page_without_the_marks_is_left_alone(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(ValueError, match="lacks"):
        replace_between(page, "<!-- a -->", "<!-- b -->", "new")
    assert page.read_text() == text
