"""Slots and buffers against plain tensors that are allocated anew."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from pygraph_nn import nn
from pygraph_nn.recurrent import Slot, Workspace
from pygraph_nn.recurrent.buffers import BufferedWorkspace

ROWS, WIDTH = 6, 2


@settings(max_examples=100, deadline=None)
@given(
    st.booleans(),
    st.lists(  # of steps, what is done in each: rows are added, or autograd adds to all
        st.lists(st.one_of(st.just("all"), st.lists(st.integers(0, ROWS - 1), min_size=1))),
        max_size=4,
    ),
)
def test_rows_add_up_as_in_a_dense_gradient(
    by_rows: bool, steps: list[list[str | list[int]]]
) -> None:
    grads = torch.zeros(ROWS, WIDTH)
    rows = torch.empty(0, dtype=torch.long) if by_rows else None
    slot = Slot(torch.randn(ROWS, WIDTH), grads, rows)
    for step in steps:
        expected = torch.zeros(ROWS, WIDTH)
        slot.written = False
        for added in step:
            if added == "all":
                if not slot.written:
                    slot.zero()
                    grads += 1
                    expected += 1
                continue
            index = torch.tensor(added)
            values = torch.randn(len(added), WIDTH)
            slot.add_rows(index, values)
            expected.index_add_(0, index, values)
        if not slot.written:
            slot.zero_rows()
        torch.testing.assert_close(grads, expected)
        if slot.rows is not None:
            assert set(expected.abs().sum(1).nonzero()[:, 0].tolist()) <= set(slot.rows.tolist())


def test_a_buffer_is_its_keys_shapes_and_types() -> None:
    workspace, like = BufferedWorkspace({}), torch.zeros(1)
    buffer = workspace.empty((3, "c"), (2, 4), like)
    assert workspace.empty((3, "c"), (2, 4), like) is buffer
    for other in (
        workspace.empty((3, "h"), (2, 4), like),
        workspace.empty((4, "c"), (2, 4), like),
        workspace.empty((3, "c"), (2, 5), like),
        workspace.empty((3, "c"), (2, 4), like.double()),
    ):
        assert other.data_ptr() != buffer.data_ptr()
    assert Workspace().empty((3, "c"), (2, 4), like) is not buffer


@pytest.mark.parametrize("workspace", [Workspace(), BufferedWorkspace({})])
def test_buffers_of_ones_and_zeros(workspace: Workspace) -> None:
    like = torch.zeros(1, dtype=torch.float64)
    for _ in range(2):
        ones = workspace.with_ones((0, "h"), (3, 4), like)
        assert torch.equal(ones[:, -1], torch.ones_like(ones[:, -1]))
        ones[:, :-1] = 7
        zeros = workspace.zeros((0, "dc"), (3, 4), like)
        assert torch.equal(zeros, torch.zeros(3, 4, dtype=torch.float64))
        zeros.fill_(7)


@pytest.mark.parametrize("bias", [True, False])
def test_a_block_made_of_parameters_gives_its_gradient_back(bias: bool) -> None:
    linear, x = nn.Linear(3, 4, bias), torch.randn(5, 3)
    slot = Workspace().block(linear)
    assert slot.grads is None
    block = slot.values
    torch.testing.assert_close(x @ block[:-1] + block[-1], linear(x))
    weights = torch.randn(5, 4)
    expected = torch.autograd.grad((linear(x) * weights).sum(), list(linear.parameters()))
    ((x @ block[:-1] + block[-1]) * weights).sum().backward()
    for parameter, grad in zip(linear.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, grad)


@pytest.mark.parametrize("outputs", [7, 1100])  # the second makes a copy of the transposed inputs
@pytest.mark.parametrize("scaled", [False, True])
def test_the_gradient_of_a_block(outputs: int, scaled: bool) -> None:
    inputs, grad = torch.randn(6, 4).double(), torch.randn(6, outputs).double()
    scale = torch.randn(6, 1).double() if scaled else None
    expected = (inputs if scale is None else inputs * scale).t() @ grad
    values = torch.zeros(4, outputs).double()
    workspace = Workspace()
    torch.testing.assert_close(
        workspace.block_gradient(Slot(values), inputs, grad, scale), expected
    )
    slot = Slot(values, torch.full_like(values, 9))
    for times in (1, 2):  # the first overwrites, the second adds
        assert workspace.block_gradient(slot, inputs, grad, scale) is None
        torch.testing.assert_close(slot.grads, times * expected)
